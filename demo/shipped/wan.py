"""Train Wan 2.2 on pictures: its high and its low noise model, each in its own range of noise, and both together in the test.

The range and the numbers are musubi-tuner's (wan.md: the models change over at 0.875 in text to video; rank 32) and
ai-toolkit's (train_lora_wan22_14b_24gb.yaml: every noise level equally often, 1e-4, 2000 steps); sampling is ComfyUI's template's.
"""

from typing import Any

from . import models
from .canvas import Canvas, Column, Placed
from .families import Loaded, Sampling, Socket, text_encoders, unet, vae
from .notes import WAN_NOTE
from .training import COLUMN, SPACE, TEST, dataset_of, frames, preview_of, prompts, show

SIDE, CHANGE_OVER = 1024, 875
SAMPLING = Sampling(3.5, 20)


def train_wan(info: dict) -> Canvas:
    canvas = Canvas("Train Wan 2.2 LoRA on pictures", info)
    first, second, third = (canvas.column(number * (COLUMN + SPACE), COLUMN) for number in range(3))
    fourth = canvas.column(3 * (COLUMN + SPACE), COLUMN + 60)
    low, high = unet(first, models.WAN_LOW, title="Low noise model"), unet(first, models.WAN_HIGH, title="High noise model")
    loaded = Loaded(low, text_encoders(first, "wan", models.UMT5), vae(first, models.WAN_VAE))
    shared = {
        "clip": loaded.clip, "vae": loaded.vae, "dataset": dataset_of(first, SIDE),
        "network": second.add("LoRACanvasLoRANetwork", {"rank": 32, "alpha": 32.0}).out("network"),
        "optimizer": third.add("LoRACanvasOptimizer").out("optimizer"),
    }
    preview = preview_of(second, SAMPLING, SIDE).out("preview")
    lower = _train(third, fourth, "low", {"max_timestep": CHANGE_OVER}, model=low, preview=preview, **shared)
    higher = _train(third, fourth, "high", {"min_timestep": CHANGE_OVER}, model=high, **shared)
    frames(canvas, max(column.end for column in (first, second, third, fourth)) + 40)
    _use_them(canvas, lower, higher, loaded)
    canvas.note(WAN_NOTE, (-520, -90), (470, 760))
    return canvas


def _train(third: Column, fourth: Column, which: str, window: dict[str, int], **sockets: Socket) -> Placed:
    objective = third.add("LoRACanvasTrainingObjective", {"timesteps": "uniform", **window}, title=f"Noise of the {which} noise model")
    trained = fourth.add(
        "LoRACanvasTrainLoRA", {"run_name": f"my_lora_{which}_noise", "steps": 2000}, room=400, title=f"Train LoRA ({which} noise)",
        objective=objective.out("objective"), **sockets,
    )
    fourth.add("LoRACanvasSaveLoRA", {"filename": f"my_lora_{which}_noise"}, lora=trained.out("lora"))
    return trained


def _use_them(canvas: Canvas, low: Placed, high: Placed, loaded: Loaded) -> None:
    """One frame: the high noise model begins, the low noise model ends."""
    column, second = canvas.column(TEST, COLUMN), canvas.column(TEST + COLUMN + SPACE, COLUMN)
    positive, negative = prompts(column, loaded.clip, SAMPLING)
    latent = column.add("EmptyHunyuanLatentVideo", {"width": SIDE, "height": SIDE, "length": 1})
    column.add("PreviewImage", room=340, title="Loss (low noise)", images=low.out("loss_plot"))
    common: dict[str, Any] = {
        "noise_seed": 42, "steps": SAMPLING.steps, "cfg": SAMPLING.cfg, "sampler_name": SAMPLING.sampler, "scheduler": SAMPLING.scheduler,
    }
    # The model's own shift of 8 has its noise level at 0.889 after ten of twenty steps: next to where the models change over.
    half = SAMPLING.steps // 2
    begun = second.add(
        "KSamplerAdvanced", {**common, "end_at_step": half, "return_with_leftover_noise": "enable"}, title="High noise steps",
        model=high.out("model"), positive=positive, negative=negative, latent_image=latent.out("LATENT"),
    )
    ended = second.add(
        "KSamplerAdvanced", {**common, "add_noise": "disable", "start_at_step": half}, title="Low noise steps",
        model=low.out("model"), positive=positive, negative=negative, latent_image=begun.out("LATENT"),
    )
    show(second, ended, loaded)
