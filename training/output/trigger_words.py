"""The words that call what was trained, where managers look for them."""

from __future__ import annotations

import json
from collections.abc import Mapping


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
