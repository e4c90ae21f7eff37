"""What a LoRA file says of itself: kohya's ss_* and Stability's modelspec.* entries, all strings.

Names and spellings are those that A1111, Forge, Civitai and LoRA managers read. No path is ever among them; folder names
are (`privacy` leaves them out).
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from datetime import datetime, timezone
from functools import cache
from typing import TYPE_CHECKING, Any

from .dataset_metadata import dataset_entries
from .modelspec import modelspec_entries
from .network_metadata import network_entries
from .objective_metadata import objective_entries
from .run_metadata import run_entries

if TYPE_CHECKING:
    from ..data.batches import BatchPlan
    from ..order import Order


def metadata_at(order: "Order", plan: "BatchPlan", settings: Mapping[str, Any]) -> Callable[[int], dict[str, str]]:
    """The metadata of the file saved after so many updates. No dates: the same run gives the same file, byte for byte; Save LoRA adds
    them (`dated`). What is the same after every update is reckoned once, when it is first asked for."""

    @cache
    def of_any_step() -> Mapping[str, Any]:
        return {
            **network_entries(order.recipe.network),
            **objective_entries(order.recipe.objective, order.denoiser.parametrisation, order.family, order.denoiser.own_shift),
            **dataset_entries(order.recipe.dataset, plan, order.recipe.run.batch_size),
            **modelspec_entries(order),
        }

    return lambda step: as_strings({**run_entries(order, plan, settings, step), **of_any_step()})


def as_strings(entries: Mapping[str, Any]) -> dict[str, str]:
    """Entries without a value are left out; a bool is True or False, as Python and kohya write it."""
    return {key: str(value) for key, value in entries.items() if value is not None and value != ""}


def dated(started_at: float | None = None) -> dict[str, str]:
    """When the run began (a Unix time) and when the file was made."""
    now = datetime.now(timezone.utc)
    finished = str(now.timestamp())
    started = finished if started_at is None else str(started_at)
    return {"ss_training_started_at": started, "ss_training_finished_at": finished, "modelspec.date": now.isoformat(timespec="seconds")}


def with_trigger_words(metadata: Mapping[str, str], words: str) -> dict[str, str]:
    """modelspec.trigger_phrase, and the class_tokens of kohya's subsets that have none of their own (LoRA managers read
    those). Without `words` the metadata stays as it is."""
    words = words.strip()
    if not words:
        return dict(metadata)
    told = {**metadata, "modelspec.trigger_phrase": words}
    datasets = json.loads(told.get("ss_datasets", "[]"))
    for dataset in datasets:
        for subset in dataset.get("subsets", []):
            subset["class_tokens"] = subset.get("class_tokens") or words
    if datasets:
        told["ss_datasets"] = json.dumps(datasets)
    return told
