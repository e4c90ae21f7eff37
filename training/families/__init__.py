"""Model families as data: what differs between SD1.5, SDXL, FLUX and the rest, one file a family.

A file of this folder that has a FAMILY is a family; nothing else lists them.

    base         the record, and the ways of naming in it
    unet         the words that SD's UNets share
    sd15         Stable Diffusion 1.x
    sd2          Stable Diffusion 2.x
    sdxl         Stable Diffusion XL and what is made from it
    flux         FLUX.1
    flux2        FLUX.2 dev and Klein
    z_image      Z-Image and its Turbo
    qwen_image   Qwen-Image
    krea2        Krea 2
    anima        Anima
    wan          Wan 2.1 and 2.2
    other        every model that has no file format of its own
"""

from __future__ import annotations

from collections.abc import Sequence
from importlib import import_module
from pkgutil import iter_modules

from .base import CLIP_BLOCKS, Family

__all__ = ["CLIP_BLOCKS", "FAMILIES", "Family", "recognised"]


def collected() -> dict[str, Family]:
    """Name -> every family that has a file here."""
    files = [import_module(f"{__name__}.{file.name}") for file in iter_modules(__path__)]
    return {file.FAMILY.name: file.FAMILY for file in files if hasattr(file, "FAMILY")}


FAMILIES = collected()


def recognised(*ancestries: Sequence[str]) -> Family:
    """The family of a model: of all, the one whose class stands nearest in an ancestry, the dotted names of a class and of
    what it derives from (of the model, and of its configuration); 'other' when there is none."""
    near = [(steps, name) for name, family in FAMILIES.items() for line in ancestries if (steps := family.distance(line)) is not None]
    return FAMILIES[min(near)[1] if near else "other"]
