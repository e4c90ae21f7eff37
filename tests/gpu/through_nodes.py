"""Whole runs by Train LoRA on a tiny checkpoint, as the executor calls it: in a worker thread, under inference mode."""

from __future__ import annotations

import shutil
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace

import torch
from safetensors.torch import load_file

import pack
from pack.demo.tiny import checkpoints
from pack.host.model.sampler import ComfySampler
from pack.host.runs.run_folders import find_run
from pack.nodes.load_dataset import LoadDataset
from pack.nodes.train_lora import TrainLoRA
from pack.training.data.specs import BucketSpec
from pack.training.network.spec import NetworkSpec
from pack.training.optim import loss_scale
from pack.training.optim.schedules import Constant, Schedule
from pack.training.optim.spec import OptimizerSpec
from pack.training.run import stepper
from pack.training.specs import PreviewSpec, SamplingSpec

from . import models
from .findings import SKIPPED, Findings

SAMPLING = SamplingSpec(prompts=("lcfox in the snow",), sampling_steps=4, width=128, height=128)
_HIDDEN = SimpleNamespace(unique_id="1", prompt=None, extra_pnginfo=None, dynprompt=None)
_ON_CPU = {"load_device": torch.device("cpu"), "offload_device": torch.device("cpu")}


def run(comfy, options):
    """Twice, and once with a stop: the same file, base untouched, the preview what the sampler makes."""
    found, model, clip, vae = Findings(), *_checkpoint(comfy)
    wired = {"model": model, "vae": vae, "clip": clip, "dataset": _dataset(comfy, options), **_specs()}
    weights = (model.model, clip.cond_stage_model)
    before = [models.digest_of(comfy, one) for one in weights]
    preview = PreviewSpec(sampling=SAMPLING, every_n_steps=0, at_start=False, at_end=True)
    whole = _node(**wired, run_name="whole", preview=preview)
    again = _node(**wired, run_name="again")
    _node(**wired, run_name="half", steps=2)
    resumed = _node(**wired, run_name="half", resume="half")
    found.say("the base is untouched", ok=[models.digest_of(comfy, one) for one in weights] == before)
    found.near("same seed again", _apart(again, whole), 0)
    found.near("resumed", _apart(resumed, whole), 0)
    with torch.inference_mode():
        samplers = [ComfySampler(*pair, vae) for pair in (whole[:2], (model, clip))]
        trained, plain = (sampler.sample(SAMPLING, SAMPLING.prompts[0], SAMPLING.seed) for sampler in samplers)
    effect = float((plain - trained).abs().max())
    apart = float((trained - whole[5].cpu()).abs().max())
    found.near(f"preview against sampler (the LoRA changes {effect:.1e})", apart, max(2 / 255, 0.2 * effect))
    found.say(f"losses {[round(loss, 4) for loss in whole[3]['loss']]}", ok=_moved(whole, "lora_unet") > 0)
    return found.row()


def text_encoder(comfy, options):
    """CLIP trained beside the model, on the device and, as CLIP loaders offer, on the CPU."""
    found = Findings()
    for label, where in (("on the device", {}), ("CLIP on the CPU", {"te_model_options": _ON_CPU}))[: 1 if options.tiny else None]:
        with found.trying(label):
            model, clip, vae = _checkpoint(comfy, **where)
            trained = _node(model=model, vae=vae, clip=clip, dataset=_dataset(comfy, options), steps=2, **_specs(text_encoder_lr=1e-3))
            moved = _moved(trained, "lora_te")
            found.say(f"{label}: largest up {moved:.1e}", ok=moved > 0)
    return found.row()


def fp16_overflow(comfy, options):
    """A loss scale that must overflow: it is lowered, the step is tried again, the run ends with finite weights."""
    model, clip, vae = _checkpoint(comfy)
    first, loss_scale.FIRST = loss_scale.FIRST, 2.0**26
    try:
        trained = _node(model=model, vae=vae, clip=clip, dataset=_dataset(comfy, options), steps=2, precision="fp16", **_specs())
    finally:
        loss_scale.FIRST = first
    tensors = _file(trained)
    is_finite = all(bool(tensor.isfinite().all()) for tensor in tensors.values())
    return {"ok": is_finite and _moved(trained, "lora_unet") > 0, "say": f"finite {is_finite}, losses {trained[3]['loss']}"}


def out_of_memory(comfy, options):
    """The card is full at a step: it is made again with less and the run goes on, or ends with a message that helps; base and card are
    as before, and the next run works."""
    if comfy.device.type != "cuda":
        return SKIPPED
    found, model, clip, vae = Findings(), *_checkpoint(comfy)
    wired = {"model": model, "vae": vae, "clip": clip, "gradient_checkpointing": False, **_specs(ema_decay=0.9)}
    small, large = _dataset(comfy, options), _dataset(comfy, options, 512)
    _node(**wired, dataset=small, run_name="room", steps=1)
    before = models.digest_of(comfy, model.model)
    with found.trying("the full card"), _filled_at_the_third_look(comfy):
        found.say(f"{len(_node(**wired, dataset=large, run_name='full', batch_size=4)[3]['loss'])} steps on a full card")
    folder = find_run("full")
    kept = folder is not None and (folder / "full.safetensors").is_file() and any((folder / "state").iterdir())
    found.say("LoRA and state are there", ok=kept)
    found.say("the base is untouched", ok=models.digest_of(comfy, model.model) == before)
    found.say("a run afterwards works", ok=bool(_node(**wired, dataset=small, run_name="after", steps=1)))
    return found.row()


@contextmanager
def _filled_at_the_third_look(comfy) -> Iterator[None]:
    """ComfyUI believes in its free memory; what is really free is taken away at the third micro-batch, and given back when it fails."""
    real, taken, looks = stepper.Stepper.look, [], []

    def look(self, *args, **kwargs):
        looks.append(1)
        if len(looks) == 3:
            torch.cuda.synchronize()
            torch.cuda.empty_cache()
            taken.append(torch.empty(max(1, torch.cuda.mem_get_info()[0] - 64 * 2**20), dtype=torch.uint8, device=comfy.device))
        try:
            return real(self, *args, **kwargs)
        finally:
            taken.clear()

    stepper.Stepper.look = look
    try:
        yield
    finally:
        stepper.Stepper.look = real
        torch.cuda.empty_cache()


def _checkpoint(comfy, **options) -> tuple:
    path = checkpoints.make("sd15", comfy.base / "models" / "checkpoints")
    with torch.inference_mode():
        return comfy.sd.load_checkpoint_guess_config(str(path), **options)[:3]


def _dataset(comfy, options, side: int = 128):
    side = 64 if options.tiny else side
    folder = comfy.base / "input" / "fox"
    if not folder.exists():
        source = next(path for path in (Path(pack.__path__[0]) / "demo" / "pictures").iterdir() if path.is_dir())
        folder.mkdir(parents=True)
        for file in sorted(source.iterdir())[:8]:
            shutil.copy(file, folder / file.name)
    dataset = LoadDataset.execute(repeats=1, caption_extension=".txt", folder="fox").args[0]
    return dataset.with_buckets(BucketSpec(resolution=side, min_bucket=64, max_bucket=512))


def _specs(**optimizer) -> dict:
    schedule = Schedule(Constant(), warmup_percent=0.0)
    return {"network": NetworkSpec(rank=4, alpha=4.0), "optimizer": OptimizerSpec(learning_rate=1e-3, schedule=schedule, **optimizer)}


def _node(**settings) -> tuple:
    """The outputs of TrainLoRA.execute."""
    node = type("TrainLoRA", (TrainLoRA,), {"hidden": _HIDDEN})
    given = {"run_name": "gpu", "steps": 4, "batch_size": 1, "gradient_accumulation": 1, "seed": 0, "precision": "auto",
             "gradient_checkpointing": True, "save_every_n_steps": 0, "resume": "", **settings}
    box: dict = {}

    def work() -> None:
        try:
            with torch.inference_mode():
                box["out"] = node.execute(**given).args
        except BaseException as error:
            box["error"] = error
            raise

    before, threading.excepthook = threading.excepthook, lambda _: None
    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    threading.excepthook = before
    if "error" in box:
        raise box["error"]
    return box["out"]


def _file(outputs: tuple) -> dict[str, torch.Tensor]:
    folder = Path(outputs[6])
    return load_file(folder / f"{folder.name}.safetensors")


def _apart(one: tuple, other: tuple) -> float:
    a, b = _file(one), _file(other)
    return max(float((a[key] - b[key]).abs().max()) for key in b)


def _moved(outputs: tuple, part: str) -> float:
    return max(float(tensor.abs().max()) for key, tensor in _file(outputs).items() if key.startswith(part) and "lora_up" in key)
