"""LoRA: W' x = W x + (alpha / rank) * up(down(x)), a side branch; W + dW is never made (Hu et al. 2021, eq. 3).

On a convolution `down` keeps the kernel, stride and padding and `up` is 1x1 (kohya's LoCon, Yeh et al. 2023). rsLoRA is the
same, scaled by alpha / sqrt(rank), so that high ranks do not learn ever slower (Kalajdzievski 2023, eq. 4).
"""

from __future__ import annotations

import math
from collections.abc import Mapping

import torch
from torch import Tensor, nn

from ...devices.backend import in_float64
from ...ops import Op
from .adapter import Adapter, Base, Elsewhere, algorithm
from .initial import DEFAULT, ORTHOGONAL, PISSA, kaiming, orthogonal_pair, principal_pair
from .options import Options


@algorithm("lora")
class LoRA(Adapter):
    """down ~ kaiming uniform (a = sqrt 5), up = 0: the adapter starts as no change.

    init 'orthogonal': down and up are random with up @ down = 0 (see `initial`). 'pissa': they start as the largest
    singular directions of the weight (Meng et al. 2024, eq. 2-4); what they start as is subtracted again, so the base
    stays whole, and the file holds the difference as a plain LoRA of twice the rank.
    """

    elsewhere = Elsewhere("networks.lora")
    rank_in_file = ("lora_down.weight", 0)
    inits = (DEFAULT, ORTHOGONAL, PISSA)
    drops_hidden = True
    has_norm = True
    is_plain_lora = True
    takes_lower_ranks = True
    down: Tensor
    up: Tensor
    down_start: Tensor
    up_start: Tensor

    def make(self, generator: torch.Generator) -> None:
        down, up = torch.empty(self.down_shape), torch.zeros(self.up_shape)
        if self.init == ORTHOGONAL:
            down, up = orthogonal_pair(self.down_shape, self.up_shape, generator)
        else:
            kaiming(down, generator)
        self._hold(down, up)
        if self.init == PISSA:
            self._seed = generator.initial_seed()
            self.register_buffer("down_start", torch.zeros(self.down_shape))
            self.register_buffer("up_start", torch.zeros(self.up_shape))

    def _hold(self, down: Tensor, up: Tensor) -> None:
        self.down, self.up = nn.Parameter(down), nn.Parameter(up)

    @property
    def down_shape(self) -> tuple[int, ...]:
        return (self.rank, self.op.in_features, *self.op.kernel)

    @property
    def up_shape(self) -> tuple[int, ...]:
        return (self.op.out_features, self.rank, *self.op.ones)

    @property
    def needs_base(self) -> bool:
        """PiSSA starts from the weight."""
        return self.init == PISSA

    def prepare(self, base_weight: Tensor) -> None:
        if self.init != PISSA:
            return
        down, up = principal_pair(base_weight, self.rank, self.scale, self._seed)
        with torch.no_grad():
            for holder, value in ((self.down, down), (self.down_start, down), (self.up, up), (self.up_start, up)):
                holder.copy_(value.view(holder.shape))

    def adapted(self, x: Tensor, base: Base) -> Tensor:
        if base.gradient is None or not self.op.is_linear or self.dropout.acts or not torch.is_grad_enabled():
            return self.add_branch(base.run(x), x)
        return _Adapted.apply(x, *self.pair(x.dtype), self.scale * self.strength, base)

    def add_branch(self, y: Tensor, x: Tensor) -> Tensor:
        """y + scale * strength * up(down(x)), dropout included."""
        return self.add_product(y, x, *self.pair(x.dtype), self.scale * self.strength)

    def add_product(self, y: Tensor, x: Tensor, down: Tensor, up: Tensor, scale: float) -> Tensor:
        hidden = self.dropout.apply(self.op.run(x, down), self.op.channel_axis)
        if not self.op.is_linear:
            return torch.add(y, self.op.mix(hidden, up), alpha=scale)
        added = torch.addmm(y.reshape(-1, y.shape[-1]), hidden.reshape(-1, hidden.shape[-1]), up.t(), alpha=scale)
        return added.view(y.shape)

    def pair(self, dtype: torch.dtype = torch.float32) -> tuple[Tensor, Tensor]:
        """(down, up) of the whole change: of twice the rank when a start is subtracted."""
        down, up, *start = (self.copies(tensor, dtype) for tensor in self.cast_tensors())
        if not start:
            return down, up
        down_start, up_start = start
        return torch.cat((down, down_start)), torch.cat((up, -up_start), dim=1)

    def cast_tensors(self) -> list[Tensor]:
        return [self.down, self.up, *((self.down_start, self.up_start) if self.init == PISSA else ())]

    def weight_delta(self, base_weight: Tensor | None = None) -> Tensor:
        down, up = (part.detach() for part in self.pair())
        return (up.flatten(1) @ down.flatten(1) * self.scale).view(self.op.weight_shape)

    def norm(self) -> Tensor:
        """||up @ down|| * scale, from the two rank x rank products: ||up down||^2 = tr(up^T up down down^T)."""
        down, up = (in_float64(part.detach().flatten(1)) for part in self.pair())
        squared = ((up.t() @ up) * (down @ down.t())).sum()
        return squared.clamp_min(0).sqrt().float() * self.scale

    @property
    def file_alpha(self) -> float:
        """The alpha with which a reader, who computes alpha / rank, finds our scale."""
        return self.scale * self.pair()[0].shape[0]

    def file_tensors(self) -> dict[str, Tensor]:
        down, up = (part.detach() for part in self.pair())
        return {"lora_down.weight": down, "lora_up.weight": up, "alpha": torch.tensor(self.file_alpha)}

    def load_file_tensors(self, tensors: Mapping[str, Tensor]) -> None:
        down, up = tensors["lora_down.weight"].float(), tensors["lora_up.weight"].float()
        rank = down.shape[0]
        if up.flatten(1).shape != (self.op.out_features, rank):
            raise ValueError(f"lora_up is {list(up.shape)}, for {self.op.out_features} outputs and rank {rank}")
        factor = self.rescaling(tensors, rank)
        if self.init == PISSA and rank == 2 * self.rank:
            self._load_start(down[self.rank :], -up[:, self.rank :])
            down, up, rank = down[: self.rank], up[:, : self.rank], self.rank
        with torch.no_grad():
            self.down[:rank].copy_(down.reshape(rank, *self.down.shape[1:]))
            self.up[:, :rank].copy_(up.reshape(-1, rank, *self.up.shape[2:]) * factor)
            self.up[:, rank:].zero_()

    def _load_start(self, down: Tensor, up: Tensor) -> None:
        self.down_start.copy_(down.reshape(self.down_start.shape))
        self.up_start.copy_(up.reshape(self.up_start.shape))

    @classmethod
    def problem(cls, op: Op, rank: int, init: str, options: Options | None) -> str | None:
        if init == ORTHOGONAL and rank % 2:
            return f"init 'orthogonal' needs an even rank, but it is {rank}. Set it to {rank + 1}."
        return None


class _Adapted(torch.autograd.Function):
    """`add_branch(base.run(x), x)` of a linear as one node of the graph, where autograd makes a dozen: a step is mostly Python and
    launches, not sums. The two gradients of x are one sum, and less is kept for backward."""

    @staticmethod
    def forward(ctx, x: Tensor, down: Tensor, up: Tensor, scale: float, base: Base) -> Tensor:
        hidden = x.reshape(-1, x.shape[-1]) @ down.t()
        y = base.run(x)
        ctx.save_for_backward(x, hidden)
        ctx.down, ctx.up, ctx.scale, ctx.base = down, up, scale, base
        added = torch.addmm(y.reshape(-1, y.shape[-1]), hidden, up.t(), alpha=scale)
        return torch.ops.aten._unsafe_view(added, y.shape)  # into a view autograd lets nobody write, and models do

    @staticmethod
    def backward(ctx, grad: Tensor):
        x, hidden = ctx.saved_tensors
        of_x, of_down, of_up, *_ = ctx.needs_input_grad
        rows, out = x.reshape(-1, x.shape[-1]), grad.reshape(-1, grad.shape[-1])
        inner = out @ ctx.up
        if ctx.scale != 1:
            inner, hidden = inner * ctx.scale, hidden * ctx.scale
        grad_x = None
        if of_x:
            own = ctx.base.gradient(grad, x.shape).to(x.dtype)
            grad_x = own.reshape(-1, x.shape[-1]).addmm_(inner, ctx.down).view(x.shape)
        return grad_x, inner.t() @ rows if of_down else None, out.t() @ hidden if of_up else None, None, None


@algorithm("rslora")
class RsLoRA(LoRA):
    """The file holds alpha * sqrt(rank): readers know only alpha / rank, and so find the right scale."""

    elsewhere = Elsewhere("networks.lora", {"rs_lora": True})

    @property
    def scale(self) -> float:
        return self.alpha / math.sqrt(self.rank)

    @classmethod
    def alpha_from_file(cls, alpha: float, rank: int) -> float:
        return alpha / math.sqrt(rank)
