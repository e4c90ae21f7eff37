"""A picture that lies in a file: opened when it is asked for, never kept in memory."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from .decoding import Header, decoded, failure, read_header

if TYPE_CHECKING:
    import numpy as np

    from .specs import Size


class DigestIndex(Protocol):
    """Remembers the digests of files that stay as they are."""

    def digest(self, path: Path, compute: Callable[[], str]) -> str: ...


@dataclass(frozen=True)
class FilePicture:
    """A picture file. `name` is what errors show.

    `known` is what a scan learnt of it; `index` remembers its digest while the file stays unchanged.
    """

    file: Path
    name: str
    known: Header | None = None
    index: DigestIndex | None = field(default=None, compare=False, repr=False)

    @property
    def encoded(self) -> None:
        return None

    @property
    def frames(self) -> int:
        return 1

    def header(self) -> Header:
        """Size and alpha from the header alone. Raises DatasetError."""
        return self.known or read_header(self.file, self.name)

    def size(self) -> "Size":
        return self.header().size

    def has_alpha(self) -> bool:
        return self.header().has_alpha

    def digest(self) -> str:
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

    def clip(self) -> "np.ndarray":
        return self.pixels()[None, :, :, :3]

    def small_pixels(self, side: int) -> "np.ndarray":
        """A JPEG comes reduced to no less than `side` pixels a side: several times faster."""
        return decoded(self.file, self.name, at_least=side)
