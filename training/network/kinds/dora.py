"""DoRA: LoRA trains the direction of each column of the weight, a vector its length (Liu et al. 2024, eq. 5).

    W' = m * V / ||V||,   V = W + (alpha / rank) * up @ down

The norm is over everything but the input axis, as in the paper (m is 1 x in) and as ComfyUI, A1111 and LyCORIS read a
dora_scale of shape (1, in, ...). So W' x = V (x * m / ||V||): the input is scaled, and neither V nor W' is made. The
norm counts as a constant in backward (section 4.3 of the paper).
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from .adapter import Base, Elsewhere, algorithm
from .initial import DEFAULT, ORTHOGONAL
from .lora import LoRA

_EPS = torch.finfo(torch.float32).eps


@algorithm("dora")
class DoRA(LoRA):
    """`magnitude` (in,) starts as the norms of the base weight, so the start is no change."""

    elsewhere = Elsewhere.lycoris("locon", dora_wd=True, wd_on_output=False)
    inits = (DEFAULT, ORTHOGONAL)
    has_norm = False
    is_plain_lora = False
    depends_on_base = True
    base_norm_squared: Tensor

    def make(self, generator: torch.Generator) -> None:
        super().make(generator)
        self.magnitude = nn.Parameter(torch.ones(self.op.in_features))
        self.register_buffer("base_norm_squared", torch.ones(self.op.in_features))

    @property
    def needs_base(self) -> bool:
        return True

    def prepare(self, base_weight: Tensor) -> None:
        squared = base_weight.square().flatten(2).sum((0, 2)) if base_weight.ndim > 2 else base_weight.square().sum(0)
        with torch.no_grad():
            self.base_norm_squared.copy_(squared)
            self.magnitude.copy_(squared.sqrt())

    def adapted(self, x: Tensor, base: Base) -> Tensor:
        gain = self.magnitude / self._norm(base.weight(x.dtype))
        scaled = x * self.op.per_channel(gain).to(x.dtype)
        y = self.add_product(base.run(scaled), scaled, *self.pair(x.dtype), self.scale)
        if self.strength == 1:
            return y
        return torch.lerp(base.run(x), y, self.strength)

    @torch.no_grad()
    def _norm(self, weight: Tensor) -> Tensor:
        """(in,) norms of W + s BA from |W|^2 + 2 s W.BA + s^2 |BA|^2, column by column; a rank x fan-in product is the
        largest that is made."""
        up, down = self.up.flatten(1), self.down.flatten(1)
        crossed = (up.t().to(weight.dtype) @ weight.flatten(1)).float() * down
        own = (up.t() @ up @ down) * down
        change = (2 * self.scale * crossed + self.scale**2 * own).sum(0)
        change = change.view(self.op.in_features, -1).sum(1)
        return (self.base_norm_squared + change).clamp_min(0).sqrt() + _EPS

    def weight_delta(self, base_weight: Tensor | None = None) -> Tensor:
        assert base_weight is not None
        moved = base_weight.float() + super().weight_delta()
        lengths = moved.transpose(0, 1).flatten(1).norm(dim=1) + _EPS
        gain = (self.magnitude.detach() / lengths).view(1, -1, *self.op.ones)
        return moved * gain - base_weight.float()

    def file_tensors(self) -> dict[str, Tensor]:
        return {**super().file_tensors(), "dora_scale": self.magnitude.detach().view(1, -1, *self.op.ones)}

    def load_file_tensors(self, tensors: Mapping[str, Tensor]) -> None:
        super().load_file_tensors(tensors)
        with torch.no_grad():
            self.magnitude.copy_(tensors["dora_scale"].flatten())
