"""What every kind of adapter offers. One kind a file, registered under its name; `menu` imports them all."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, TypeVar

import torch
from torch import Tensor, nn

from ...ops import Op
from ...registry import Registry
from .dropout import OFF, Dropout
from .initial import DEFAULT
from .options import WHERE, Options


@dataclass(frozen=True, slots=True)
class Base:
    """The frozen op under an adapter, for the kinds that need more than its output.

    `run(x)` is op(x); `weight(dtype)` fetches the weight, dequantised, with everything applied upstream; `bias(dtype)`
    the bias (out,), or None. `gradient(grad, shape of x)` is that of x from that of op(x), where it is known without autograd.
    """

    run: Callable[[Tensor], Tensor]
    weight: Callable[[torch.dtype], Tensor]
    bias: Callable[[torch.dtype], Tensor | None] = lambda dtype: None
    gradient: Callable[[Tensor, torch.Size], Tensor] | None = None


@dataclass(frozen=True, slots=True)
class Elsewhere:
    """How kohya's scripts would train the same: their --network_module, and the --network_args that choose the kind in it."""

    module: str
    arguments: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def lycoris(cls, algo: str, **arguments: Any) -> "Elsewhere":
        """A kind of LyCORIS, whose network has them all."""
        return cls("lycoris.kohya", {"algo": algo, **arguments})


class Change(nn.Module):
    """Something that is trained about one layer: an adapter of its weight, or what is added to its bias, to a norm's weights.

    Parameters are fp32 whatever the base is stored or computed in. `lr_scale` multiplies the learning rate of its part.
    It acts while `enabled`, multiplied by `strength`. `copies(own tensor, dtype)` gives that tensor in the dtype.
    """

    def __init__(self) -> None:
        super().__init__()
        self.enabled = True
        self.strength = 1.0
        self.lr_scale = 1.0
        self.copies: Callable[[Tensor, torch.dtype], Tensor] = Tensor.to

    @property
    def needs_base(self) -> bool:
        """Whether `prepare` must be given the base weight before the first step."""
        return False

    def prepare(self, base_weight: Tensor) -> None:
        """Called once before training, and before a state is loaded, when `needs_base`: fp32, in the weight's shape."""

    def cast_tensors(self) -> list[Tensor]:
        """Those of its tensors that it computes with in the dtype of what comes in, through `copies`."""
        return []

    def changes_something(self) -> bool:
        """False where one of its factors is all zeros, as they begin."""
        return all(bool(own.any()) for own in self.parameters())

    def norm(self) -> Tensor:
        """Frobenius norm of the change, for those that scale_weight_norms can bound."""
        raise AssertionError(f"{type(self).__name__} lacks norm")

    def shrink(self, ratio: float | Tensor) -> None:
        """Multiply the change by `ratio` in 0..1, for the same: it is a product of everything that they train. A tensor () is not read."""
        factors = list(self.parameters())
        with torch.no_grad():
            for factor in factors:
                factor.mul_(ratio ** (1 / len(factors)))

    def file_tensors(self) -> dict[str, Tensor]:
        """Suffix -> tensor, as the LoRA file holds them under this module's key ('lora_up.weight', 'alpha')."""
        raise AssertionError(f"{type(self).__name__} lacks file_tensors")

    def load_file_tensors(self, tensors: Mapping[str, Tensor]) -> None:
        """Take values from a file's tensors, keyed by suffix as `file_tensors` writes them."""
        raise AssertionError(f"{type(self).__name__} lacks load_file_tensors")


class Adapter(Change):
    """A trainable change of one op.

    `alpha` and `rank` give the scale, kohya's alpha / rank unless the kind says otherwise. `options` are the kind's own
    choices, its defaults when none are given. What a kind makes use of stands in its class:

    elsewhere           what other programs call it: the metadata of its files
    rank_in_file        the tensor of a file, and the axis of it, that is as long as the rank
    options_type        the dataclass of its own options
    inits               the values of `init` it knows; the first is its default
    uses_rank           whether rank means anything to it
    uses_alpha          whether alpha does
    drops_hidden        whether it has an inner value that dropout and rank_dropout can act on
    has_norm            whether scale_weight_norms can bound it
    is_plain_lora       whether its file is a plain LoRA, so that it can go on from any LoRA, and PEFT can hold it
    takes_lower_ranks   whether the file of a lower rank fits into it
    depends_on_base     whether its change is a function of the base weight
    draws_its_size      whether how much it computes with is drawn anew for each micro-batch
    """

    algorithm: ClassVar[str]
    elsewhere: ClassVar[Elsewhere]
    rank_in_file: ClassVar[tuple[str, int]]
    options_type: ClassVar[type[Options]] = Options
    inits: ClassVar[tuple[str, ...]] = (DEFAULT,)
    uses_rank: ClassVar[bool] = True
    uses_alpha: ClassVar[bool] = True
    drops_hidden: ClassVar[bool] = False
    has_norm: ClassVar[bool] = False
    is_plain_lora: ClassVar[bool] = False
    takes_lower_ranks: ClassVar[bool] = False
    depends_on_base: ClassVar[bool] = False
    draws_its_size: ClassVar[bool] = False

    def __init__(
        self, op: Op, rank: int, alpha: float, *, generator: torch.Generator, init: str = DEFAULT, options: Options | None = None
    ):
        super().__init__()
        self.op = op
        self.rank = rank
        self.alpha = float(alpha)
        self.init = init
        self.options = options or self.options_type()
        self.dropout: Dropout = OFF
        self.make(generator)

    def make(self, generator: torch.Generator) -> None:
        """Give the adapter its parameters, which start as no change; what is random in them is drawn from `generator`."""
        raise AssertionError(f"{type(self).__name__} lacks make")

    @property
    def scale(self) -> float:
        return self.alpha / self.rank

    def forward(self, x: Tensor, base: Base) -> Tensor:
        """op(x) with the change applied: x (..., in) or (B, in, *space) -> (..., out) or (B, out, *space)."""
        if not self.enabled or self.dropout.skips():
            return base.run(x)
        return self.adapted(x, base)

    def adapted(self, x: Tensor, base: Base) -> Tensor:
        """`forward` of a kind, at `strength`."""
        raise AssertionError(f"{type(self).__name__} lacks adapted")

    def weight_delta(self, base_weight: Tensor | None = None) -> Tensor:
        """The change of the weight at strength 1, in the weight's shape, fp32. Kinds that depend on the base need its weight."""
        raise AssertionError(f"{type(self).__name__} lacks weight_delta")

    def norm(self) -> Tensor:
        return self.weight_delta().norm()

    def named_in_file(self, suffix: str = "") -> dict[str, Tensor]:
        """`file_tensors` of a kind whose parameters are called as in the file."""
        return {**{name + suffix: parameter.detach() for name, parameter in self.named_parameters()}, "alpha": torch.tensor(self.alpha)}

    def load_named(self, tensors: Mapping[str, Tensor], scaled: Sequence[nn.Parameter], suffix: str = "") -> None:
        """`load_file_tensors` of such a kind; the file's scale goes into the parameters `scaled`."""
        with torch.no_grad():
            for name, parameter in self.named_parameters():
                given = tensors[name + suffix]
                if given.shape[:1] != parameter.shape[:1]:  # turned round, it would be as long
                    raise ValueError(f"{name} is {list(given.shape)} instead of {list(parameter.shape)}")
                parameter.copy_(given.reshape(parameter.shape))
            for parameter in scaled:
                parameter.mul_(self.rescaling(tensors, self.rank))

    def rescaling(self, tensors: Mapping[str, Tensor], rank: int) -> float:
        """What the values of a file of `rank` are multiplied by to mean the same here: its scale over ours. The scale of a
        file is alpha / rank, 1 without alpha."""
        given = float(tensors["alpha"]) / rank if "alpha" in tensors else 1.0
        return given / self.scale

    def without_bias(self, y: Tensor, base: Base) -> Tensor:
        """op(x) before its bias was added."""
        bias = base.bias(y.dtype)
        return y if bias is None else y - self.op.per_channel(bias)

    @classmethod
    def rank_of(cls, tensors: Mapping[str, Tensor]) -> int:
        """The rank that a file's tensors of this kind were trained with."""
        name, axis = cls.rank_in_file
        return tensors[name].shape[axis]

    @classmethod
    def alpha_from_file(cls, alpha: float, rank: int) -> float:
        """The alpha that gives this kind the scale that a file's alpha gives its readers."""
        return alpha

    @classmethod
    def problem(cls, op: Op, rank: int, init: str, options: Options | None) -> str | None:
        """Why this kind cannot sit on `op` like this, and what to do; None when it can."""
        return None


adapters: Registry[type[Adapter]] = Registry("algorithm", WHERE)
Kind = TypeVar("Kind", bound=type[Adapter])


def algorithm(name: str) -> Callable[[Kind], Kind]:
    """A class is a kind of adapter: the canvas, the specs and the files' settings know it by `name`."""

    def add(kind: Kind) -> Kind:
        kind.algorithm = name
        adapters.register(name)(kind)
        return kind

    return add
