"""The colours and the mask of a sample at the picture's own size, before anything is resized or cut."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

import numpy as np

from .resize import resized_crop

if TYPE_CHECKING:
    from .dataset import Picture, Sample


def full_mask(sample: "Sample") -> np.ndarray | None:
    """(h, w) uint8 loss mask at the picture's (or mask file's) own size: 255 trains, 0 does not; None without one.

    With both a mask file and alpha, a pixel counts only where both let it.
    """
    masks = []
    if sample.mask is not None:
        masks.append(_in_bands(_luminance, sample.mask.pixels()))
    if sample.alpha == "mask":
        alpha = sample.picture.pixels()[:, :, 3]
        if not (alpha == 255).all():
            masks.append(alpha)
    if len(masks) == 2 and masks[0].shape != masks[1].shape:
        height, width = masks[1].shape
        masks[0] = resized_crop(masks[0][:, :, None], (width, height), (0, 0), (width, height))[:, :, 0].round()
    return np.minimum(*masks).astype(np.uint8) if len(masks) == 2 else masks[0] if masks else None


def full_colour(sample: "Sample") -> np.ndarray:
    """(h, w, 3) uint8 at the picture's own size, transparency treated as told; of a clip its first frame.

    Raises DatasetError naming the file.
    """
    return colour_of(sample, sample.picture)


def colour_frames(sample: "Sample") -> Iterator[np.ndarray]:
    """`full_colour` of every frame, one after the other: a whole clip at its own size could be gigabytes."""
    for frame in sample.picture.clip():
        yield frame if frame.shape[2] == 3 else _laid(sample, frame)


def colour_of(sample: "Sample", picture: "Picture") -> np.ndarray:
    """`full_colour` of a picture beside the sample's own: one of its references."""
    return _laid(sample, picture.pixels())


def _laid(sample: "Sample", rgba: np.ndarray) -> np.ndarray:
    if sample.alpha == "ignore" or (rgba[:, :, 3] == 255).all():
        return rgba[:, :, :3]
    return over_background(rgba, sample.background)


def over_background(rgba: np.ndarray, background: tuple[int, int, int]) -> np.ndarray:
    """(h, w, 3) uint8: an RGBA picture laid on a colour."""
    below = np.array(background, np.uint16)

    def laid(band: np.ndarray) -> np.ndarray:
        alpha = band[:, :, 3:].astype(np.uint16)
        return ((band[:, :, :3] * alpha + below * (255 - alpha) + 127) // 255).astype(np.uint8)

    return _in_bands(laid, rgba)


def _luminance(rgba: np.ndarray) -> np.ndarray:
    """(h, w) uint8: how bright a mask is, where transparent counts as black."""
    wide = rgba.astype(np.uint32)
    grey = (wide[:, :, :3] @ np.array([299, 587, 114], np.uint32) + 500) // 1000
    return (grey * wide[:, :, 3] // 255).astype(np.uint8)


def _in_bands(convert: Callable[[np.ndarray], np.ndarray], pixels: np.ndarray, rows: int = 256) -> np.ndarray:
    """`convert` a few rows at a time: its wide intermediates would take 2 GB on the largest pictures."""
    return np.concatenate([convert(pixels[start : start + rows]) for start in range(0, len(pixels), rows)])
