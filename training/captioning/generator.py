"""Captions in sentences, by any image-text-to-text model that transformers can load from a folder: BLIP, Florence-2,
and chat models such as Qwen3-VL, JoyCaption, SmolVLM or LLaVA.

Code that comes with a model is never run: only classes of transformers itself are used.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import ModelError, SettingsError, is_out_of_memory, raise_problems
from .captioner import WHERE, Ask, Captioner, files_identity
from .generator_model import load, weights_size
from .prompts import OWN, TAGS, TEMPLATES, cut_prompt, model_inputs, prompt_for

if TYPE_CHECKING:
    import numpy as np
    import torch

_THOUGHTS = re.compile(r"<think>.*?(</think>|\Z)", re.DOTALL)
DeviceFor = Callable[[int], AbstractContextManager["tuple[torch.device, torch.dtype]"]]
"""bytes of weights -> a device with room for them, and the dtype to compute in, for a while."""


@dataclass(frozen=True, kw_only=True)
class GenerationSpec:
    """How texts are made: the `prompt` ('' is what `template`, one of TEMPLATES, asks), at most `max_new_tokens` (1..4096), searching with
    `beams` (1..16; 1 takes the likeliest word each time). Nothing is left to chance."""

    prompt: str = ""
    max_new_tokens: int = 128
    beams: int = 1
    template: str = OWN

    def __post_init__(self) -> None:
        problems = [
            f"{name} is {getattr(self, name)} but must be from 1 to {most} ({usual} is usual)."
            for name, most, usual in (("max_new_tokens", 4096, 128), ("beams", 16, 3))
            if not 1 <= getattr(self, name) <= most
        ]
        if self.template not in TEMPLATES:
            problems.append(f"prompt_template is '{self.template}' but must be one of {', '.join(TEMPLATES)}.")
        elif self.template != OWN and self.prompt.strip():
            problems.append(f"prompt_template is '{self.template}' and prompt is filled in too. Empty prompt, or choose '{OWN}'.")
        raise_problems(SettingsError, WHERE, problems)


def generator_captioner(
    folder: Path, spec: GenerationSpec, device_for: DeviceFor, poll: Callable[[], None] = lambda: None
) -> Captioner:
    """The model in `folder`. `poll` is called at each token; what it raises (Cancel) passes through."""
    files = [path for path in folder.iterdir() if path.is_file()]
    settings = json.dumps([spec.prompt.strip(), spec.max_new_tokens, spec.beams, *([spec.template] if spec.template != OWN else [])])
    says_tags = spec.template == TAGS
    return Captioner(
        name=folder.name, identity=f"generator 1 {files_identity(files)} {settings}",
        loaded=partial(_loaded, folder, spec, device_for, poll), wording=_tags if says_tags else _wording, speaks_tags=says_tags,
    )


def _wording(answer: str) -> tuple[str, ...]:
    return (answer,) if answer else ()


def _tags(answer: str) -> tuple[str, ...]:
    """Those of a list with commas, each once; a model that runs on at the end leaves half a tag, which goes with the rest."""
    return tuple(dict.fromkeys(tag for part in answer.split(",") if (tag := part.strip(" .").lower())))


@contextmanager
def _loaded(folder: Path, spec: GenerationSpec, device_for: DeviceFor, poll: Callable[[], None]) -> Iterator[Ask]:
    import torch

    # ComfyUI runs nodes in inference mode, whose tensors must not stay behind in transformers' caches.
    with device_for(weights_size(folder)) as (device, dtype), torch.inference_mode(False), torch.no_grad():
        processor, model = load(folder, dtype)
        model.to(device).eval()
        try:
            yield partial(_ask, processor, model, spec, poll)
        finally:
            model.to("meta")  # frees the memory at once, whoever still holds the model


def _ask(processor, model, spec: GenerationSpec, poll: Callable[[], None], pixels: "np.ndarray") -> str:
    from PIL import Image

    prompt = prompt_for(processor, model, spec.prompt, spec.template)
    if prompt is None:
        raise ModelError(WHERE, [
            f"{_name(model)} has no answer for prompt_template '{spec.template}'. Choose '{OWN}', or a model that follows instructions "
            "(Qwen3-VL, JoyCaption); for tags a wd- tagger is quicker and surer."
        ])
    try:
        inputs = model_inputs(processor, model, Image.fromarray(pixels), prompt)
    except Exception as error:  # processors raise whatever their authors thought of
        if is_out_of_memory(error):
            raise
        raise ModelError(WHERE, [
            f"{_name(model)} cannot take the picture with the prompt '{prompt}' ({type(error).__name__}: {error}). Empty the "
            "prompt to use the model's usual one, or choose another captioner."
        ]) from error
    inputs = inputs.to(model.device, model.dtype)
    sequence = model.generate(
        **inputs, max_new_tokens=spec.max_new_tokens, num_beams=spec.beams, do_sample=False, stopping_criteria=[_Polling(poll)],
    )[0]
    text = processor.batch_decode([cut_prompt(model, inputs, sequence)], skip_special_tokens=True)[0]
    return " ".join(_THOUGHTS.sub("", text).split())


def _name(model) -> str:
    return Path(model.config.name_or_path).name or type(model).__name__


class _Polling:
    """A stopping criterion of transformers that never stops, except by what `poll` raises."""

    def __init__(self, poll: Callable[[], None]):
        self._poll = poll

    def __call__(self, input_ids: "torch.Tensor", scores, **kwargs) -> "torch.Tensor":
        self._poll()
        return input_ids.new_zeros(input_ids.shape[0]).bool()
