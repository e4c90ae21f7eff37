"""A recipe: what is to be trained, and how. Everything that the nodes around Train LoRA say, in one record."""

from __future__ import annotations

from dataclasses import dataclass, replace

from .data.advice.report import several_lines
from .data.captions import TRIGGER, filled
from .data.dataset import Dataset
from .errors import SettingsError
from .network.fitting import warnings
from .network.spec import NetworkSpec
from .objective.preservation import SwappedCaption
from .objective.spec import WHERE, ObjectiveSpec
from .optim.spec import OptimizerSpec
from .specs import PreviewSpec, RunSpec


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """Each part was checked at its own birth; whether they fit a model is asked when the model is known."""

    dataset: Dataset
    network: NetworkSpec
    optimizer: OptimizerSpec
    objective: ObjectiveSpec
    run: RunSpec
    preview: PreviewSpec | None = None
    unspoken: bool = False
    """A prompt says [trigger], and there is no trigger word."""

    @property
    def trigger(self) -> str:
        """The one trigger word: the first picture's, where merged data bring several."""
        return self.dataset.captions.trigger.strip()

    def spoken(self) -> Recipe:
        """With the data set's trigger word wherever a text says [trigger]: prompts, and the word that preservation replaces. Raises
        SettingsError where that is left without any."""
        kept = self.objective.preservation
        if isinstance(kept, SwappedCaption) and TRIGGER in kept.trigger:
            if not self.trigger:
                raise SettingsError(WHERE, [f"preservation_trigger is {TRIGGER}, but no trigger word is set. Set trigger_word on Load "
                                            "Dataset, or write the word itself."])
            kept = replace(kept, trigger=filled(kept.trigger, self.trigger))
        told = replace(self, objective=replace(self.objective, preservation=kept))
        if self.preview is None:
            return told
        sampling = self.preview.sampling
        texts = (*sampling.prompts, *(own.negative or "" for own in sampling.own), sampling.negative)
        *said, negative = (filled(text, self.trigger).strip() if TRIGGER in text else text for text in texts)
        preview = replace(self.preview, sampling=replace(
            sampling, prompts=tuple(said[: len(sampling.prompts)]), negative=negative,
            own=tuple(own if own.negative is None else replace(own, negative=text)
                      for own, text in zip(sampling.own, said[len(sampling.prompts) :], strict=True))))  # fmt: skip
        return replace(told, preview=preview, unspoken=not self.trigger and any(TRIGGER in text for text in texts))

    def warnings(self, parametrisation: str) -> list[str]:
        """What may not be meant, on a model of this `parametrisation`."""
        unspoken = [f"a prompt of Sample Preview says {TRIGGER}, but no trigger word is set, so it is left out. Set trigger_word on Load "
                    "Dataset, or take it out of the prompts."] if self.unspoken else []
        return [*unspoken, *self.dataset.warnings, *several_lines(self.dataset.samples), *warnings(self.network),
                *self.optimizer.warnings(), *self.objective.warnings(parametrisation)]
