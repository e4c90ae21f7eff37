"""Sampling the prompts while training: the host's own samplers on the borrowed model with the live adapters."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager

import torch
from torch.nn.functional import pad

from ..data.dataset import Sample
from ..data.references import whole_views
from ..events import PreviewReady, Progress
from ..protocols import Sampler
from ..specs import PreviewSpec, SamplingSpec
from .control import PREVIEW
from .trainer import Companion, Trainer


class Previews(Companion):
    """`returned()` gives the model back to the host for as long as it samples. `samples` are the dataset's pictures with
    references: prompt i is sampled with those of the i-th, unless the spec brings its own."""

    def __init__(
        self,
        spec: PreviewSpec | None,
        sampler: Sampler,
        returned: Callable[[], AbstractContextManager[None]],
        samples: Sequence[Sample] = (),
    ):
        self._spec = spec
        self._samples = tuple(samples)
        self._sampler = sampler
        self._returned = returned
        self._done_at: int | None = None

    def memory(self) -> list:
        return [] if self._done_at is None else [self._done_at]

    def remember(self, memory: list, step: int) -> None:
        self._done_at = int(memory[0]) if memory else None

    def after_step(self, trainer: Trainer) -> None:
        wished = trainer.control.take(PREVIEW)
        if self._spec is None or trainer.step == self._done_at:
            return
        if wished or _due(self._spec, trainer):
            self.sample(trainer, self._spec)

    def sample(self, trainer: Trainer, spec: PreviewSpec) -> None:
        """One picture a prompt, picture i with seed + i or a seed of its own, the same at every step. A failure is a warning; what a
        cancel cut short is made when the run goes on."""
        sampling, network, name = spec.sampling, trainer.updater.network, f"the preview of step {trainer.step}"
        seeds = tuple(one.seed for one in sampling.each())
        started = time.monotonic()
        trainer.forget_recordings()
        with trainer.updater.as_saved(), network.at_strength(spec.lora_strength), self._returned():
            pictures = trainer.aside(name, lambda: self._pictures(trainer, sampling, seeds))
        self._done_at = trainer.step
        trainer.emit(Progress(phase="preview", done=len(seeds), total=len(seeds)))
        if pictures is not None:
            sizes = tuple((picture.shape[2], picture.shape[1]) for picture in pictures)
            trainer.emit(PreviewReady(step=trainer.step, images=together(pictures), prompts=sampling.prompts, seeds=seeds,
                                      seconds=time.monotonic() - started, sizes=sizes if len(set(sizes)) > 1 else ()))

    def _pictures(self, trainer: Trainer, sampling: SamplingSpec, seeds: Sequence[int]) -> list[torch.Tensor]:
        pictures = []
        for i, (prompt, seed) in enumerate(zip(sampling.prompts, seeds, strict=True)):
            trainer.control.check()
            trainer.emit(Progress(phase="preview", done=i, total=len(seeds)))
            own = sampling.one(i)
            pictures.append(self._sampler.sample(own, prompt, seed, self._references(own, i)))
        return pictures

    def _references(self, sampling: SamplingSpec, number: int) -> list[torch.Tensor]:
        if sampling.references or not self._samples:
            return list(sampling.references)
        sample = self._samples[number % len(self._samples)]
        return [view.pixels() for view in whole_views(sample, (sampling.width, sampling.height))]


def together(pictures: Sequence[torch.Tensor]) -> torch.Tensor:
    """One batch; smaller ones at the top left, on black."""
    height, width = (max(picture.shape[axis] for picture in pictures) for axis in (1, 2))
    return torch.cat([pad(picture, (0, 0, 0, width - picture.shape[2], 0, height - picture.shape[1])) for picture in pictures])


def _due(spec: PreviewSpec, trainer: Trainer) -> bool:
    step = trainer.step
    if step == 0:
        return spec.at_start
    if step == trainer.total_steps:
        return spec.at_end
    epochs = spec.every_n_epochs * trainer.plan.steps_per_epoch
    return bool((spec.every_n_steps and step % spec.every_n_steps == 0) or (epochs and step % epochs == 0))
