"""A LoRA file is read back through ComfyUI's own loader before anyone is told that it was saved.

Every number that its patches hold is the trained one, bit for bit; what ComfyUI makes of them is computed for one module of each
sort. Of all modules that would be whole weights by the hundred, twelve thousand million numbers for FLUX.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Hashable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import comfy.lora
import comfy.utils
import torch

from ...training.errors import FileError
from ...training.network.kinds.adapter import Adapter, Change
from ...training.network.network import Network
from ...training.network.offsets import PARAMETERS, Offset, layer_path
from ...training.parts import Place
from .compared import applied, merged, same, sort_of
from .patches import complaints, known_names, load_patches

#: What ComfyUI's loader looks for behind a module's key, ours and other trainers'.
_SUFFIX = re.compile(
    r"\.(lora_(up|down|mid)\.weight|alpha|dora_scale|hada_(w[12]_[ab]|t[12])|lokr_(w[12](_[ab])?|t2)|oft_blocks|rescale|[ab][12]\.weight"
    r"|diff(_b)?|[wb]_norm|lora_[AB]\.weight|reshape_weight)$"
)

#: How far ComfyUI's change may be from the trained one: a part of its largest number, and what rounding makes of the weight's.
_PART, _ROUNDING = 0.01, 1e-5


@dataclass(frozen=True)
class ReadBack:
    """`modules` are in the file, every number of theirs as it was trained. `largest_error` is the largest absolute difference between
    a trained change of a weight and what ComfyUI makes of the file, over one module of each of `sorts` kinds and shapes."""

    modules: int
    unmapped: tuple[str, ...]
    largest_error: float
    sorts: int

    def summary(self) -> str:
        return (
            f"{self.modules} modules read back by ComfyUI's loader, {len(self.unmapped)} unmapped keys, every number as it was trained, "
            f"one of each of {self.sorts} kinds and shapes computed: largest |dW| error {self.largest_error:.2g}"
        )


def read_back(
    path: Path, network: Network, patcher, clip, watch: Callable[[int, int], None] = lambda done, total: None
) -> ReadBack:
    """The file at `path` against the network it was saved from, on the models it was trained on (`clip` may be None). `watch(done,
    total)` is told before each module; what it raises is passed on.

    Raises FileError when a key of the file would not be loaded, or as anything else than what was trained.
    """
    tensors = comfy.utils.load_torch_file(str(path), safe_load=True)
    patches, unmapped = load_patches(tensors, known_names(patcher, clip))
    saved = network.saved()
    changes = {name: change for place, entry in saved.items() for name, change in _changes(place, entry)}
    by_name = {key if isinstance(key, str) else key[0]: patch for key, patch in patches.items()}
    if unmapped or by_name.keys() != changes.keys():
        first = (*unmapped, *(changes.keys() - by_name.keys()), "a module's whole key")[0]
        raise FileError(f"{path}: ComfyUI would not load {len(unmapped)} keys of it, the first is '{first}'.")
    errors: dict[Hashable, float] = {}
    for done, (name, change) in enumerate(changes.items()):
        watch(done, len(changes))
        if not same(by_name[name], _as_trained(change)):
            raise _other(path, name)
        if _sort(change) not in errors:
            errors[_sort(change)] = _error(change, by_name[name], path, name)
    watch(len(changes), len(changes))
    return ReadBack(len(saved), unmapped, max(errors.values()), len(errors))


def read_back_tensors(path: Path, lora: Mapping[str, torch.Tensor], dtype: torch.dtype) -> ReadBack:
    """The file at `path` against the tensors it was written from, without a model: whether ComfyUI's adapters understand every key,
    find them as they are in `dtype`, and what they make of both. Which modules the names mean was asked when they were trained.

    Raises FileError when a key would not be loaded, or as anything else.
    """
    modules = {_module(name): f"{_module(name)}.weight" for name in lora}
    with complaints() as unmapped:
        written = comfy.lora.load_lora(comfy.utils.load_torch_file(str(path), safe_load=True), modules, log_missing=True)
    rounded = comfy.lora.load_lora({name: tensor.to("cpu", dtype) for name, tensor in lora.items()}, modules, log_missing=False)
    if unmapped or written.keys() != rounded.keys() or not written:
        first = unmapped[0] if unmapped else next(iter(modules), "an empty file")
        raise FileError(f"{path}: ComfyUI would not load {len(unmapped) or len(modules)} keys of it, the first is '{first}'.")
    exact = comfy.lora.load_lora(dict(lora), modules, log_missing=False)
    errors: dict[Hashable, float] = {}
    for name, patch in written.items():
        if not same(patch, rounded[name]):
            raise _other(path, name)
        if sort_of(patch) not in errors:
            errors[sort_of(patch)] = float(applied(patch).sub_(applied(exact[name])).abs_().max())
    return ReadBack(len(written), tuple(unmapped), max(errors.values()), len(errors))


def _module(name: str) -> str:
    """The module's key in a tensor's name."""
    return _SUFFIX.sub("", name)


def _other(path: Path, name: str) -> FileError:
    return FileError(f"{path}: what ComfyUI loads of it for '{name}' is not what was trained. Do not use this file, and save it again: "
                     "on another disk if it happens twice.")


def _changes(place: Place, change: Change) -> Iterator[tuple[str, Adapter | torch.Tensor]]:
    """ComfyUI's name of each tensor of the model that `change` is about, with the adapter or what is added to it."""
    part, path = place
    if isinstance(change, Adapter):
        yield f"{part}.{path}.weight", change
    elif isinstance(change, Offset):
        for name, added in change.file_tensors().items():
            yield f"{part}.{layer_path(path)}.{PARAMETERS[name]}", added


def _as_trained(change: Adapter | torch.Tensor) -> Any:
    """ComfyUI's patch of what lies in memory."""
    if isinstance(change, torch.Tensor):
        return "diff", (change.cpu(),)
    tensors = {f"own.{suffix}": tensor.to("cpu", torch.float32) for suffix, tensor in change.file_tensors().items()}
    return comfy.lora.load_lora(tensors, {"own": "own"}, log_missing=False)["own"]


def _sort(change: Adapter | torch.Tensor) -> Hashable:
    """What decides how `change` is made, but for its values."""
    if isinstance(change, torch.Tensor):
        return change.shape
    return type(change), change.op, change.rank, change.alpha, change.init, change.options


def _error(change: Adapter | torch.Tensor, patch: Any, path: Path, name: str) -> float:
    """Both changes are applied to the same weight, in fp32, by their own code: to zeros, or to random numbers of a usual size where
    the change depends on the weight. Raises FileError when they are far apart."""
    if isinstance(change, torch.Tensor):
        return float(merged(patch, torch.zeros(change.shape)).sub_(change.cpu()).abs_().max())
    weight = torch.zeros(change.op.weight_shape)
    if change.depends_on_base:
        weight.normal_(0, weight[0].numel() ** -0.5, generator=torch.Generator().manual_seed(0))
    largest = float(weight.abs().max())
    expected = change.weight_delta(weight.to(next(change.parameters()).device)).cpu()
    allowed = _PART * float(expected.abs().max()) + _ROUNDING * largest
    if change.depends_on_base:
        expected = expected + weight
    error = float(merged(patch, weight).sub_(expected).abs_().max())  # in place: 40 to 60 million values in FLUX' matrices
    if error > allowed:
        raise _other(path, name)
    return error
