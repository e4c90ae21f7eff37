"""Whether a model was distilled to do with few steps: told by its files' names, its kind, and how the graph samples it."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from ...training.specs import SamplingSpec
from ..model.facts import files_of_model
from ..model.family import variant_of
from .upstream import samples_as_lcm

#: Words that makers of few-step checkpoints and LoRAs put into file names; between them and the rest stands no small letter.
_WORDS = re.compile(
    r"(?<![a-z])(turbo|lightning|schnell|lcm|dmd2?|tcd|pcm|lightx2v|distill(?:ed)?|hyper(?![a-z])|klein(?!.*base)"
    r"|(?<!\d)\d{1,2}[-_ ]?steps?(?![a-z0-9]))"
)
#: The same words on what was made free of it.
_UNDONE = re.compile(r"(?<![a-z])(de|un|non)[-_ ]?(turbo|distill)")
MOST_STEPS, MOST_CFG = 8, 1.5


def few_steps_warning(patcher, prompt: Mapping[str, Any] | None, node_id: str, sampling: SamplingSpec | None) -> str | None:
    """What speaks for it, and what to do; None when nothing does."""
    signs = [*_signs_in_names(files_of_model(prompt, node_id)), *_signs_of_the_model(patcher), *_signs_in_previews(sampling)]
    if not signs:
        return None
    return (
        f"this looks like a model made for few steps ({'; '.join(signs)}). Training on pictures wears that off: few-step pictures grow "
        "soft. Train the model that it was distilled from, if there is one, and use the LoRA here; or give Train LoRA the training adapter "
        "made for it as assistant; or connect the sigmas that you sample with to Training Objective, and set preservation to 'few_steps'."
    )


def few_steps_word(name: str) -> str | None:
    """The word of a file's name that says so."""
    spaced = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).lower()
    found = _WORDS.search(spaced)
    return found[1] if found and not _UNDONE.search(spaced) else None


def _signs_in_names(names: Sequence[str]) -> list[str]:
    return [f"'{word}' in {name}" for name in names if (word := few_steps_word(name))]


def _signs_of_the_model(patcher) -> list[str]:
    signs = ["it is FLUX.1 schnell by its layers"] if variant_of(patcher) == "flux-1-schnell/lora" else []
    return signs + (["the graph samples it as LCM"] if samples_as_lcm(patcher) else [])


def _signs_in_previews(sampling: SamplingSpec | None) -> list[str]:
    if sampling is None or sampling.sampling_steps > MOST_STEPS or sampling.cfg > MOST_CFG:
        return []
    return [f"Sample Preview takes {sampling.sampling_steps} steps at cfg {sampling.cfg:g}"]
