"""Sampling the prompts while training: the host's own samplers on the borrowed model with the live adapters."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager

import torch

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
        """One picture a prompt, picture i with seed + i, the same at every step. A failure is a warning; what a cancel cut short is
        made when the run goes on."""
        sampling, network, name = spec.sampling, trainer.updater.network, f"the preview of step {trainer.step}"
        seeds = tuple(sampling.seed + i for i in range(len(sampling.prompts)))
        started = time.monotonic()
        trainer.forget_recordings()
        with trainer.updater.as_saved(), network.at_strength(spec.lora_strength), self._returned():
            pictures = trainer.aside(name, lambda: self._pictures(trainer, sampling, seeds))
        self._done_at = trainer.step
        trainer.emit(Progress(phase="preview", done=len(seeds), total=len(seeds)))
        if pictures is not None:
            trainer.emit(PreviewReady(step=trainer.step, images=torch.cat(pictures), prompts=sampling.prompts, seeds=seeds,
                                      seconds=time.monotonic() - started))

    def _pictures(self, trainer: Trainer, sampling: SamplingSpec, seeds: Sequence[int]) -> list[torch.Tensor]:
        pictures = []
        for i, (prompt, seed) in enumerate(zip(sampling.prompts, seeds, strict=True)):
            trainer.control.check()
            trainer.emit(Progress(phase="preview", done=i, total=len(seeds)))
            pictures.append(self._sampler.sample(sampling, prompt, seed, self._references(sampling, i)))
        return pictures

    def _references(self, sampling: SamplingSpec, number: int) -> list[torch.Tensor]:
        if sampling.references or not self._samples:
            return list(sampling.references)
        sample = self._samples[number % len(self._samples)]
        return [view.pixels() for view in whole_views(sample, (sampling.width, sampling.height))]


def _due(spec: PreviewSpec, trainer: Trainer) -> bool:
    step = trainer.step
    if step == 0:
        return spec.at_start
    if step == trainer.total_steps:
        return spec.at_end
    epochs = spec.every_n_epochs * trainer.plan.steps_per_epoch
    return bool((spec.every_n_steps and step % spec.every_n_steps == 0) or (epochs and step % epochs == 0))
