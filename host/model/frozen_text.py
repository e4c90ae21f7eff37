"""Text encoders that a run does not train, beside ones that it does: their outputs are made once and played back.

FLUX's T5 is the case that matters: 5 to 9 GB that would be run again for every caption of every step, only because
CLIP-L beside it is trained.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import comfy.model_management as model_management
import torch
from torch import nn

from ...training.data.conditions import mapped, text_condition
from ...training.protocols import TextCondition
from ..lend.borrow import attributes

METHOD = "encode_token_weights"
Encoders = Sequence[tuple[str, nn.Module]]


def encoders(clip) -> list[tuple[str, nn.Module]]:
    """(name, module) of every encoder in a CLIP of the graph: clip_l, clip_g, t5xxl, llama, …"""
    return [(name, module) for name, module in clip.cond_stage_model.named_children() if hasattr(module, METHOD)]


class FrozenEncoders:
    """TextEncoder of `modules`: `encode` gives their outputs by name, for `ComfyTextEncoder.encode_trainable`.

    `run` encodes a text with the whole CLIP, whose identity is `whole`.
    """

    def __init__(self, modules: Encoders, run: Callable[..., object], whole: str):
        self._modules = modules
        self._run = run
        self.identity = f"{whole} {' '.join(name for name, _ in modules)}"

    def encode(self, text: str, pictures: Sequence[torch.Tensor] = ()) -> TextCondition:
        entries: dict[str, Any] = {}
        with attributes([(module, METHOD, _recording(name, module, entries)) for name, module in self._modules]):
            self._run(text, pictures)
        return text_condition(entries)


def _recording(name: str, module: nn.Module, entries: dict[str, Any]):
    method = getattr(module, METHOD)

    def run(tokens):
        out, pooled, *rest = method(tokens)
        extra = {f"{name}.extra.{key}": value for key, value in (rest[0] if rest else {}).items()}
        entries.update({f"{name}.out": out, f"{name}.pooled": pooled, **extra})
        return out, pooled, *rest

    return run


@contextmanager
def replayed(modules: Encoders, recorded: TextCondition | None) -> Iterator[None]:
    """Every encoder that `recorded` has outputs of gives these, instead of being run."""
    entries: Mapping[str, Any] = {**recorded.tensors, **recorded.values} if recorded else {}
    changes = [(module, METHOD, _playing(name, entries)) for name, module in modules if f"{name}.out" in entries]
    with attributes(changes):
        yield


def _playing(name: str, entries: Mapping[str, Any]):
    device, start = model_management.intermediate_device(), f"{name}.extra."
    own = {key: mapped(value, lambda tensor: tensor.to(device)) for key, value in entries.items() if key.startswith(f"{name}.")}
    extra = {key.removeprefix(start): value for key, value in own.items() if key.startswith(start)}
    played = own[f"{name}.out"], own.get(f"{name}.pooled"), *([extra] if extra else [])
    return lambda tokens: played
