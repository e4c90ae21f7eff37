"""Captioners that many people use: where they come from, and about how large they are."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from . import wd14

TAGGER, GENERATOR = "tagger", "generator"
GENERATOR_PATTERNS = ("*.json", "*.txt", "*.model", "*.jinja", "*.safetensors")
_CONFIG = "config.json"
_WHOLE = ("model.safetensors", "pytorch_model.bin")
_SHARDED = ("model.safetensors.index.json", "pytorch_model.bin.index.json")


@dataclass(frozen=True)
class Known:
    """A published model: its id on the model hub, its kind and about how many bytes are downloaded."""

    repo: str
    kind: str
    size: int

    @property
    def patterns(self) -> tuple[str, ...]:
        """The files that are needed."""
        return (wd14.MODEL_FILE, wd14.TAGS_FILE) if self.kind == TAGGER else GENERATOR_PATTERNS


_MB = 1_000_000
CATALOG: dict[str, Known] = {
    known.repo.partition("/")[2]: known
    for known in (
        Known("SmilingWolf/wd-eva02-large-tagger-v3", TAGGER, 1260 * _MB),
        Known("SmilingWolf/wd-vit-large-tagger-v3", TAGGER, 1260 * _MB),
        Known("SmilingWolf/wd-swinv2-tagger-v3", TAGGER, 467 * _MB),
        Known("SmilingWolf/wd-convnext-tagger-v3", TAGGER, 395 * _MB),
        Known("SmilingWolf/wd-vit-tagger-v3", TAGGER, 379 * _MB),
        Known("SmilingWolf/wd-v1-4-moat-tagger-v2", TAGGER, 326 * _MB),
        Known("SmilingWolf/wd-v1-4-swinv2-tagger-v2", TAGGER, 455 * _MB),
        Known("SmilingWolf/wd-v1-4-convnextv2-tagger-v2", TAGGER, 388 * _MB),
        Known("SmilingWolf/wd-v1-4-convnext-tagger-v2", TAGGER, 388 * _MB),
        Known("SmilingWolf/wd-v1-4-vit-tagger-v2", TAGGER, 373 * _MB),
        Known("Qwen/Qwen3-VL-8B-Instruct", GENERATOR, 17_500 * _MB),
        Known("Qwen/Qwen3-VL-4B-Instruct", GENERATOR, 8_880 * _MB),
        Known("Qwen/Qwen3-VL-2B-Instruct", GENERATOR, 4_260 * _MB),
        Known("fancyfeast/llama-joycaption-beta-one-hf-llava", GENERATOR, 17_000 * _MB),
        Known("florence-community/Florence-2-large-ft", GENERATOR, 1560 * _MB),
        Known("florence-community/Florence-2-base-ft", GENERATOR, 466 * _MB),
        Known("Salesforce/blip-image-captioning-large", GENERATOR, 1880 * _MB),
        Known("Salesforce/blip-image-captioning-base", GENERATOR, 990 * _MB),
    )
}


def kind_of(folder: Path) -> str | None:
    """TAGGER or GENERATOR when the folder holds a whole model; None while something is missing (`missing_files`)."""
    if not missing_files(folder, TAGGER):
        return TAGGER
    return None if missing_files(folder, GENERATOR) else GENERATOR


def missing_files(folder: Path, kind: str) -> list[str]:
    """What a model of this kind still lacks in the folder, by file name."""
    if kind == TAGGER:
        return [name for name in (wd14.MODEL_FILE, wd14.TAGS_FILE) if not (folder / name).is_file()]
    missing = [] if (folder / _CONFIG).is_file() else [_CONFIG]
    index = next((folder / name for name in _SHARDED if (folder / name).is_file()), None)
    if any((folder / name).is_file() for name in _WHOLE):
        return missing
    if index is None:
        return [*missing, _WHOLE[0]]
    return missing + [name for name in _shards(index) if not (folder / name).is_file()]


def _shards(index: Path) -> list[str]:
    """The files that an index of sharded weights names; a whole index where this one cannot be read."""
    try:
        return sorted({str(name) for name in json.loads(index.read_text(encoding="utf-8"))["weight_map"].values()})
    except (OSError, ValueError, KeyError, AttributeError, TypeError):
        return [f"{index.name} (whole)"]


def readable(size: int) -> str:
    """'1.26 GB', '467 MB'."""
    return f"{size / 1e9:.2f} GB" if size >= 1e9 else f"{max(1, round(size / 1e6))} MB"
