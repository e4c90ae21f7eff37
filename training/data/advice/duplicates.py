"""Pictures that look the same, by perceptual hash."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import numpy as np
from PIL import Image

from ...errors import DatasetError, MissingLibraryError
from ..colour import over_background
from ..dataset import Picture

SIDE = 256
NEAR = 6
"""Of 64 bits. Resized or recompressed copies differ by 0 to 4, different pictures by about 32."""


def looks(picture: Picture) -> np.ndarray:
    """Two 64-bit hashes, (2,) uint64: of low frequencies (pHash) and of the gradient (dHash). Raises DatasetError."""
    try:
        import imagehash
    except ImportError as error:
        raise MissingLibraryError("imagehash", "Finding near-duplicates") from error
    grey = Image.fromarray(over_background(picture.small_pixels(SIDE), (255, 255, 255))).convert("L")
    grey.thumbnail((SIDE, SIDE), Image.Resampling.BOX)
    bits = [imagehash.phash(grey).hash, imagehash.dhash(grey).hash]
    return np.array([np.packbits(hash_.flatten()).view(np.uint64)[0] for hash_ in bits])


def all_looks(
    pictures: Sequence[Picture], on_progress: Callable[[int, int], None] | None = None
) -> tuple[dict[int, np.ndarray], list[str]]:
    """The hashes by index, and why the others cannot be read."""
    found, problems = {}, []
    for index, picture in enumerate(pictures):
        try:
            found[index] = looks(picture)
        except DatasetError as error:
            problems += error.problems
        if on_progress:
            on_progress(index + 1, len(pictures))
    return found, problems


def near_pairs(hashes: dict[int, np.ndarray]) -> Iterator[tuple[int, int]]:
    """Each pair of indices whose hashes are both near."""
    indices = np.array(list(hashes))
    table = np.array(list(hashes.values())).reshape(-1, 2)
    for row in range(len(table) - 1):
        distance = _bits(table[row + 1 :] ^ table[row]).max(axis=1)
        for other in np.flatnonzero(distance <= NEAR):
            yield int(indices[row]), int(indices[row + 1 + other])


def _bits(values: np.ndarray) -> np.ndarray:
    """How many bits are set in each uint64."""
    return np.unpackbits(values[..., None].view(np.uint8), axis=-1).sum(axis=-1)


def groups(pairs: Iterator[tuple[int, int]]) -> list[list[int]]:
    """Indices joined by pairs, each group sorted, in order of their first member."""
    parent: dict[int, int] = {}

    def root(index: int) -> int:
        while parent.setdefault(index, index) != index:
            index = parent[index]
        return index

    for left, right in pairs:
        one, other = sorted((root(left), root(right)))
        parent[other] = one
    found: dict[int, list[int]] = {}
    for index in sorted(parent):
        found.setdefault(root(index), []).append(index)
    return list(found.values())
