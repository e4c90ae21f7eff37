"""Everything that can go wrong for a user.

    TrainingError
    ├── SettingsError     what a node was given cannot work (all problems at once)
    ├── DatasetError      the pictures or captions cannot be used
    ├── ModelError        the loaded model cannot be trained, or does not fit its parts
    ├── NonFiniteError    a loss or gradient became inf or NaN; nothing was updated
    ├── OutOfMemory       a step fits into no memory that there is, however it is made
    ├── MissingLibraryError  an optional library is not installed
    ├── StateError        a run cannot be resumed from what lies on disk
    └── FileError         a file could not be written or read back
        └── DiskError     the disk refuses it: full, read-only, no permission, gone

A message says what is wrong, what was got, what is allowed, and what to do.
"""

from __future__ import annotations

from collections.abc import Iterable


class TrainingError(Exception):
    """Base of every error that is meant for the user's eyes."""


MOST_LINES = 50
"""Problems that a message tells one by one; `problems` has all of them."""


class _Collected(TrainingError):
    """An error that names all problems of one kind together."""

    def __init__(self, where: str, problems: Iterable[str]):
        self.where = where
        self.problems = tuple(problems)
        super().__init__(self._text())

    def _text(self) -> str:
        if len(self.problems) == 1:
            return f"{self.where}: {self.problems[0]}"
        lines = "\n".join(f"  - {problem}" for problem in self.problems[:MOST_LINES])
        more = f"\n  and {len(self.problems) - MOST_LINES:,} more" if len(self.problems) > MOST_LINES else ""
        return f"{self.where}: {len(self.problems):,} problems\n{lines}{more}"


class SettingsError(_Collected):
    """Settings that cannot work; `where` is the node as the canvas shows it."""


class DatasetError(_Collected):
    """Pictures or captions that cannot be used; each problem names its file."""


class ModelError(_Collected):
    """The model in the graph cannot be trained, or its VAE or CLIP does not belong to it."""


class NonFiniteError(TrainingError):
    """A loss or gradient is inf or NaN. Raised before the update, so the adapter is still good."""


class ProcessesError(TrainingError):
    """The processes that train together cannot go on: one has ended, or they are not of one mind."""


class OutOfMemory(TrainingError):
    """What a run needs does not fit, whatever is computed twice or moved to main memory."""


class MissingLibraryError(TrainingError):
    """An optional library is absent; the message holds the one line that installs it."""

    def __init__(self, library: str, needed_for: str):
        self.library = library
        super().__init__(
            f"{needed_for} needs the Python library '{library}', which is not installed. "
            f"Install it with: python -m pip install {library}"
        )


class StateError(TrainingError):
    """A training state cannot be used to resume."""


class FileError(TrainingError):
    """A file could not be written, or reads back differently from what was written."""


class DiskError(FileError):
    """The disk refuses a file. `cause` says why in a few words ('disk full'); the message names the file without its whole path."""

    def __init__(self, text: str, cause: str):
        self.cause = cause
        super().__init__(text)


class Contained:
    """`with Contained() as trouble:` for what must not end a run: what fails inside is `trouble.error` afterwards. What `passing`
    names goes on its way, and so does what is no Exception."""

    def __init__(self, *passing: type[BaseException]):
        self._passing = passing
        self.error: Exception | None = None

    def __enter__(self) -> "Contained":
        return self

    def __exit__(self, _kind: object, error: BaseException | None, _trace: object) -> bool:
        if isinstance(error, Exception) and not isinstance(error, self._passing):
            self.error = error
        return self.error is not None


_NO_MEMORY = ("out of memory", "_STATUS_ALLOC_FAILED", "can't allocate memory", "not enough memory", "Cannot allocate memory")
"""As CUDA, HIP, MPS and XPU, their libraries, and torch on a CPU (Linux, Windows) say it in a RuntimeError."""


def is_out_of_memory(error: BaseException | None) -> bool:
    """Whether `error` says that there was no memory left, on the card or beside it: torch's own error, or one of those that drivers
    and libraries send on as a RuntimeError."""
    if isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError":
        return True
    return isinstance(error, RuntimeError) and any(words in str(error) for words in _NO_MEMORY)


def raise_problems(error: type[_Collected], where: str, problems: Iterable[str]) -> None:
    """Raise `error` naming every problem; do nothing when there is none."""
    found = tuple(problems)
    if found:
        raise error(where, found)
