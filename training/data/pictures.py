"""A picture that lies in a file: opened when it is asked for, never kept in memory."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from ..errors import DatasetError
from .decoding import Header, decoded, failure, read_header

if TYPE_CHECKING:
    import numpy as np

    from .dataset import Dataset, Picture, Sample
    from .specs import Size


class DigestIndex(Protocol):
    """Remembers the digests of files that stay as they are."""

    def digest(self, path: Path, compute: Callable[[], str]) -> str: ...


@dataclass(frozen=True)
class FilePicture:
    """A picture file. `name` is what errors show.

    `known` is what a scan learnt of it; `index` remembers its digest while the file stays unchanged. `held` are the digests that a
    run holds its files to: set when first asked for, and from then on the file's, whatever becomes of it.
    """

    file: Path
    name: str
    known: Header | None = None
    index: DigestIndex | None = field(default=None, compare=False, repr=False)
    held: dict[Path, str] | None = field(default=None, compare=False, repr=False)

    @property
    def encoded(self) -> None:
        return None

    @property
    def frames(self) -> int:
        return 1

    @property
    def fps(self) -> float | None:
        return None

    @property
    def is_video(self) -> bool:
        return False

    def scanned(self) -> "FilePicture":
        """The same, with what its header tells filled in. Raises DatasetError."""
        return replace(self, known=self.header())

    def header(self) -> Header:
        """Size and alpha from the header alone. Raises DatasetError."""
        return self.known or read_header(self.file, self.name)

    def size(self) -> "Size":
        return self.header().size

    def has_alpha(self) -> bool:
        return self.header().has_alpha

    def digest(self) -> str:
        if self.held is None:
            return self._digest_now()
        if self.file not in self.held:
            self.held[self.file] = self._digest_now()
        return self.held[self.file]

    def is_as_held(self) -> bool:
        """Whether the file still is what the run holds it to; True where it holds it to nothing."""
        if self.held is None or self.file not in self.held:
            return True
        try:
            now = replace(self, known=None)
            return self._digest_now() == self.held[self.file] and (self.known is None or now.size() == self.known.size)
        except DatasetError:
            return False

    def _digest_now(self) -> str:
        return self.index.digest(self.file, self._digest) if self.index else self._digest()

    def _digest(self) -> str:
        total = hashlib.sha256()
        try:
            with self.file.open("rb") as file:
                while block := file.read(1 << 20):
                    total.update(block)
        except OSError as error:
            raise failure(self.name, f"cannot be read ({error.strerror or error})", "Check the file.") from error
        return total.hexdigest()

    def pixels(self) -> "np.ndarray":
        return decoded(self.file, self.name)

    def clip(self) -> "Iterable[np.ndarray]":
        return [self.pixels()]

    def small_pixels(self, side: int) -> "np.ndarray":
        """A JPEG comes reduced to no less than `side` pixels a side: several times faster."""
        return decoded(self.file, self.name, at_least=side)


def held(dataset: "Dataset") -> "Dataset":
    """The same pictures, each file held to the content that it has when a run first asks for its digest."""
    digests: dict[Path, str] = {}

    def own(picture: "Picture") -> "Picture":
        return replace(picture, held=digests) if isinstance(picture, FilePicture) else picture

    return replace(dataset, samples=tuple(
        replace(sample, picture=own(sample.picture), mask=own(sample.mask) if sample.mask else None,
                references=tuple(map(own, sample.references)))
        for sample in dataset.samples
    ))  # fmt: skip


def changed(sample: "Sample") -> list[str]:
    """The names of the sample's files (picture, mask, references) that are no longer what the run holds them to."""
    files = (sample.picture, sample.mask, *sample.references)
    return [file.name for file in files if isinstance(file, FilePicture) and not file.is_as_held()]


def require_unchanged(sample: "Sample") -> None:
    """Called when pixels were read: raises DatasetError where they may be another content's than the digest says."""
    for name in changed(sample):
        raise changed_under_way(name)


def changed_under_way(name: str) -> DatasetError:
    return failure(name, "has changed since the run began", "Put the old file back and resume, or queue a new run.")
