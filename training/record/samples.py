"""Preview pictures as PNG files that ComfyUI opens again: drop one on the canvas and its graph is back."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import partial
from io import BytesIO
from pathlib import Path
from typing import Any

import torch
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from ..errors import Contained
from ..events import Event, PreviewReady
from ..files.atomic import write_bytes
from .records import SAMPLES_FOLDER, THUMBNAILS_FOLDER, sample_file, thumbnail_file

_THUMBNAIL_SIDE = 384


def to_picture(image: torch.Tensor) -> Image.Image:
    """(H, W, 3) floats in 0..1 as an 8-bit picture, rounded as ComfyUI's SaveImage does."""
    pixels = (255.0 * image.detach().float().cpu()).clamp(0, 255).to(torch.uint8)
    return Image.fromarray(pixels.numpy())


def write_picture(path: Path, picture: Image.Image, **how: Any) -> None:
    """Replace the file at `path`; `how` is what Pillow's save takes. Raises DiskError."""
    buffer = BytesIO()
    picture.save(buffer, **how)
    write_bytes(path, buffer.getvalue())


class SampleFiles:
    """Writes every preview picture to samples/ with a small copy for the panel's gallery.

    `metadata` is what ComfyUI stores in its own pictures: {"prompt": ..., "workflow": ...}, JSON-ready.
    """

    name = "preview pictures"
    critical = False

    def __init__(self, folder: Path, metadata: Mapping[str, Any] | None = None):
        self._folder = folder
        self._metadata = dict(metadata or {})

    def __call__(self, event: Event) -> None:
        if not isinstance(event, PreviewReady):
            return
        failures = []
        for index, (image, prompt, seed) in enumerate(zip(event.pictures(), event.prompts, event.seeds)):
            name = sample_file(event.step, index)
            picture = to_picture(image)
            about = {"run": self._folder.name, "step": event.step, "prompt": prompt, "seed": seed}
            for save in (partial(self._save, about=about), self._save_small):
                with Contained() as trouble:  # the other pictures may go well
                    save(picture, name)
                failures += [trouble.error] if trouble.error else []
        if failures:
            raise failures[0]

    def _save(self, picture: Image.Image, name: str, about: Mapping[str, Any]) -> None:
        info = PngInfo()
        for key, value in {**self._metadata, "lora_canvas": about}.items():
            info.add_text(key, json.dumps(value))
        write_picture(self._folder / SAMPLES_FOLDER / name, picture, format="PNG", pnginfo=info, compress_level=4)

    def _save_small(self, picture: Image.Image, name: str) -> None:
        small = picture.copy()
        small.thumbnail((_THUMBNAIL_SIDE, _THUMBNAIL_SIDE), Image.Resampling.LANCZOS)
        write_picture(self._folder / THUMBNAILS_FOLDER / thumbnail_file(name), small, format="JPEG", quality=88)
