"""Train Wan 2.2 on pictures: its high and its low noise model, each in its own range of noise, and both together in the test.

The range and the numbers are musubi-tuner's (wan.md: the models change over at 0.875 in text to video; rank 32) and
ai-toolkit's (train_lora_wan22_14b_24gb.yaml: every noise level equally often, 1e-4, 2000 steps); sampling is ComfyUI's template's.
"""

from typing import Any

from . import models
from .canvas import COLUMN, SHELF, Canvas, Column, Placed
from .families import Loaded, Sampling, Socket, text_encoders, unet, vae
from .notes import WAN_NOTE
from .training import AFTER, HOW, LIVE, buckets, preview_of, prompts, show

SIDE, CHANGE_OVER = 1024, 875
SAMPLING = Sampling(3.5, 20)


def train_wan(info: dict) -> Canvas:
    canvas = Canvas("Train Wan 2.2 LoRA on pictures", info)
    first, second, third, fourth = canvas.columns(COLUMN, COLUMN, COLUMN, SHELF)
    low = unet(first, models.WAN_LOW, title="Low noise model")
    high = unet(first, models.WAN_HIGH, folded=True, title="High noise model")
    loaded = Loaded(low, text_encoders(first, "wan", models.UMT5), vae(first, models.WAN_VAE))
    pictures = first.add("LoRACanvasLoadDataset", {"folder": "my_pictures"})
    preview = preview_of(second, SAMPLING, SIDE)
    with second.frame("The high noise model") as other:
        objective = _noise(other, "high", {"min_timestep": CHANGE_OVER})
        with fourth.frame(HOW) as how:
            shared: dict[str, Any] = {
                "clip": loaded.clip, "vae": loaded.vae, "dataset": buckets(how, pictures, SIDE),
                "network": how.fold("LoRACanvasLoRANetwork", {"rank": 32, "alpha": 32.0}).out("network"),
                "optimizer": how.fold("LoRACanvasOptimizer").out("optimizer"),
            }
            noise = _noise(how, "low", {"max_timestep": CHANGE_OVER})
        lower = third.add("LoRACanvasTrainLoRA", _run("low"), room=LIVE, title="Train LoRA (low)", model=low, objective=noise,
                          preview=preview.out("preview"), **shared)
        higher = other.fold("LoRACanvasTrainLoRA", _run("high"), title="Train LoRA (high)", model=high, objective=objective, **shared)
        other.fold("LoRACanvasSaveLoRA", {"filename": "my_lora_high_noise"}, title="Save high", lora=higher.out("lora"))
    second.note(WAN_NOTE)
    with fourth.frame(AFTER) as after:
        after.fold("LoRACanvasSaveLoRA", {"filename": "my_lora_low_noise"}, title="Save low", lora=lower.out("lora"))
        _use_them(after, lower, higher, loaded)
    return canvas


def _noise(column: Column, which: str, window: dict[str, int]) -> Socket:
    widgets = {"timesteps": "uniform", **window}
    return column.fold("LoRACanvasTrainingObjective", widgets, title=f"{which.capitalize()} noise levels").out("objective")


def _run(which: str) -> dict[str, Any]:
    return {"run_name": f"my_lora_{which}_noise", "steps": 2000}


def _use_them(column: Column, low: Placed, high: Placed, loaded: Loaded) -> None:
    """One frame: the high noise model begins, the low noise model ends."""
    positive, negative = prompts(column, loaded.clip, SAMPLING)
    latent = column.fold("EmptyHunyuanLatentVideo", {"width": SIDE, "height": SIDE, "length": 1}, title="Size")
    common: dict[str, Any] = {
        "noise_seed": 42, "steps": SAMPLING.steps, "cfg": SAMPLING.cfg, "sampler_name": SAMPLING.sampler, "scheduler": SAMPLING.scheduler,
    }
    # The model's own shift of 8 has its noise level at 0.889 after ten of twenty steps: next to where the models change over.
    half = SAMPLING.steps // 2
    begun = column.fold(
        "KSamplerAdvanced", {**common, "end_at_step": half, "return_with_leftover_noise": "enable"}, title="High noise steps",
        model=high.out("model"), positive=positive, negative=negative, latent_image=latent.out("LATENT"),
    )
    ended = column.fold(
        "KSamplerAdvanced", {**common, "add_noise": "disable", "start_at_step": half}, title="Low noise steps",
        model=low.out("model"), positive=positive, negative=negative, latent_image=begun.out("LATENT"),
    )
    show(column, ended, loaded)
