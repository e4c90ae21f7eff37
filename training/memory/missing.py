"""What a run must do without on its device, in words: said once, before its first step."""

from __future__ import annotations

import torch

from ..devices.backend import copies_on_write
from ..devices.card import Card
from .meter import MemoryMeter


def missing_on(device: torch.device, meter: MemoryMeter, card: Card) -> str:
    """'' where nothing is missing, as on NVIDIA's and AMD's cards, and on a CPU."""
    if device.type == "cpu":
        return ""
    found = []
    if not copies_on_write(device):
        found.append("what is kept for backward is copied at once, because torch does not see every write into shared memory there, so "
                     "activations take up to twice their memory (gradient_checkpointing keeps that small)")
    if meter.now() is None:
        found.append("torch does not say how much memory a run holds, so none is shown, and a full card is not noticed")
    elif not meter.keeps_peak:
        found.append("torch keeps no peak of memory, so the one that is shown is the most that was held at the end of a step")
    if meter.now() is not None and card.read() is None:
        found.append("nobody says what other programs hold, so a card is full only when this run fills it")
    return f"On '{device.type}': {'; '.join(found)}." if found else ""
