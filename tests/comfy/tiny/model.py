"""A model that is as small as its class allows, made from ComfyUI's own configuration classes.

No file and no detection: `unet_config` is what detection would have read from a file's shapes, with small numbers.
What detection fixes (head widths, axes of rotary positions) stays in proportion.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import Any
from unittest.mock import patch

import pytest
import torch

from pack.tests.comfy.newer_configs import completed

CPU = torch.device("cpu")
TOKENS = 7
MASKED = {"attention_mask": (1, TOKENS)}


@dataclass(frozen=True)
class Tiny:
    """`kind` is the class in comfy.supported_models; `latent` the shape of one latent (C, [T,] H, W); `text` the shapes
    of what the model's text encoders give, by name; names with 'mask' are attention masks, whose last two tokens are off
    where the encoders fill captions up (`padded`); `ids` are numbers of tokens, of which the first is another for each caption.
    `weights` makes what get_model reads from the file beside the diffusion model's own weights.
    `shrunk` is for sizes that ComfyUI has in its code: a class by its dotted name -> what it is made with.
    """

    kind: str
    config: Mapping[str, Any]
    latent: tuple[int, ...] = (4, 8, 8)
    text: Mapping[str, tuple[int, ...]] = field(default_factory=dict)
    padded: bool = False
    weights: Callable[[], dict] = dict
    variant: str = ""
    ids: Mapping[str, tuple[int, ...]] = field(default_factory=dict)
    shrunk: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)

    @property
    def name(self) -> str:
        return f"{self.kind} ({self.variant})" if self.variant else self.kind


def patcher(comfy, tiny: Tiny, seed: int = 0):
    """A MODEL with random weights, loaded as ComfyUI's executor would: under inference mode."""
    with torch.inference_mode():
        patcher = empty_patcher(comfy, tiny)
        fill(patcher.model.diffusion_model, seed)
        return patcher


def empty_patcher(comfy, tiny: Tiny):
    """A MODEL whose weights are as the memory was, and take none: for what is asked before they are looked at. The test is
    skipped where the ComfyUI that runs has no such class."""
    if not is_known(comfy, tiny):
        pytest.skip(f"this ComfyUI has no {tiny.kind}")
    with torch.inference_mode(), _shrunk(comfy, tiny):
        return comfy.module("comfy.model_patcher").ModelPatcher(_model(comfy, tiny), load_device=CPU, offload_device=CPU)


def is_known(comfy, tiny: Tiny) -> bool:
    """Whether the ComfyUI that runs has the class."""
    return hasattr(comfy.module("comfy.supported_models"), tiny.kind)


def _model(comfy, tiny: Tiny):
    config = getattr(comfy.module("comfy.supported_models"), tiny.kind)(completed(comfy, tiny.config))
    config.set_inference_dtype(torch.float32, None)
    return config.get_model(tiny.weights(), "", device=CPU)


@contextmanager
def _shrunk(comfy, tiny: Tiny) -> Iterator[None]:
    """What the instance says counts over what ComfyUI's code fixes."""
    kind = getattr(comfy.module("comfy.supported_models"), tiny.kind)
    fixed = {name: value for name, value in kind.unet_extra_config.items() if name not in tiny.config}
    with ExitStack() as stack:
        stack.enter_context(patch.object(kind, "unet_extra_config", fixed))
        for name, sizes in tiny.shrunk.items():
            where, _, part = name.rpartition(".")
            module = comfy.module(where)
            stack.enter_context(patch.object(module, part, partial(getattr(module, part), **sizes)))
        yield


def fill(module: torch.nn.Module, seed: int) -> None:
    """Seeded weights: matrices keep the size of what goes through them, all else is near one (weights) or zero. A table of
    positions that a checkpoint would bring is as the memory was: it gets values too."""
    generator = torch.Generator().manual_seed(seed)
    for name, buffer in module.named_buffers():
        if name == "pos_embed":
            buffer.normal_(0, 0.05, generator=generator)
    for name, parameter in module.named_parameters():
        if parameter.ndim > 1:
            parameter.normal_(0, max(parameter[0].numel(), 1) ** -0.5, generator=generator)
        else:
            parameter.normal_(1.0 if name.endswith(("weight", "scale")) else 0.0, 0.05, generator=generator)


def text_tensors(tiny: Tiny, seed: int) -> dict[str, torch.Tensor]:
    """What an encoder would give for one caption."""
    generator = torch.Generator().manual_seed(seed)
    tensors = {}
    for name, shape in tiny.text.items():
        if "mask" in name:
            tensors[name] = torch.ones(shape, dtype=torch.int64)
            if tiny.padded:
                tensors[name][:, -2:] = 0
        else:
            tensors[name] = torch.randn(shape, generator=generator)
    for name, (first, *others) in tiny.ids.items():
        tensors[name] = torch.tensor([first + seed, *others])
    return tensors


def cond(width: int, *, pooled: int | None = None, tokens: int = TOKENS, **more: tuple[int, ...]) -> dict[str, tuple[int, ...]]:
    shapes = {"cond": (1, tokens, width), **more}
    return shapes | ({"pooled_output": (1, pooled)} if pooled else {})
