"""Auto Caption inside ComfyUI: the device that its models run on, and Cancel."""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import partial

import comfy.model_management as model_management
import torch

from ...training.captioning.captioner import Ask, Captioner
from ...training.captioning.catalog import TAGGER
from ...training.captioning.generator import DeviceFor, GenerationSpec, generator_captioner
from ...training.captioning.tag_rules import TagRules
from ...training.captioning.wd14 import MODEL_FILE, wd14_captioner
from ..compat import throw_if_interrupted
from ..progress import node_progress
from .models import Model

DEVICES = ("auto", "cpu")
_WORKING_MEMORY = 1 << 30
"""Bytes beside the weights: activations of one picture, and what is kept of the text so far."""


def captioner_for(model: Model, rules: TagRules, generation: GenerationSpec, device: str) -> Captioner:
    """The captioner in a model folder; taggers follow `rules`, the others `generation`. `device`: one of DEVICES."""
    if model.kind == TAGGER:
        tagger = wd14_captioner(model.folder, rules, use_gpu=_device(device).type != "cpu")
        return replace(tagger, loaded=partial(_with_room, tagger, _device_for(device), (model.folder / MODEL_FILE).stat().st_size))
    return generator_captioner(model.folder, generation, _device_for(device), throw_if_interrupted)


@contextmanager
def _with_room(captioner: Captioner, device_for: DeviceFor, weights: int) -> Iterator[Ask]:
    """onnxruntime takes memory of its own, which ComfyUI's models must leave to it first."""
    with device_for(weights), captioner.loaded() as ask:
        yield ask


def captioning_progress() -> Callable[[int, int], None]:
    """A callback (done, total) that moves the node's bar and raises when the user has pressed Cancel: newer ComfyUI
    passes on only some of the bar's updates, so it is asked every time."""
    move = node_progress()

    def moved(done: int, total: int) -> None:
        move(done, total)
        throw_if_interrupted()

    return moved


def _device(choice: str) -> torch.device:
    return torch.device("cpu") if choice == "cpu" else model_management.get_torch_device()


def _device_for(choice: str) -> DeviceFor:
    @contextmanager
    def device_for(weights: int) -> Iterator[tuple[torch.device, torch.dtype]]:
        device = _device(choice)
        model_management.free_memory(weights + _WORKING_MEMORY, device)
        try:
            yield device, _dtype(device)
        finally:
            gc.collect()
            model_management.soft_empty_cache()

    return device_for


def _dtype(device: torch.device) -> torch.dtype:
    """bfloat16 where the device computes in it (it has float32's range), then float16, else float32."""
    if device.type == "cpu":
        return torch.float32
    if model_management.should_use_bf16(device):
        return torch.bfloat16
    return torch.float16 if model_management.should_use_fp16(device) else torch.float32
