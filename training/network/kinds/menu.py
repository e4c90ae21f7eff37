"""Every kind of adapter. A new one is a file beside this one, and a row here."""

from __future__ import annotations

from .adapter import Adapter, adapters
from .boft import BOFT
from .dora import DoRA
from .dylora import DyLoRA
from .glora import GLoRA
from .ia3 import IA3
from .loha import LoHa
from .lokr import LoKr
from .lora import LoRA, RsLoRA
from .lora_fa import LoRAFA
from .oft import OFT

__all__ = ["ALGORITHMS", "KINDS", "adapters"]

#: As the canvas offers them: what suits most people first.
KINDS: tuple[type[Adapter], ...] = (LoRA, RsLoRA, DoRA, LoRAFA, DyLoRA, LoKr, LoHa, OFT, BOFT, GLoRA, IA3)
ALGORITHMS = tuple(kind.algorithm for kind in KINDS)
