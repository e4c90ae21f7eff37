"""Augmentation: versions of a picture that are turned, cut closer, or of other colours, each a function of the picture's name and a number.

They are encoded once, as mirrored pictures and random crops are. A version that is turned or cut closer is enlarged just so far that
what it shows lies inside the picture: no corner is empty, and nothing is made up.
"""

from __future__ import annotations

import math
import random
from dataclasses import dataclass, replace

import numpy as np
from PIL import Image

from ..seeds import mix_seed
from .buckets import Placement
from .resize import resized_crop
from .specs import BucketSpec, RandomCrops, Size

_GREY = np.array([0.299, 0.587, 0.114], np.float32)
"""How bright the three colours are (ITU-R BT.601)."""
_MIDDLE = 127.5


@dataclass(frozen=True)
class Alteration:
    """`angle` in degrees, counter-clockwise; the others multiply: 1 leaves them as they are."""

    angle: float = 0.0
    brightness: float = 1.0
    contrast: float = 1.0
    saturation: float = 1.0

    def coloured(self, pixels: np.ndarray) -> np.ndarray:
        """(h, w, 3) float32 in 0..255: brightness, then contrast around the middle grey, then saturation around each pixel's own grey."""
        if self.brightness == self.contrast == self.saturation == 1:
            return pixels
        bright = pixels * self.brightness
        contrasted = (bright - _MIDDLE) * self.contrast + _MIDDLE
        grey = (contrasted @ _GREY)[:, :, None]
        return ((contrasted - grey) * self.saturation + grey).clip(0, 255).astype(np.float32)


def versions(name: str, spec: BucketSpec, placement: Placement, focus: tuple[float, float]) -> list[tuple[Placement, Alteration]]:
    """`spec.augmentations` of them for the picture `name`; `focus` is where crops lie that are not random, as fractions of the sides."""
    return [_version(random.Random(mix_seed("augmentation", name, number)), spec, placement, focus) for number in range(spec.augmentations)]


def _version(rng: random.Random, spec: BucketSpec, placement: Placement, focus: tuple[float, float]) -> tuple[Placement, Alteration]:
    angle, shown = rng.uniform(-spec.rotation, spec.rotation), rng.uniform(spec.crop_range, 1)
    factors = [rng.uniform(1 - spec.colour, 1 + spec.colour) for _ in range(3)]
    place = (rng.random(), rng.random()) if isinstance(spec.crop, RandomCrops) else None
    target, window = placement.geometry.target, window_of(placement.geometry.target, angle)
    scale = max(1 / shown, *(needed / has for needed, has in zip(window, placement.resized)))
    wide, high = (max(math.ceil(side * scale), needed) for side, needed in zip(placement.resized, window))
    left, top = (_corner((wide, high)[i], target[i], window[i], place[i] if place else None, focus[i]) for i in (0, 1))
    return Placement((wide, high), replace(placement.geometry, crop=(left, top))), Alteration(angle, *factors)


def _corner(side: int, has: int, needed: int, place: float | None, focus: float) -> int:
    """Where the crop begins, so that its window of `needed` pixels lies within `side`."""
    margin = (needed - has) // 2
    spare = side - needed
    begin = round(place * spare) if place is not None else min(max(round(focus * side - needed / 2), 0), spare)
    return begin + margin


def window_of(target: Size, angle: float) -> Size:
    """What must be there of a picture for a crop of `target` turned by `angle`: the turned crop's bounding box and a pixel's edge, and
    no less than the crop on either side."""
    if not angle:
        return target
    across, up = abs(math.cos(math.radians(angle))), abs(math.sin(math.radians(angle)))
    wide, high = target
    boxes = (math.ceil(wide * across + high * up), wide), (math.ceil(wide * up + high * across), high)
    width, height = (max(size, has) + 2 + (max(size, has) - has) % 2 for size, has in boxes)  # as many pixels at both sides
    return width, height


def turned_crop(pixels: np.ndarray, resized: Size, corner: Size, target: Size, angle: float) -> np.ndarray:
    """`resized_crop` of the picture turned by `angle` around the middle of the crop."""
    if not angle:
        return resized_crop(pixels, resized, corner, target)
    window = window_of(target, angle)
    left, top = ((window[i] - target[i]) // 2 for i in (0, 1))
    seen = resized_crop(pixels, resized, (corner[0] - left, corner[1] - top), window)
    bands = [np.asarray(Image.fromarray(np.ascontiguousarray(seen[:, :, band])).rotate(angle, Image.Resampling.BICUBIC))
             for band in range(seen.shape[2])]  # fmt: skip
    turned = np.stack(bands, axis=2)[top : top + target[1], left : left + target[0]]
    return turned.clip(0, 255)
