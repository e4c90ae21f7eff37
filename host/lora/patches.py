"""A LoRA's tensors through ComfyUI's own loader: the patches that it makes of them, and the keys that it does not know."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import comfy.lora
import comfy.lora_convert
from torch import Tensor

_NOT_LOADED = "lora key not loaded: "


def known_names(patcher, clip) -> dict[str, str | tuple]:
    """What a file may call each module of a MODEL and a CLIP (None: of the MODEL alone) -> the weight, or a part of it."""
    names = comfy.lora.model_lora_keys_unet(patcher.model, {})
    return names if clip is None else comfy.lora.model_lora_keys_clip(clip.cond_stage_model, names)


def load_patches(tensors: Mapping[str, Tensor], names: Mapping[str, str | tuple]) -> tuple[dict, tuple[str, ...]]:
    """ComfyUI's patches by weight, and the keys that it could not place."""
    with complaints() as unmapped:
        patches = comfy.lora.load_lora(comfy.lora_convert.convert_lora(dict(tensors)), names, log_missing=True)
    return patches, tuple(unmapped)


@contextmanager
def complaints() -> Iterator[list[str]]:
    """The keys that ComfyUI says it does not load: its log is the only place where it says so."""
    found: list[str] = []
    handler = logging.Handler(logging.WARNING)

    def collect(record: logging.LogRecord) -> None:
        text = record.getMessage()
        if text.startswith(_NOT_LOADED):
            found.append(text.removeprefix(_NOT_LOADED))

    handler.emit = collect
    logging.getLogger().addHandler(handler)
    try:
        yield found
    finally:
        logging.getLogger().removeHandler(handler)
