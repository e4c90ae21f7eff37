"""What the LoRA Network node says, and what Start From LoRA adds to it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from ..errors import SettingsError, raise_problems
from ..inputs import text_problems
from ..settings import called, stands_for
from .block_weights import BlockWeights
from .kinds.options import WHERE, Options

if TYPE_CHECKING:
    from torch import Tensor



@dataclass(frozen=True, kw_only=True, slots=True)
class TargetSpec:
    """Which modules get an adapter: a preset of `targets.PRESETS`, then names to add and to leave out.

    A pattern is a plain part of a module's name, a regular expression between slashes (/attn[12]\\.to_q/), or numbered
    blocks (down 0-3, double 5). Names of text encoders begin with the encoder's: clip_l.transformer...
    """

    preset: str = field(default="attention + feed-forward", metadata=called("targets"))
    include: tuple[str, ...] = field(default=(), metadata=called("include"))
    exclude: tuple[str, ...] = field(default=(), metadata=called("exclude"))

    def __post_init__(self) -> None:
        problems = text_problems("include", "\n".join(self.include)) + text_problems("exclude", "\n".join(self.exclude))
        raise_problems(SettingsError, WHERE, problems)


@dataclass(frozen=True, kw_only=True, slots=True)
class StartFrom:
    """What the Start From LoRA node says. `tensors` are the file's, by key; `digest` stands for their content.

    `rank_from_file` trains exactly the modules of the file, with its ranks and alphas; otherwise targets, rank and alpha
    are the network's, and a smaller LoRA is fitted into larger ranks. `drop_others` goes on without what the run cannot
    train (text encoders, modules outside the targets, changes of biases), which is an error otherwise.
    """

    name: str
    digest: str = field(metadata=stands_for("the file of Start From LoRA"))
    rank_from_file: bool = True
    drop_others: bool = False
    tensors: "Mapping[str, Tensor]" = field(default_factory=dict, repr=False, compare=False)


@dataclass(frozen=True, kw_only=True, slots=True)
class NetworkSpec:
    """`alpha` / `rank` scales what the adapter adds (kohya's semantics). `conv_rank` > 0 also adapts 3x3
    convolutions (LoCon) with a rank and alpha of their own. Dropouts are probabilities in [0, 1).

    `options` are the algorithm's own choices (None: its defaults); `init` what the adapter starts as;
    `scale_weight_norms` > 0 bounds the norm of every change after each update (kohya's max norm; 1 is usual).
    `block_weights` changes learning rate, rank and alpha block by block; `start_from` goes on from a LoRA that exists.
    `train_norms` also trains the weights of the diffusion model's norms, `train_biases` the biases of the layers that are
    targets: one number a channel each, with neither rank nor alpha.
    """

    algorithm: str = "lora"
    rank: int = 16
    alpha: float = 16.0
    conv_rank: int = 0
    conv_alpha: float = 0.0
    targets: TargetSpec = field(default_factory=TargetSpec)
    dropout: float = 0.0
    rank_dropout: float = 0.0
    module_dropout: float = 0.0
    init: str = "default"
    options: Options | None = None
    scale_weight_norms: float = 0.0
    block_weights: BlockWeights | None = None
    start_from: StartFrom | None = None
    train_norms: bool = False
    train_biases: bool = False

    def __post_init__(self) -> None:
        problems = []
        if self.rank < 1:
            problems.append(f"rank is {self.rank} but must be at least 1. Set 'rank' on the LoRA Network node; 16 is a usual start.")
        if self.alpha <= 0:
            problems.append(f"alpha is {self.alpha:g} but must be above 0. Set 'alpha' to the rank, or to half of it.")
        if self.conv_rank < 0:
            problems.append(f"conv_rank is {self.conv_rank} but must be at least 0 (0: no 3x3 convolutions).")
        if self.conv_rank > 0 and self.conv_alpha <= 0:
            problems.append(f"conv_alpha is {self.conv_alpha:g} but must be above 0 when conv_rank is set.")
        for name in ("dropout", "rank_dropout", "module_dropout"):
            if not 0 <= getattr(self, name) < 1:
                problems.append(f"{name} is {getattr(self, name)} but must be at least 0 and below 1; 0.1 is a usual value.")
        if not 0 <= self.scale_weight_norms < float("inf"):
            problems.append(f"scale_weight_norms is {self.scale_weight_norms} but must be at least 0 (0: off); 1 is usual.")
        raise_problems(SettingsError, WHERE, problems)

    def warnings(self) -> list[str]:
        """What is allowed but rarely meant."""
        found = []
        if self.alpha > self.rank:
            found.append(
                f"alpha {self.alpha:g} is above rank {self.rank}: the adapter is scaled by {self.alpha / self.rank:.2g}, "
                "which acts like a higher learning rate and overcooks easily. Usual: alpha = rank, or half of it."
            )
        if self.conv_rank and self.conv_alpha > self.conv_rank:
            found.append(f"conv_alpha {self.conv_alpha:g} is above conv_rank {self.conv_rank}. Usual: equal, or half of it.")
        return found
