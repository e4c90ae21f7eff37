"""How much a file tells about the pictures it was trained on."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

EVERYTHING = "everything"
NO_NAMES = "no folder names"
MINIMUM = "minimum"
LEVELS = (EVERYTHING, NO_NAMES, MINIMUM)

#: What kohya's scripts write even with --no_metadata: without it programs cannot tell what the file is.
_ALWAYS = ("ss_v2", "ss_base_model_version", "ss_network_module", "ss_network_dim", "ss_network_alpha", "ss_network_args", "ss_output_name")
_FOLDERS = ("ss_dataset_dirs", "ss_reg_dataset_dirs", "ss_tag_frequency")


def at_level(metadata: Mapping[str, str], level: str) -> dict[str, str]:
    """`metadata` as the user wants it to be seen.

    'everything' is what was trained, with folder names and tags. 'no folder names' calls the folders 'dataset 1',
    'dataset 2', ...; tags stay. 'minimum' keeps what a program needs to load the file, and modelspec.
    """
    if level == MINIMUM:
        return {key: value for key, value in metadata.items() if key in _ALWAYS or key.startswith("modelspec.")}
    if level == NO_NAMES:
        return _without_names(metadata)
    return dict(metadata)


def _without_names(metadata: Mapping[str, str]) -> dict[str, str]:
    names: dict[str, str] = {}

    def renamed(folders: Mapping[str, Any]) -> dict[str, Any]:
        return {names.setdefault(name, f"dataset {len(names) + 1}"): value for name, value in folders.items()}

    cleaned = dict(metadata)
    for key in _FOLDERS:
        if key in cleaned:
            cleaned[key] = json.dumps(renamed(json.loads(cleaned[key])))
    datasets = json.loads(cleaned.get("ss_datasets", "[]"))
    for dataset in datasets:
        dataset["tag_frequency"] = renamed(dataset.get("tag_frequency", {}))
        for subset in dataset.get("subsets", []):
            subset["image_dir"] = next(iter(renamed({subset.get("image_dir", ""): None})))
    if datasets:
        cleaned["ss_datasets"] = json.dumps(datasets)
    return cleaned
