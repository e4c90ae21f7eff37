"""A model file's header: which model it is, and in what its weights are stored. Not a weight is read."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import comfy.model_detection as model_detection
import comfy.model_management as model_management
import comfy.utils
import torch

_DTYPES = {
    "F64": torch.float64, "F32": torch.float32, "F16": torch.float16, "BF16": torch.bfloat16, "F8_E4M3": torch.float8_e4m3fn,
    "F8_E5M2": torch.float8_e5m2, "I64": torch.int64, "I32": torch.int32, "I16": torch.int16, "I8": torch.int8, "U8": torch.uint8,
    "BOOL": torch.bool,
}
_LONGEST = 100_000_000
"""Bytes of a header, by the format's own limit."""
_QUANTISED = ("scaled_fp8", ".comfy_quant", ".scale_weight", ".weight_scale")
"""How names end that only files have whose weights are quantised with scales: their layers are made of what is in the file."""


@dataclass(frozen=True)
class ModelFile:
    """A configuration of `comfy.supported_models`, how many weights there are, and what most of them are stored in."""

    config: Any
    parameters: int
    dtype: torch.dtype | None

    def dtypes(self, asked: torch.dtype | None) -> tuple[torch.dtype, torch.dtype]:
        """(what ComfyUI will store the weights in on this machine, what it will compute in); `asked`: what its loader is set to."""
        known = list(self.config.supported_inference_dtypes)
        stored = asked or model_management.unet_dtype(model_params=self.parameters, supported_dtypes=known, weight_dtype=self.dtype)
        return stored, model_management.unet_manual_cast(stored, model_management.get_torch_device(), known) or stored


def model_in(path: Path) -> ModelFile | None:
    """By ComfyUI's own detection. None for what it does not know, and for quantised files. Raises whatever a file raises that is no
    safetensors file."""
    tensors, metadata = _header(path)
    if any(name.endswith(_QUANTISED) for name in tensors):
        return None
    prefix = model_detection.unet_prefix_from_state_dict(tensors)
    own = comfy.utils.state_dict_prefix_replace(tensors, {prefix: ""}, filter_keys=True) or tensors
    config = model_detection.model_config_from_unet(own, "", metadata=metadata)
    return config and ModelFile(config, comfy.utils.calculate_parameters(own), comfy.utils.weight_dtype(own))


def _header(path: Path) -> tuple[dict[str, torch.Tensor], dict[str, str]]:
    """Every tensor on `meta`, and what the file says of itself. Read as it stands: the library would map the whole file, for which a
    machine that is full has no room."""
    with path.open("rb") as file:
        length = int.from_bytes(file.read(8), "little")
        entries = json.loads(file.read(min(length, _LONGEST)))
    metadata = entries.pop("__metadata__", {})
    shapes = {name: (entry["shape"], _DTYPES[entry["dtype"]]) for name, entry in entries.items()}
    return {name: torch.empty(shape, dtype=dtype, device="meta") for name, (shape, dtype) in shapes.items()}, metadata
