"""What differs between ComfyUI versions, felt out by feature, in this one place."""

from __future__ import annotations

import inspect
from collections.abc import Iterable, Mapping
from contextlib import AbstractContextManager, nullcontext
from functools import cache
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any, NoReturn

import comfy.model_management as model_management
import comfy.model_sampling
import torch
from comfy.cli_args import args
from server import PromptServer
from torch import nn

from ..training.devices.streams import Streams, streams_of
from ..training.network import fp8

#: (object, attribute, value): what `host/lend/borrow.attributes` sets for a while.
Change = tuple[object, str, object]

#: Launch options of newer ComfyUI for what replays memory and kernels that it recorded, blind to what autograd keeps in that memory:
#: CUDA graphs, and its compiler, which MiniMax H3 and Qwen-Image 2.1 begin in every forward.
_RECORDERS = ("disable_cuda_graphs", "disable_comfy_compiler")

#: Switches on modules of newer ComfyUI: weights fetched a layer ahead, a prompt's keys and values kept from step to step.
_AHEAD = ("prefetch_dynamic_vbars", "prefix_cache_enabled")


def training_changes(models: Iterable[nn.Module]) -> list[Change]:
    """What keeps ComfyUI from doing, inside `models`, what is for speed alone and wrong under autograd. 0.3.75 does none of it."""
    changes: list[Change] = []
    if hasattr(model_management, "in_training"):  # fused kernels without a backward give way to plain torch
        changes.append((model_management, "in_training", True))
    changes += where_known(args, dict.fromkeys(_RECORDERS, True))
    for model in models:
        if getattr(model, "current_patcher", None) is not None:  # left by a sampling that was interrupted: fetches ahead
            changes.append((model, "current_patcher", None))
        changes += [(module, name, False) for module in model.modules() for name in _AHEAD if vars(module).get(name)]
    return changes


def where_known(owner: object, values: Mapping[str, Any]) -> list[Change]:
    """`values` by attribute of one of ComfyUI's modules or layers, without those that it does not have."""
    return [(owner, name, value) for name, value in values.items() if hasattr(owner, name)]


def is_sampled_as(model_sampling, kind: str) -> bool:
    """Whether it is of the class of that name in comfy.model_sampling; no for one that this ComfyUI does not have."""
    return isinstance(model_sampling, getattr(comfy.model_sampling, kind, ()))


def kernels() -> tuple[ModuleType, ModuleType] | None:
    """comfy_kitchen, whose kernels newer ComfyUI calls inside of models, and their twins in plain torch; None where there is none."""
    try:
        return import_module("comfy_kitchen"), import_module("comfy_kitchen.backends.eager")
    except ImportError:
        return None


def fp8_numbers(weight: Any) -> tuple[torch.Tensor, torch.Tensor] | None:
    """(numbers in fp8, their one scale () in fp32) of a weight as ComfyUI holds it; None for one that it does not hold so."""
    if weight.dtype in fp8.DTYPES and not hasattr(weight, "_qdata"):
        return weight.as_subclass(torch.Tensor), torch.ones((), device=weight.device)
    numbers = getattr(weight, "_qdata", None)
    # Newer quantised tensors have a record of parameters, 0.3.75's a dictionary.
    scale = weight._params.scale if hasattr(weight, "_params") else getattr(weight, "_layout_params", {}).get("scale")
    if numbers is None or numbers.dtype not in fp8.DTYPES or scale is None or scale.numel() != 1:
        return None
    return numbers, scale.reshape(()).float()


@cache
def streams(device: torch.device) -> Streams | None:
    """None where ComfyUI copies weights on no streams of their own: a device that has none, one on which that is known to fail, or
    --disable-async-offload."""
    return None if getattr(model_management, "NUM_STREAMS", 0) == 0 else streams_of(device)


def is_dynamic(patcher: Any) -> bool:
    """Whether newer ComfyUI keeps the model's weights in pages, which it brings and takes away while the model computes."""
    return bool(getattr(patcher, "is_dynamic", bool)())


def on_device(device: torch.device) -> AbstractContextManager:
    """While open, `device` is the current one, as ComfyUI asks what is current for the streams and kernels of a model that computes on
    a second card. Newer ComfyUI does it where it samples."""
    if device.index is None or not hasattr(getattr(torch, device.type, None), "device"):
        return nullcontext()
    return getattr(torch, device.type).device(device)


def multiplies_fp8(device: torch.device) -> bool:
    """Whether ComfyUI takes the device for one that multiplies in fp8 faster than in bf16."""
    return model_management.supports_fp8_compute(device)


def set_execution_device(text_encoders, device: torch.device) -> None:
    """Newer encoders compute where they are told to, since the weights of a paged model lie elsewhere."""
    if any(hasattr(encoder, "execution_device") for encoder in text_encoders.children()):
        text_encoders.set_clip_options({"execution_device": device})


def loaded_from(patcher) -> str:
    """The name of the file that newer ComfyUI remembers on its MODEL; '' where it does not."""
    init = getattr(patcher, "cached_patcher_init", None)
    paths = [value for value in (init[1] if init else ()) if isinstance(value, str)]
    return Path(paths[0]).name if paths else ""


def version() -> str:
    """ComfyUI's own, to be told; what it has is asked by feature."""
    return import_module("comfyui_version").__version__


def running_server() -> PromptServer | None:
    """None where ComfyUI is only imported, as in a script."""
    return getattr(PromptServer, "instance", None)


def scale_to_total_pixels(picture: torch.Tensor, method: str, megapixels: float) -> torch.Tensor:
    """ComfyUI's node of that name; newer ones also ask for a step of the sides."""
    node = import_module("comfy_extras.nodes_post_processing").ImageScaleToTotalPixels
    steps = (1,) if "resolution_steps" in inspect.signature(node.execute).parameters else ()
    return node.execute(picture, method, megapixels, *steps)[0]


def throw_if_interrupted() -> None:
    """Raise ComfyUI's InterruptProcessingException if Cancel was pressed. The flag is cleared by raising."""
    model_management.throw_exception_if_processing_interrupted()


def is_interrupted() -> bool:
    """Whether Cancel was pressed and nothing has raised yet."""
    return model_management.processing_interrupted()


INTERRUPTS: tuple[type[BaseException], ...] = (model_management.InterruptProcessingException,)


def end_prompt() -> NoReturn:
    """End the prompt here, as Cancel does: no node behind is run, nothing is kept of this one, and the queue goes on."""
    raise model_management.InterruptProcessingException
