"""Holding what the base model can do: the adapter's output is pulled to the output without the adapter.

The base model is the same weights with the adapter switched off, so it costs a forward pass without gradient and no
memory. The loop runs that pass; here stand the choices and what each of them needs.
"""

from __future__ import annotations

from dataclasses import dataclass

from .timesteps import positive
from .widget import Widget, setting

_WEIGHT = Widget("preservation_weight", 1.0, least=0.01, most=100.0, step=0.05,
    tooltip="How strongly preservation holds. 1 is usual. Too high: your subject is hardly learned.")


@dataclass(frozen=True, kw_only=True, slots=True)
class OnRegularisation:
    """Regularisation pictures are trained towards what the base model makes of them, instead of the pictures
    themselves: no drift, and their quality does not matter."""

    weight: float = setting(_WEIGHT)

    def problems(self) -> list[str]:
        return positive("preservation_weight", self.weight)


@dataclass(frozen=True, kw_only=True, slots=True)
class OutsideMask:
    """Outside the mask the picture is trained towards what the base model makes of it, instead of not at all."""

    weight: float = setting(_WEIGHT, 0.5)

    def problems(self) -> list[str]:
        return positive("preservation_weight", self.weight)


@dataclass(frozen=True, kw_only=True, slots=True)
class SwappedCaption:
    """Beside each training picture, its noisy latents are denoised with another caption, which must stay as the base
    model has it: with `trigger` replaced by `class_words` ("photo of sks" -> "photo of a woman")."""

    trigger: str = setting(Widget("preservation_trigger", "",
        tooltip="For preservation class: the trigger word in your captions; [trigger] takes that of the dataset."))
    class_words: str = setting(Widget("preservation_class", "",
        tooltip="For preservation class: what replaces the trigger word, for example 'woman' or 'dog'."))
    weight: float = setting(_WEIGHT)

    def problems(self) -> list[str]:
        found = positive("preservation_weight", self.weight)
        if not self.trigger.strip():
            found.append("preservation 'class' needs preservation_trigger: the word of your captions to be replaced.")
        if not self.class_words.strip():
            found.append("preservation 'class' needs preservation_class: what it is, for example 'woman'.")
        return found

    def caption(self, caption: str) -> str:
        return caption.replace(self.trigger, self.class_words)


@dataclass(frozen=True, kw_only=True, slots=True)
class BlankCaption:
    """The same with an empty caption: what the model does unprompted must stay."""

    weight: float = setting(_WEIGHT)

    def problems(self) -> list[str]:
        return positive("preservation_weight", self.weight)

    def caption(self, caption: str) -> str:
        return ""


@dataclass(frozen=True, kw_only=True, slots=True)
class FewSteps(BlankCaption):
    """The same, but at the few noise levels that a sampler stops at: where each step of the connected sigmas begins. A distilled
    model is sampled at no others, so that is where it must stay as sharp as it is."""


Preservation = OnRegularisation | OutsideMask | SwappedCaption | BlankCaption | FewSteps
