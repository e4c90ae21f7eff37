"""A LoRA file is read back through ComfyUI's own loader before anyone is told that it was saved."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import comfy.lora
import comfy.lora_convert
import comfy.utils
import torch

from ..training.errors import FileError
from ..training.network.build import Network

_NOT_LOADED = "lora key not loaded: "


@dataclass(frozen=True)
class ReadBack:
    """`modules` are in the file; `largest_error` is the largest absolute difference between a trained change of a weight and the loaded one."""

    modules: int
    unmapped: tuple[str, ...]
    largest_error: float

    def summary(self) -> str:
        return f"{self.modules} modules read back by ComfyUI's loader, {len(self.unmapped)} unmapped keys, largest |dW| error {self.largest_error:.2g}"


def load_patches(path: Path, patcher, clip) -> tuple[dict, tuple[str, ...]]:
    """ComfyUI's patches of a file by weight name, and the file's keys that it could not place."""
    tensors = comfy.lora_convert.convert_lora(comfy.utils.load_torch_file(str(path), safe_load=True))
    names = comfy.lora.model_lora_keys_unet(patcher.model, {})
    if clip is not None:
        names = comfy.lora.model_lora_keys_clip(clip.cond_stage_model, names)
    with complaints() as unmapped:
        patches = comfy.lora.load_lora(tensors, names, log_missing=True)
    return patches, tuple(unmapped)


def read_back(path: Path, network: Network, patcher, clip) -> ReadBack:
    """Raises FileError when a key of the file would not be loaded."""
    patches, unmapped = load_patches(path, patcher, clip)
    if unmapped or len(patches) != len(network):
        first = unmapped[0] if unmapped else "a module's whole key"
        raise FileError(f"{path}: ComfyUI would not load {len(unmapped)} keys of it, the first is '{first}'.")
    by_name = {key if isinstance(key, str) else key[0]: patch for key, patch in patches.items()}
    error = max(_error(adapter, by_name[f"{part}.{name}.weight"]) for (part, name), adapter in network.items())
    return ReadBack(len(network.file_keys), unmapped, error)


@contextmanager
def complaints() -> Iterator[list[str]]:
    """The keys that ComfyUI says it does not load: its log is the only place where it says so."""
    found: list[str] = []
    handler = logging.Handler(logging.WARNING)

    def collect(line: logging.LogRecord) -> None:
        text = line.getMessage()
        if text.startswith(_NOT_LOADED):
            found.append(text.removeprefix(_NOT_LOADED))

    handler.emit = collect
    logging.getLogger().addHandler(handler)
    try:
        yield found
    finally:
        logging.getLogger().removeHandler(handler)


def _error(adapter, patch) -> float:
    """Both changes are applied to the same weight, in fp32, by their own code: to zeros, or to random numbers of a usual
    size where the change depends on the weight."""
    weight = torch.zeros(adapter.op.weight_shape)
    if adapter.depends_on_base:
        generator = torch.Generator().manual_seed(0)
        weight.normal_(0, weight[0].numel() ** -0.5, generator=generator)
    device = next(adapter.parameters()).device
    own = adapter.weight_delta(weight.to(device)).cpu()
    loaded = comfy.lora.calculate_weight([(1.0, patch, 1.0, None, None)], weight.clone(), "read back")
    return float((loaded - weight - own).abs().max())
