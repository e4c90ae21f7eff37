"""rs-LoRA: LoRA scaled by alpha / sqrt(rank), so that high ranks do not learn ever slower (Kalajdzievski 2023, eq. 4)."""

from __future__ import annotations

import math

from .adapter import adapters
from .lora import LoRA


@adapters.register("rslora")
class RsLoRA(LoRA):
    """The file holds alpha * sqrt(rank): readers know only alpha / rank, and so find the right scale."""

    algorithm = "rslora"

    @property
    def scale(self) -> float:
        return self.alpha / math.sqrt(self.rank)

    @classmethod
    def alpha_from_file(cls, alpha: float, rank: int) -> float:
        return alpha / math.sqrt(rank)
