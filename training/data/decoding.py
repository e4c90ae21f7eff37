"""Picture files -> their header, or 8-bit sRGB with alpha, whatever they are stored as.

A file may be broken, hostile or huge: only known formats are decoded, sizes are checked before decoding, and every
failure is a DatasetError that names the file and the way out.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

import numpy as np
from PIL import Image, ImageFile

from ..errors import DatasetError
from .formats import plugins
from .formats.jxl import claimed_size
from .specs import Size

WHERE = "Load Dataset"
EXTENSIONS = (".png", ".jpg", ".jpeg", ".jfif", ".webp", ".bmp", ".gif", *plugins.EXTENSIONS)
FORMATS = ("PNG", "JPEG", "WEBP", "BMP", "DIB", "GIF", *plugins.FORMATS)
ANIMATED = ("WEBP", "GIF")
MAX_PIXELS = 89_000_000
"""About 9,400 x 9,400, just below where Pillow starts to warn; decoding needs up to 8 bytes a pixel."""
MAX_SIDE = 65_500

_ORIENTATION_TAG = 0x0112
_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
# What Pillow's decoders raise on hostile bytes; found by fuzzing.
_BROKEN = (OSError, SyntaxError, ValueError, EOFError, IndexError, KeyError, TypeError, OverflowError,
           AttributeError, RuntimeError, MemoryError)


@dataclass(frozen=True)
class Header:
    """What a picture's first bytes tell: (width, height) after EXIF rotation, whether it has an alpha channel, and whether it has
    several frames."""

    size: Size
    has_alpha: bool
    moves: bool = False


def read_header(path: Path, name: str) -> Header:
    """Size and alpha from the header alone; `name` is what errors show. Raises DatasetError."""
    with _opened(path, name) as image:
        width, height = image.size
        size = (height, width) if _orientation(image) >= 5 else (width, height)
        alpha = "A" in image.getbands() or "a" in image.getbands() or "transparency" in image.info
        return Header(size, alpha, image.format in ANIMATED and bool(getattr(image, "is_animated", False)))


def decoded(path: Path, name: str, at_least: int | None = None) -> np.ndarray:
    """(h, w, 4) uint8 RGBA, EXIF rotation applied; a JPEG may come reduced to no less than `at_least` pixels a side.

    Raises DatasetError.
    """
    with _refusing_truncated(), _opened(path, name) as image:
        if at_least:
            image.draft(None, (at_least, at_least))
        return _upright(image)


def frames_of(path: Path, name: str) -> Iterator[tuple[int, np.ndarray]]:
    """(milliseconds that it is shown, (h, w, 4) uint8 RGBA) of each frame of an animated picture. Raises DatasetError."""
    with _refusing_truncated(), _opened(path, name) as image:
        for number in range(getattr(image, "n_frames", 1)):
            image.seek(number)
            pixels = _upright(image)
            yield int(image.info.get("duration") or 0), pixels


def failure(name: str, what: str, do: str) -> DatasetError:
    """The error that says what is wrong with the file `name`, and what to do."""
    return DatasetError(WHERE, [f"{name}: {what}. {do}"])


def too_large(name: str, size: str) -> DatasetError:
    """The error for a file that claims more pixels than are read."""
    return failure(name, f"claims {size}; {MAX_PIXELS:,} pixels are allowed, {MAX_SIDE:,} a side", "Scale it down.")


@contextmanager
def _opened(path: Path, name: str) -> Iterator[Image.Image]:
    """The file as a Pillow image whose size is known to be sane; every failure inside becomes a DatasetError."""
    try:
        formats = plugins.readable(FORMATS)
        if plugins.JPEG_XL.is_ready and (claimed := claimed_size(path)):
            _require_sane(name, *claimed)
        with Image.open(path, formats=formats) as image:
            _require_sane(name, *image.size)
            yield image
    except DatasetError:
        raise
    except Image.DecompressionBombError as error:
        raise too_large(name, "a size that Pillow takes for an attack") from error
    except Image.UnidentifiedImageError as error:
        if missing := plugins.missing_for(path):
            what, do = f"is {missing.name}, which Pillow reads with a plugin only", f"Run: {missing.install_line}"
        else:
            what = "is not a PNG, JPEG, WebP, BMP, GIF, AVIF, HEIC or JPEG XL picture, or is damaged at its start"
            do = "Save it again from an image editor, or remove it."
        raise failure(name, what, do) from error
    except FileNotFoundError as error:
        raise failure(name, "is gone", "Run the graph again: the folder has changed.") from error
    except _BROKEN as error:
        raise failure(name, f"is damaged ({error})", "Save it again from an image editor, or remove it.") from error


def _upright(image: Image.Image) -> np.ndarray:
    turn = _TURNS.get(_orientation(image))
    image.load()
    rgba = _to_rgba(image)
    return np.asarray(rgba if turn is None else rgba.transpose(turn))


def _require_sane(name: str, width: int, height: int) -> None:
    if width * height > MAX_PIXELS or max(width, height) > MAX_SIDE:
        raise too_large(name, f"{width} x {height} pixels")
    if width < 1 or height < 1:
        raise failure(name, f"claims {width} x {height} pixels", "Remove it or replace it.")


def _orientation(image: Image.Image) -> int:
    """The EXIF orientation 1..8; 1 where it is missing or unreadable. Never decodes pixels."""
    if image.format == plugins.JPEG_XL.format and not getattr(image, "jpeg", False):
        return 1  # its own header turns it while it is decoded; a JPEG that was packed as it is comes out unturned
    if image.format == "PNG" and not {"exif", "Raw profile type exif"} & set(image.info):
        return 1  # Pillow would decode the whole PNG to look for a chunk behind the pixels
    try:
        value = image.getexif().get(_ORIENTATION_TAG, 1)
    except _BROKEN:
        return 1
    return value if value in _TURNS else 1


_lock = threading.Lock()
_users = 0
_theirs = False


@contextmanager
def _refusing_truncated() -> Iterator[None]:
    """While inside, Pillow raises on truncated data.

    ComfyUI and many packs set Pillow's process-wide LOAD_TRUNCATED_IMAGES, which fills what is missing with grey.
    The switch has no narrower scope, so it is counted over our threads and given back when the last one leaves.
    """
    global _users, _theirs
    with _lock:
        if _users == 0:
            _theirs, ImageFile.LOAD_TRUNCATED_IMAGES = ImageFile.LOAD_TRUNCATED_IMAGES, False
        _users += 1
    try:
        yield
    finally:
        with _lock:
            _users -= 1
            if _users == 0:
                ImageFile.LOAD_TRUNCATED_IMAGES = _theirs


def _to_rgba(image: Image.Image) -> Image.Image:
    """8-bit sRGB with alpha, from any mode: 16-bit is scaled (Pillow alone would clip), ICC profiles are applied."""
    if image.mode.startswith("I"):
        values = np.asarray(image).astype(np.float64)
        return Image.fromarray((values / 257 + 0.5).clip(0, 255).astype(np.uint8)).convert("RGBA")
    icc = image.info.get("icc_profile")
    if image.mode in ("RGB", "CMYK") and "transparency" not in image.info:
        return _to_srgb(image, icc).convert("RGBA")
    if image.mode not in ("RGB", "RGBA", "RGBa", "L", "LA", "La", "P", "PA", "1"):
        return image.convert("RGB").convert("RGBA")
    rgba = image.convert("RGBA")
    if icc and image.mode in ("RGB", "RGBA"):
        alpha = rgba.getchannel("A")
        rgba = _to_srgb(rgba.convert("RGB"), icc)
        rgba.putalpha(alpha)
    return rgba


def _to_srgb(image: Image.Image, icc: bytes | None) -> Image.Image:
    """The picture's colours as sRGB; a phone's Display P3 or a print's CMYK would look dull or garish otherwise."""
    if icc:
        from PIL import ImageCms  # loads a library of its own

        try:
            profile = ImageCms.getOpenProfile(BytesIO(icc))
            if image.mode == "RGB" and "srgb" in ImageCms.getProfileDescription(profile).lower():
                return image
            return ImageCms.profileToProfile(image, profile, ImageCms.createProfile("sRGB"), outputMode="RGB") or image
        except (ImageCms.PyCMSError, OSError, ValueError):
            pass  # a broken profile: plain conversion, as every viewer does
    return image.convert("RGB")
