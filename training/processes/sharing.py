"""What is encoded once for all processes that see one folder: each makes its part, all read it there."""

from __future__ import annotations

import os
import uuid
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TypeVar

from ..files.overflow import Overflow
from .processes import ALONE, Processes

Thing = TypeVar("Thing")


class Sharing:
    """This process is the one at `place` of `many` that see the same folder; those of another machine without it share their own."""

    def __init__(self, processes: Processes = ALONE, folder: Path | None = None):
        """All processes make it together."""
        self._processes = processes
        self.place, self.many, self.name = 0, 1, ""
        if processes.size > 1:
            self._look_around(folder)

    def mine(self, what: str, missing: Sequence[Thing], check: Callable[[], None]) -> Sequence[Thing]:
        """Of what is missing, this process' part: once all have looked, so that all divide the same."""
        self._processes.gathered(f"the {what} to encode", len(missing), check)
        return missing[self.place :: self.many]

    def met(self, what: str, bad: Mapping[int, str], check: Callable[[], None]) -> dict[int, str]:
        """Once all have made their part: what any found bad, by its place."""
        notes = self._processes.gathered(f"the {what}", {str(place): why for place, why in bad.items()}, check)
        return {int(place): why for note in reversed(notes) for place, why in note.items()}

    def _look_around(self, folder: Path | None) -> None:
        rank, own = self._processes.rank, f".{uuid.uuid4().hex}"
        with suppress(OSError):
            if folder is not None:
                folder.mkdir(parents=True, exist_ok=True)
                (folder / own).touch()
        names = self._processes.gathered("the folder", [own, os.getpid()])
        seen = [other for other, (name, _) in enumerate(names) if other == rank or folder is not None and (folder / name).exists()]
        sights = self._processes.gathered("who sees whom", seen)
        group = [other for other in seen if rank in sights[other]]
        self.place, self.many = group.index(rank), len(group)
        name, process = names[group[0]]
        self.name = f"run-{process}/{name[1:]}"
        with suppress(OSError):
            if folder is not None:
                (folder / own).unlink(missing_ok=True)


def shared(processes: Processes, cache: Path | None, overflow: Path | None) -> tuple[Sharing | None, Overflow | None]:
    """Among whom all that is encoded is divided, None where there is nobody; and where it lies while the run lasts, without a `cache`
    for other runs too."""
    if processes.size == 1:
        return None, Overflow(overflow) if overflow else None
    among = Sharing(processes, cache or overflow)
    return among, Overflow(overflow, shared=among.name, removes=among.place == 0) if overflow else None
