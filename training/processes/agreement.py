"""What all processes wish, heard before every step: they end after the same one, with the same rates."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

from .processes import Processes


class Wishing(Protocol):
    """The part of a run's Control that others hear of."""

    def check(self) -> None: ...

    def ending(self) -> str | None: ...

    def take(self, wish: str) -> bool: ...

    def request_save(self) -> None: ...

    def request_preview(self) -> None: ...

    @property
    def learning_rate_scale(self) -> float: ...

    def set_learning_rate_scale(self, scale: float) -> None: ...


@dataclass(frozen=True)
class Agreed:
    """`ending` is 'paused', 'stopped' or None."""

    ending: str | None
    learning_rate_scale: float


class Agreement:
    """They talk once a step, also where one of them makes it anew."""

    def __init__(self, processes: Processes, control: Wishing):
        self._processes, self._control = processes, control
        self._step: int | None = None
        self._agreed = Agreed(None, 1.0)

    def before(self, step: int) -> Agreed:
        """The strongest wish to end that any has ('paused', then 'stopped'), and the main one's scale of the rates. What another one
        wishes to be saved or sampled is the main one's wish then."""
        if self._processes.size == 1:
            return Agreed(self._control.ending(), self._control.learning_rate_scale)
        if self._step != step:
            self._hear(self._processes.gathered(f"step {step}", self._note(), self._control.check))
            self._step = step
        return self._agreed

    def _note(self) -> dict[str, Any]:
        control, is_main = self._control, self._processes.is_main
        return {"ending": control.ending(), "rates": control.learning_rate_scale,
                "save": not is_main and control.take("save"), "preview": not is_main and control.take("preview")}

    def _hear(self, notes: list[dict[str, Any]]) -> None:
        endings, rates = filter(None, (note["ending"] for note in notes)), notes[0]["rates"]
        self._agreed = Agreed(min(endings, default=None), rates)  # 'paused' before 'stopped'
        if not self._processes.is_main:
            self._control.set_learning_rate_scale(rates)
            return
        if any(note["save"] for note in notes):
            self._control.request_save()
        if any(note["preview"] for note in notes):
            self._control.request_preview()
