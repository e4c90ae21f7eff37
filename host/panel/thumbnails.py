"""Pictures of a data set as a page shows them: decoded as training decodes them, small, and kept within a bound."""

from __future__ import annotations

import threading
from collections import OrderedDict
from io import BytesIO

from PIL import Image

from ...training.data.colour import over_background
from ...training.data.dataset import Sample

SIDES = {"small": 224, "large": 1600}
"""The longest side of each kind, in pixels."""
MOST_BYTES = 64 << 20


class Thumbnails:
    """JPEGs by picture and version, those that were asked for last."""

    def __init__(self, most_bytes: int = MOST_BYTES):
        self._most, self._bytes = most_bytes, 0
        self._kept: OrderedDict[tuple[str, str, str], bytes] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, sample: Sample, version: str, kind: str) -> bytes:
        """Raises DatasetError for a picture that cannot be read."""
        key = (str(sample.picture.file), version, kind)
        with self._lock:
            if key in self._kept:
                self._kept.move_to_end(key)
                return self._kept[key]
        data = _jpeg(sample, SIDES[kind])
        with self._lock:
            if key not in self._kept:
                self._kept[key] = data
                self._bytes += len(data)
            while self._bytes > self._most and len(self._kept) > 1:
                self._bytes -= len(self._kept.popitem(last=False)[1])
        return data


THUMBNAILS = Thumbnails()


def _jpeg(sample: Sample, side: int) -> bytes:
    image = Image.fromarray(over_background(sample.picture.small_pixels(side), sample.background))
    image.thumbnail((side, side), Image.Resampling.BILINEAR, reducing_gap=2.0)
    out = BytesIO()
    image.save(out, "JPEG", quality=82)
    return out.getvalue()
