"""HEIC, JPEG XL and (before Pillow 11.3) AVIF: read where Pillow's plugin is installed. None of them is required.

A plugin is imported when the first picture is opened; it then serves every user of Pillow in this process, as plugins do.
"""

from __future__ import annotations

import importlib
import logging
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from PIL import Image

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Plugin:
    """`format` is what Pillow calls it. Importing `module` adds it to Pillow, or calling its `register` does."""

    name: str
    endings: tuple[str, ...]
    format: str
    module: str
    package: str
    register: str = ""

    @property
    def is_ready(self) -> bool:
        """Whether Pillow can read the format here."""
        return self in _ready()

    @property
    def install_line(self) -> str:
        return f"python -m pip install {self.package}"


HEIC = Plugin("HEIC", (".heic", ".heif", ".hif"), "HEIF", "pillow_heif", "pillow-heif", "register_heif_opener")
JPEG_XL = Plugin("JPEG XL", (".jxl",), "JXL", "pillow_jxl", "pillow-jxl-plugin")
AVIF = Plugin("AVIF", (".avif",), "AVIF", "pillow_avif", "pillow-avif-plugin")
PLUGINS = (HEIC, JPEG_XL, AVIF)
FORMATS = tuple(plugin.format for plugin in PLUGINS)
EXTENSIONS = tuple(ending for plugin in PLUGINS for ending in plugin.endings)


def readable(formats: tuple[str, ...]) -> list[str]:
    """Those of Pillow's formats that it can read here, plugins included."""
    _ready()
    return [known for known in formats if known in Image.OPEN]


def missing_for(path: Path) -> Plugin | None:
    """The plugin that a file of this ending needs and that is not there."""
    return next((plugin for plugin in PLUGINS if path.suffix.lower() in plugin.endings and not plugin.is_ready), None)


@cache
def _ready() -> frozenset[Plugin]:
    """The plugins whose format Pillow reads by now; asked once, since an installation needs a restart of ComfyUI anyway."""
    Image.init()
    for plugin in PLUGINS:
        if plugin.format in Image.OPEN:
            continue
        try:
            module = importlib.import_module(plugin.module)
            if plugin.register:
                getattr(module, plugin.register)()
        except ImportError:
            continue
        except (OSError, AttributeError, RuntimeError) as error:
            log.warning("Pillow's plugin %s is installed but does not work (%s)", plugin.package, error)
    return frozenset(plugin for plugin in PLUGINS if plugin.format in Image.OPEN)
