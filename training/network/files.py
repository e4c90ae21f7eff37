"""Network <-> the tensors of a LoRA file: '<module key>.<suffix>', such as 'lora_unet_..._to_q.lora_down.weight'."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from ..errors import FileError
from .network import Network


def to_tensors(network: Network, dtype: torch.dtype = torch.float32) -> dict[str, Tensor]:
    """The tensors of every adapter that is saved, as contiguous CPU copies in `dtype`, keyed as the file has them."""
    return {
        f"{network.file_keys[place]}.{suffix}": tensor.to("cpu", dtype, copy=True).contiguous()
        for place, adapter in network.saved().items()
        for suffix, tensor in adapter.file_tensors().items()
    }


def load_tensors(network: Network, tensors: Mapping[str, Tensor]) -> None:
    """Give the adapters the values of a file this network wrote. Raises FileError naming what is missing."""
    missing = []
    for place, adapter in network.items():
        key = network.file_keys[place]
        prefix = f"{key}."
        own = {name[len(prefix):]: tensor for name, tensor in tensors.items() if name.startswith(prefix)}
        wanted = adapter.file_tensors()
        if not wanted.keys() <= own.keys():
            missing.append(key)
            continue
        adapter.load_file_tensors(own)
    if missing:
        raise FileError(
            f"{len(missing)} of {len(network)} modules are not in the file, the first is '{missing[0]}'. "
            "The file belongs to another network: use the same targets and rank as when it was saved."
        )
