"""What a Train LoRA node has trained last, for when it is called again with the same content.

ComfyUI runs a node again when one before it always runs (one that reads a text, one that chooses a folder), whatever that one gives. What
is trained follows from the models, the pictures and captions, and every setting.
"""

from __future__ import annotations

import hashlib
import json
import weakref
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch

from ..training.data.conditions import digest, digest_of_tensors
from ..training.data.dataset import Dataset, Picture, Sample
from ..training.errors import DatasetError
from ..training.lora_file.file import TrainedLora, read_lora
from ..training.settings import describe
from ..training.specs import AUTO
from .wiring import Wiring

_MOST = 8  # each keeps its last pictures


@dataclass(frozen=True, kw_only=True)
class Past:
    """A run that has ended, without its tensors: they are read from its file, for as long as that is what it was. `models` are
    what was connected, as long as it is there."""

    content: str
    models: Sequence[weakref.ref | None]
    folder: Path
    lora_path: Path
    stamp: tuple[int, int] | None
    about_lora: Mapping[str, Any]
    losses: list[float]
    loss_plot: torch.Tensor | None
    samples: torch.Tensor | None
    reason: str
    step: int

    @classmethod
    def of(cls, wiring: Wiring, content: str, lora: TrainedLora, lora_path: Path, **left: Any) -> Past:
        return cls(content=content, models=_models(wiring), lora_path=lora_path, stamp=_stamp(lora_path), about_lora=vars(lora), **left)

    def lora(self) -> TrainedLora:
        lora = TrainedLora(read_lora(self.lora_path), self.about_lora["metadata"])
        vars(lora).update(self.about_lora)
        return lora


class Pasts:
    """The last run of each of the last nodes on the canvas."""

    def __init__(self) -> None:
        self._runs: dict[str, Past] = {}

    def find(self, wiring: Wiring, content: str) -> Past | None:
        past = self._runs.get(wiring.node_id)
        if past is None or wiring.recipe.run.resumes != AUTO or (past.content, past.models) != (content, _models(wiring)):
            return None
        return past if past.stamp and _stamp(past.lora_path) == past.stamp else None

    def keep(self, wiring: Wiring, past: Past) -> None:
        self._runs.pop(wiring.node_id, None)
        alive = [(node, other) for node, other in self._runs.items() if all(model is None or model() is not None for model in other.models)]
        self._runs = {**dict(alive[1 - _MOST :]), wiring.node_id: past}


PASTS = Pasts()


def _stamp(path: Path) -> tuple[int, int] | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size


def _models(wiring: Wiring) -> list[weakref.ref | None]:
    return [None if model is None else weakref.ref(model) for model in (wiring.model, wiring.clip, wiring.vae)]


def content_of(wiring: Wiring) -> str:
    """A digest of all beside the models that a run's result follows from; to be taken before the run, which may last for days."""
    recipe = wiring.recipe
    shown = recipe.preview.sampling.references if recipe.preview else ()
    specs = {name: describe(getattr(recipe, name)) for name in ("network", "optimizer", "objective", "preview")}
    specs["run"] = describe(replace(recipe.run, resume=AUTO))
    references = digest_of_tensors({str(i): picture for i, picture in enumerate(shown)})
    parts = json.dumps(specs, default=str), references, _of(recipe.dataset)
    return hashlib.sha256(repr(parts).encode()).hexdigest()


def _of(dataset: Dataset) -> tuple:
    return [_of_sample(sample) for sample in dataset.samples], dataset.problems, sorted(dataset.facts.items())


def _of_sample(sample: Sample) -> tuple:
    """The digests of its pictures in the place of where they lie."""
    mask = _of_picture(sample.mask) if sample.mask else None
    condition = digest(sample.condition) if sample.condition else None
    references = [_of_picture(reference) for reference in sample.references]
    return replace(sample, picture=None, mask=None, references=()), _of_picture(sample.picture), mask, references, condition


def _of_picture(picture: Picture) -> str:
    try:
        return picture.digest()
    except DatasetError as error:  # one that may be skipped
        return str(error)
