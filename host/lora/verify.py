"""A LoRA file is read back through ComfyUI's own loader before anyone is told that it was saved."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import comfy.lora
import comfy.utils
import torch

from ...training.errors import FileError
from ...training.network.kinds.adapter import Adapter, Change
from ...training.network.network import Network
from ...training.network.offsets import PARAMETERS, Offset, layer_path
from ...training.parts import Place
from .patches import complaints, known_names, load_patches

#: What ComfyUI's loader looks for behind a module's key, ours and other trainers'.
_SUFFIX = re.compile(
    r"\.(lora_(up|down|mid)\.weight|alpha|dora_scale|hada_(w[12]_[ab]|t[12])|lokr_(w[12](_[ab])?|t2)|oft_blocks|rescale|[ab][12]\.weight"
    r"|diff(_b)?|[wb]_norm|lora_[AB]\.weight|reshape_weight)$"
)


@dataclass(frozen=True)
class ReadBack:
    """`modules` are in the file; `largest_error` is the largest absolute difference between a trained change of a weight
    and the loaded one."""

    modules: int
    unmapped: tuple[str, ...]
    largest_error: float

    def summary(self) -> str:
        return (
            f"{self.modules} modules read back by ComfyUI's loader, {len(self.unmapped)} unmapped keys, "
            f"largest |dW| error {self.largest_error:.2g}"
        )


def read_back(path: Path, network: Network, patcher, clip) -> ReadBack:
    """The file at `path` against the network it was saved from, on the models it was trained on (`clip` may be None).

    Raises FileError when a key of the file would not be loaded.
    """
    tensors = comfy.utils.load_torch_file(str(path), safe_load=True)
    patches, unmapped = load_patches(tensors, known_names(patcher, clip))
    changes = {name: change for place, entry in network.saved().items() for name, change in _changes(place, entry)}
    if unmapped or len(patches) != len(changes):
        first = unmapped[0] if unmapped else "a module's whole key"
        raise FileError(f"{path}: ComfyUI would not load {len(unmapped)} keys of it, the first is '{first}'.")
    by_name = {key if isinstance(key, str) else key[0]: patch for key, patch in patches.items()}
    error = max(_error(change, by_name[name]) for name, change in changes.items())
    return ReadBack(len(network.saved()), unmapped, error)


def read_back_tensors(path: Path, lora: Mapping[str, torch.Tensor]) -> ReadBack:
    """The file at `path` against the tensors it was written from, without a model: whether ComfyUI's adapters understand
    every key, and what they make of both. Which modules the names mean was asked when they were trained.

    Raises FileError when a key would not be loaded.
    """
    modules = {_module(name): f"{_module(name)}.weight" for name in lora}
    with complaints() as unmapped:
        written = comfy.lora.load_lora(comfy.utils.load_torch_file(str(path), safe_load=True), modules, log_missing=True)
    exact = comfy.lora.load_lora(dict(lora), modules, log_missing=False)
    if unmapped or not written:
        first = unmapped[0] if unmapped else next(iter(modules), "an empty file")
        raise FileError(f"{path}: ComfyUI would not load {len(unmapped) or len(modules)} keys of it, the first is '{first}'.")
    error = max(float((_applied(written[name]) - _applied(exact[name])).abs().max()) for name in exact)
    return ReadBack(len(written), tuple(unmapped), error)


def _module(name: str) -> str:
    """The module's key in a tensor's name."""
    return _SUFFIX.sub("", name)


def _applied(patch) -> torch.Tensor:
    """A patch on random numbers in a weight of the shape it was made for."""
    shape = _shape(patch)
    weight = torch.randn(shape, generator=torch.Generator().manual_seed(0)) * (shape[1] if len(shape) > 1 else 1) ** -0.5
    return comfy.lora.calculate_weight([(1.0, patch, 1.0, None, None)], weight.clone(), "read back") - weight


def _shape(patch) -> tuple[int, ...]:
    """Of the weight that `patch`, an adapter of ComfyUI's, changes; kernels may be flattened, a rotation's columns are any."""
    if isinstance(patch, tuple):  # ("diff", (what is added,))
        return patch[1][0].shape
    parts = patch.weights
    if patch.name == "lora":
        return (parts[0].shape[0], *parts[1].shape[1:])
    if patch.name == "loha":
        return (parts[0].shape[0], parts[1].shape[1])
    if patch.name == "glora":
        return (parts[2].shape[0], *parts[3].shape[1:])
    if patch.name == "lokr":
        w1 = parts[0] if parts[0] is not None else parts[3] @ parts[4]
        w2 = parts[1] if parts[1] is not None else parts[5] @ parts[6].flatten(1)
        return (w1.shape[0] * w2.shape[0], w1.shape[1] * w2.shape[1], *w2.shape[2:])
    return (parts[0].shape[-3] * parts[0].shape[-1], 8)


def _changes(place: Place, change: Change) -> Iterator[tuple[str, Adapter | torch.Tensor]]:
    """ComfyUI's name of each tensor of the model that `change` is about, with the adapter or what is added to it."""
    part, path = place
    if isinstance(change, Adapter):
        yield f"{part}.{path}.weight", change
    elif isinstance(change, Offset):
        for name, added in change.file_tensors().items():
            yield f"{part}.{layer_path(path)}.{PARAMETERS[name]}", added


def _error(change: Adapter | torch.Tensor, patch) -> float:
    """Both changes are applied to the same weight, in fp32, by their own code: to zeros, or to random numbers of a usual
    size where the change depends on the weight."""
    if isinstance(change, torch.Tensor):
        return _difference(patch, torch.zeros(change.shape), change.cpu())
    weight = torch.zeros(change.op.weight_shape)
    if change.depends_on_base:
        generator = torch.Generator().manual_seed(0)
        weight.normal_(0, weight[0].numel() ** -0.5, generator=generator)
    device = next(change.parameters()).device
    expected = change.weight_delta(weight.to(device)).cpu()
    if change.depends_on_base:
        expected = expected + weight
    return _difference(patch, weight, expected)


def _difference(patch, weight: torch.Tensor, expected: torch.Tensor) -> float:
    # In place, and the zeros are not kept: FLUX has 300 matrices of 40 to 60 million values.
    loaded = comfy.lora.calculate_weight([(1.0, patch, 1.0, None, None)], weight, "read back")
    return float(loaded.sub_(expected).abs_().max())
