"""What a canvas says before Run, checked: a model's file and the widgets that decide what a step takes."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace

import torch

from ...training.errors import SettingsError
from ...training.network.fitting import kind_of
from ...training.network.spec import NetworkSpec, TargetSpec
from ...training.optim.spec import OptimizerSpec
from ...training.specs import AUTO, RunSpec
from .step import Work

_FP8 = {"fp8_e4m3fn": torch.float8_e4m3fn, "fp8_e4m3fn_fast": torch.float8_e4m3fn, "fp8_e5m2": torch.float8_e5m2}
_LIMITS = {"resolution": (64, 4096), "batch_size": (1, 256), "gradient_accumulation": (1, 1024), "rank": (1, 1024), "conv_rank": (0, 1024)}


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """`folder` and `model` name the file as ComfyUI's loaders do, `weight_dtype` is UNETLoader's; the rest are widgets of ours, with their
    defaults. Raises SettingsError for what none of them can hold."""

    folder: str = ""
    model: str = ""
    weight_dtype: str = "default"
    resolution: int = 1024
    batch_size: int = 1
    gradient_accumulation: int = 1
    precision: str = "auto"
    memory: str = AUTO
    gradient_checkpointing: bool = True
    algorithm: str = "lora"
    rank: int = 16
    conv_rank: int = 0
    targets: str = "attention + feed-forward"
    optimizer: str = "AdamW"

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            least, most = _LIMITS.get(field.name, (value, value))
            if type(value) is not type(field.default) or not least <= value <= most:
                raise SettingsError("Train LoRA", [f"{field.name} is {value!r:.40}, which its widget cannot hold."])
        kind_of(self.work().network)

    @property
    def asked(self) -> torch.dtype | None:
        """What the loader is told to store the weights in."""
        return _FP8.get(self.weight_dtype)

    def work(self) -> Work:
        return Work(
            side=self.resolution, optimizer=OptimizerSpec(optimizer=self.optimizer),
            network=NetworkSpec(algorithm=self.algorithm, rank=self.rank, alpha=float(self.rank), conv_rank=self.conv_rank,
                                conv_alpha=float(self.conv_rank), targets=TargetSpec(preset=self.targets)),
            run=RunSpec(batch_size=self.batch_size, gradient_accumulation=self.gradient_accumulation, memory=self.memory,
                        gradient_checkpointing=self.gradient_checkpointing, precision=None if self.precision == "auto" else self.precision),
        )

    def shaping(self) -> "Wanted":
        """Without what only chooses among the ways that there are: the step costs the same."""
        return replace(self, memory=AUTO, gradient_checkpointing=True)
