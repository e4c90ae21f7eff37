"""What one check has compared."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from pack.training.errors import Contained

SKIPPED = {"ok": None, "say": "skipped: needs a card"}


class Findings:
    """Comparisons, in words; those out of bounds apart."""

    def __init__(self) -> None:
        self.told: list[str] = []
        self.bad: list[str] = []

    def near(self, label: str, error: float, limit: float) -> None:
        """NaN is never near."""
        self.say(f"{label} {error:.1e}", ok=error <= limit)

    def say(self, text: str, *, ok: bool = True) -> None:
        self.told.append(text)
        self.bad += [] if ok else [text]

    @contextmanager
    def trying(self, label: str) -> Iterator[None]:
        """An error inside is a finding, and the check goes on."""
        with Contained() as trouble:
            yield
        if trouble.error is not None:
            self.say(f"{label}: {type(trouble.error).__name__}: {str(trouble.error)[:200]}", ok=False)

    def row(self) -> dict:
        said = f"BAD {self.bad}, of {len(self.told)}" if self.bad else ", ".join(self.told)
        return {"ok": not self.bad, "say": said, "all": self.told}
