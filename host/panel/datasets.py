"""Data sets that a page has open: found by the node of a prompt, as a run of it would find them, and kept while they are edited."""

from __future__ import annotations

import inspect
import secrets
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module
from typing import Any

from ...training.data.dataset import Dataset
from ...training.data.editing.album import Album
from ...training.data.editing.files import History
from .request_guard import Refused

NODE = "LoRACanvasLoadDataset"
MOST_OPEN = 8
_MOST_NODES = 20


@dataclass(frozen=True)
class Opened:
    """A data set by the name that its page calls it by."""

    key: str
    album: Album
    dataset: Dataset


class Datasets:
    """The ones that were opened last. A folder's history stays as long as the folder is among them, whoever opens it again."""

    def __init__(self) -> None:
        self._open: dict[str, tuple[Opened, History, str]] = {}
        self._lock = threading.Lock()

    def open(self, prompt: Mapping[str, Any], node: str) -> Opened:
        """Raises Refused and TrainingError for what cannot be opened."""
        inputs = _inputs(prompt, node)
        if wired := [name for name, value in inputs.items() if _is_link(value)]:
            raise Refused(400, f"{', '.join(wired)} of Load Dataset is wired, so what it will be is known once the graph runs. Type it "
                               "into the node to see and edit the data set.")
        kind = import_module("nodes").NODE_CLASS_MAPPINGS[NODE]
        try:
            inspect.signature(kind.foreseen).bind(**inputs, with_left_out=True)
        except TypeError:
            raise Refused(400, "the node has not all widgets of Load Dataset. Load the page again.") from None
        dataset = kind.foreseen(**inputs, with_left_out=True)
        dataset = _as_trained(prompt, node, dataset)
        folders = repr(sorted({str(sample.picture.file.parent) for sample in dataset.samples if sample.picture.file})[:1])
        with self._lock:
            history = next((history for _, history, of in self._open.values() if of == folders), None) or History()
        album = Album(dataset, extension=inputs["caption_extension"], captions_from=inputs.get("captions_from", "auto"), history=history)
        opened = Opened(secrets.token_hex(8), album, dataset)
        with self._lock:
            self._open[opened.key] = (opened, history, folders)
            while len(self._open) > MOST_OPEN:
                self._open.pop(next(iter(self._open)))
        return opened

    def find(self, key: str) -> Opened:
        """Raises Refused (410) where it is open no more: the page then opens it again."""
        with self._lock:
            if key not in self._open:
                raise Refused(410, "this data set is open no more. Open it again from its Load Dataset node.")
            entry = self._open.pop(key)
            self._open[key] = entry
            return entry[0]


DATASETS = Datasets()


def _inputs(prompt: Mapping[str, Any], node: str) -> dict[str, Any]:
    each = prompt.get(node)
    inputs = each.get("inputs") if isinstance(each, Mapping) else None
    if not isinstance(inputs, Mapping) or not isinstance(each, Mapping) or each.get("class_type") != NODE:
        raise Refused(400, f"node {node!r} is no Load Dataset node of the prompt")
    return dict(inputs)


def _as_trained(prompt: Mapping[str, Any], node: str, dataset: Dataset) -> Dataset:
    """As the nodes behind make it, as far as they know that without running: Bucket Config its buckets."""
    mappings = import_module("nodes").NODE_CLASS_MAPPINGS
    for _ in range(_MOST_NODES):
        behind = [(key, each) for key, each in prompt.items() if isinstance(each, Mapping) and isinstance(each.get("inputs"), Mapping)
                  and each["inputs"].get("dataset") == [node, 0]]
        each = next(((key, one) for key, one in behind if hasattr(mappings.get(str(one.get("class_type"))), "foreseen")), None)
        if each is None:
            return dataset
        node, one = each
        others = {name: value for name, value in one["inputs"].items() if name != "dataset"}
        if any(map(_is_link, others.values())):
            return dataset
        dataset = mappings[one["class_type"]].foreseen(dataset=dataset, **others)
    return dataset


def _is_link(value: Any) -> bool:
    return isinstance(value, list) and len(value) == 2 and isinstance(value[0], str)
