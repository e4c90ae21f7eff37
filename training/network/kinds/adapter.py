"""What every kind of adapter offers. One kind a file; the registry maps its name to its class."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from ...ops import Op
from ...registry import Registry
from .dropout import OFF, Dropout


@dataclass(frozen=True, slots=True)
class Base:
    """The frozen op under an adapter, for the kinds that need more than its output.

    `run(x)` is op(x); `weight(dtype)` fetches the weight, dequantised, with everything applied upstream; `bias(dtype)`
    the bias (out,), or None.
    """

    run: Callable[[Tensor], Tensor]
    weight: Callable[[torch.dtype], Tensor]
    bias: Callable[[torch.dtype], Tensor | None] = lambda dtype: None


class Adapter(nn.Module):
    """A trainable change of one op. Parameters are fp32 whatever the base is stored or computed in.

    `alpha` and `rank` give the scale, kohya's alpha / rank unless the kind says otherwise. `lr_scale` multiplies the
    learning rate of its part. What a kind makes use of stands in its class:

    options_type    the dataclass of its own options, None for a kind without
    inits           the values of `init` it knows; the first is its default
    uses_rank, uses_alpha    whether these numbers mean anything to it
    drops_hidden    whether it has an inner value that dropout and rank_dropout can act on
    has_norm        whether scale_weight_norms can bound it
    needs_base      whether `prepare` must be given the base weight before the first step
    """

    algorithm: ClassVar[str]
    options_type: ClassVar[type | None] = None
    inits: ClassVar[tuple[str, ...]] = ("default",)
    uses_rank: ClassVar[bool] = True
    uses_alpha: ClassVar[bool] = True
    drops_hidden: ClassVar[bool] = False
    has_norm: ClassVar[bool] = False
    enabled: bool
    strength: float

    def __init__(self, op: Op, rank: int, alpha: float):
        super().__init__()
        self.op = op
        self.rank = rank
        self.alpha = float(alpha)
        self.enabled = True
        self.strength = 1.0
        self.lr_scale = 1.0
        self.dropout: Dropout = OFF

    @property
    def needs_base(self) -> bool:
        return False

    @property
    def scale(self) -> float:
        return self.alpha / self.rank

    def prepare(self, base_weight: Tensor) -> None:
        """Called once before training, and before a state is loaded, when `needs_base`: fp32, in the weight's shape."""

    def forward(self, x: Tensor, base: Base) -> Tensor:
        """op(x) with the change applied: x (..., in) or (B, in, *space) -> (..., out) or (B, out, *space)."""
        if not self.enabled or self.dropout.skips():
            return base.run(x)
        return self.adapted(x, base)

    def adapted(self, x: Tensor, base: Base) -> Tensor:
        """`forward` of a kind, at `strength`."""
        raise AssertionError(f"{type(self).__name__} lacks adapted")

    def weight_delta(self, base_weight: Tensor | None = None) -> Tensor:
        """The change of the weight at strength 1, in the weight's shape, fp32. Kinds that depend on the base need its
        weight (`depends_on_base`)."""
        raise AssertionError(f"{type(self).__name__} lacks weight_delta")

    @property
    def depends_on_base(self) -> bool:
        """Whether `weight_delta` is a function of the base weight."""
        return False

    def norm(self) -> Tensor:
        """Frobenius norm of the change, for `has_norm` kinds."""
        raise AssertionError(f"{type(self).__name__} lacks norm")

    def shrink(self, ratio: float) -> None:
        """Multiply the change by `ratio` in 0..1, for `has_norm` kinds."""
        raise AssertionError(f"{type(self).__name__} lacks shrink")

    def file_tensors(self) -> dict[str, Tensor]:
        """Suffix -> tensor, as the LoRA file holds them under this module's key ('lora_up.weight', 'alpha')."""
        raise AssertionError(f"{type(self).__name__} lacks file_tensors")

    def load_file_tensors(self, tensors: Mapping[str, Tensor]) -> None:
        """Take values from a file's tensors, keyed by suffix as `file_tensors` writes them."""
        raise AssertionError(f"{type(self).__name__} lacks load_file_tensors")

    @classmethod
    def rank_of(cls, tensors: Mapping[str, Tensor]) -> int:
        """The rank that a file's tensors of this kind were trained with."""
        raise AssertionError(f"{cls.__name__} lacks rank_of")

    @classmethod
    def alpha_from_file(cls, alpha: float, rank: int) -> float:
        """The alpha that gives this kind the scale that a file's alpha gives its readers."""
        return alpha

    @classmethod
    def problem(cls, op: Op, rank: int, init: str, options: Any) -> str | None:
        """Why this kind cannot sit on `op` like this, and what to do; None when it can."""
        return None


adapters: Registry[type[Adapter]] = Registry("algorithm", "LoRA Network")
