"""A run made of invented numbers: plausible losses, pictures that sharpen, messages; obeys a control."""

import math
import random
import threading
import time
from pathlib import Path

import comfy.model_management
import torch

from .training.events import (
    Emitter,
    Message,
    PreviewReady,
    Progress,
    RunEnded,
    RunStarted,
    Saved,
    StepDone,
    Validated,
)
from .training.record.log import JsonlLog
from .training.record.loss_plot import LossPlot
from .training.record.run_json import RunJson, read_run
from .training.record.samples import SampleFiles

PROMPTS = ("a photo of sks fox in the snow, soft morning light, sharp focus", "sks fox portrait, oil painting",
           "a photo of a dog on a beach")
GIB = 2**30


class FakeControl:
    """The engine's control, as far as the panel can tell."""

    def __init__(self):
        self.wishes: set[str] = set()
        self.scale = 1.0
        self._lock = threading.Lock()

    def _wish(self, name):
        with self._lock:
            self.wishes.add(name)

    def request_stop(self):
        self._wish("stopped")

    def request_pause(self):
        self._wish("paused")

    def request_save(self):
        self._wish("save")

    def request_preview(self):
        self._wish("preview")

    def set_learning_rate_scale(self, scale):
        self.scale = scale

    def take(self, name) -> bool:
        with self._lock:
            found = name in self.wishes
            self.wishes.discard(name)
        return found


def pictures(step: int, total: int, side: int = 512) -> torch.Tensor:
    """Soft coloured discs that come out of noise as the run proceeds."""
    y, x = torch.meshgrid(torch.linspace(-1, 1, side), torch.linspace(-1, 1, side), indexing="ij")
    clean = math.exp(-4 * step / max(total, 1))
    images = []
    for index in range(len(PROMPTS)):
        centre = 0.3 * math.cos(2 * index), 0.3 * math.sin(2 * index)
        disc = torch.sigmoid(12 * (0.55 - ((x - centre[0]) ** 2 + (y - centre[1]) ** 2).sqrt()))
        colour = torch.tensor([[0.9, 0.55, 0.25], [0.35, 0.6, 0.85], [0.5, 0.75, 0.4]][index])
        sky = torch.stack([0.25 + 0.2 * y, 0.3 + 0.2 * y, 0.4 + 0.25 * y], dim=-1)
        picture = sky * (1 - disc[..., None]) + colour * disc[..., None] * (1 - 0.3 * y[..., None])
        generator = torch.Generator().manual_seed(index)
        noise = torch.rand(side, side, 3, generator=generator)
        images.append((1 - 0.8 * clean) * picture + 0.8 * clean * noise)
    return torch.stack(images).clamp(0, 1)


def invented_step(number: int, total: int, scale: float, seconds: float, seed: int) -> StepDone:
    chance = random.Random(seed * 1_000_003 + number)
    loss = 0.075 + 0.05 * math.exp(-3 * number / total) + chance.gammavariate(2.0, 0.016)
    warm = min(1.0, number / (0.05 * total)) * (0.55 + 0.45 * math.cos(math.pi * number / total))
    return StepDone(
        step=number, total_steps=total, epoch=number / 40, loss=loss, grad_norm=chance.uniform(0.2, 0.6), items=2,
        learning_rates={"diffusion_model": 1e-4 * warm * scale, "text_encoder": 5e-5 * warm * scale},
        seconds=max(seconds, 1e-4), memory_bytes=int((9.1 + chance.uniform(0, 0.3)) * GIB),
        peak_memory_bytes=int(10.4 * GIB),
    )


def train(folder: Path, control: FakeControl, panel, *, steps, seed=0, resume="", pause=0.05, preview_every=100,
          graph=None) -> None:
    """The shape of a real run: caches, steps, previews, saves, an end; resumes from run.json's step."""
    start = (read_run(folder) or {}).get("step", 0) if resume else 0
    plot = LossPlot(folder)
    graph = graph or {}
    pictures_know = {key: graph[key] for key in ("prompt", "workflow") if graph.get(key)}
    emit = Emitter([SampleFiles(folder, pictures_know), JsonlLog(folder), RunJson(folder, **graph), plot, *panel])
    reason, error, number, began = "finished", None, start, time.monotonic()
    try:
        _cache(emit, pause)
        settings = {"run_name": folder.name, "seed": seed, "rank": 16 + 16 * (seed % 2), "optimizer": "AdamW8bit",
                    "learning_rates": {"diffusion_model": 1e-4, "text_encoder": 5e-5}, "steps": steps, "batch_size": 2}
        emit(RunStarted(run_name=folder.name, folder=folder, start_step=start, total_steps=steps, steps_per_epoch=40.0,
                        settings=settings, preview_every=preview_every, validate_every=50))
        if preview_every and not start:
            emit(PreviewReady(step=0, images=pictures(0, steps), prompts=PROMPTS, seeds=(42, 43, 44)))
        for number in range(start + 1, steps + 1):
            comfy.model_management.throw_exception_if_processing_interrupted()
            time.sleep(pause)
            emit(invented_step(number, steps, control.scale, pause, seed))
            _beside(emit, control, folder, number, steps, preview_every)
            if control.wishes & {"stopped", "paused"}:
                reason = "paused" if control.take("paused") else "stopped"
                break
    except comfy.model_management.InterruptProcessingException:
        reason = "cancelled"
        raise
    finally:
        lora = folder / f"{folder.name}.safetensors"
        if reason in ("finished", "stopped", "paused"):
            emit(Saved(step=number, path=lora, kind="lora"))
        emit(RunEnded(reason=reason, step=number, total_steps=steps, lora_path=lora,
                      seconds=time.monotonic() - began, error=error))


def _cache(emit, pause: float) -> None:
    emit(Message(level="info", topic="dataset", text="40 pictures, 2 buckets, 20 steps an epoch"))
    for done in range(1, 41):
        time.sleep(min(pause, 0.05))
        emit(Progress(phase="latents", done=done, total=40))


def _beside(emit, control, folder, number, steps, preview_every) -> None:
    if preview_every and number % preview_every == 0 or control.take("preview"):
        for done in range(1, 5):
            time.sleep(0.02)
            emit(Progress(phase="preview", done=done, total=4))
        emit(PreviewReady(step=number, images=pictures(number, steps), prompts=PROMPTS, seeds=(42, 43, 44)))
    if number % 50 == 0:
        rising = 0.00002 * max(0, number - 0.7 * steps)
        emit(Validated(step=number, loss=0.1 + 0.05 * math.exp(-4 * number / steps) + rising, is_best=rising == 0,
                       relative=0.9, bands={"low": 0.03, "middle": 0.1, "high": 0.2}, seconds=0.3,
                       overfitting="the training loss falls, the held-out loss rises" if rising > 0.004 else None))
    if number % 250 == 0 or control.take("save"):
        emit(Saved(step=number, path=folder / "checkpoints" / f"{folder.name}_{number:06d}.safetensors", kind="checkpoint"))
    if number == 60:
        emit(Message(level="warning", topic="spilling", step=number,
                     text="Steps became 4 times slower while memory is full: the driver moves it to system RAM. "
                          "Lower the resolution to 768 (saves about 3.1 GB)."))
