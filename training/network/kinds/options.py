"""What a kind of adapter may be told beside rank and alpha."""

from __future__ import annotations

from dataclasses import dataclass

WHERE = "LoRA Network"


@dataclass(frozen=True)
class Options:
    """The choices of one kind, each with a default; a kind without any has none but this."""

    def problems(self) -> list[str]:
        """What is wrong with them, one phrase each."""
        return []
