"""What every kind of adapter offers. One kind a file; the registry maps its name to its class."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor, nn

from ..registry import Registry
from .ops import Op


@dataclass(frozen=True, slots=True)
class Base:
    """The frozen op under an adapter, for the kinds that need more than its output.

    `run(x)` is op(x); `weight(dtype)` fetches the weight, dequantised, with everything applied upstream.
    """

    run: Callable[[Tensor], Tensor]
    weight: Callable[[torch.dtype], Tensor]


class Adapter(nn.Module):
    """A trainable change of one op. Parameters are fp32 whatever the base is stored or computed in.

    `alpha` and `rank` give the scale, kohya's alpha / rank unless the kind says otherwise.
    """

    algorithm: ClassVar[str]
    enabled: bool
    strength: float

    def __init__(self, op: Op, rank: int, alpha: float):
        super().__init__()
        self.op = op
        self.rank = rank
        self.alpha = float(alpha)
        self.enabled = True
        self.strength = 1.0

    @property
    def scale(self) -> float:
        return self.alpha / self.rank

    def forward(self, x: Tensor, base: Base) -> Tensor:
        """op(x) with the change applied: x (..., in) or (B, in, *space) -> (..., out) or (B, out, *space)."""
        raise AssertionError(f"{type(self).__name__} lacks forward")

    def weight_delta(self, base_weight: Tensor | None = None) -> Tensor:
        """The change of the weight, in the weight's shape, fp32. Kinds that depend on the base need its weight."""
        raise AssertionError(f"{type(self).__name__} lacks weight_delta")

    def file_tensors(self) -> dict[str, Tensor]:
        """Suffix -> tensor, as the LoRA file holds them under this module's key ('lora_up.weight', 'alpha')."""
        raise AssertionError(f"{type(self).__name__} lacks file_tensors")

    def load_file_tensors(self, tensors: Mapping[str, Tensor]) -> None:
        """Take values from a file's tensors, keyed by suffix as `file_tensors` writes them."""
        raise AssertionError(f"{type(self).__name__} lacks load_file_tensors")


adapters: Registry[type[Adapter]] = Registry("algorithm", "LoRA Network")
