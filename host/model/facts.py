"""What is known of the models of a graph, for the metadata of the files: names and hashes of their files, CLIP-skip.

ComfyUI's MODEL does not remember its file. The prompt does: the way back along the `model` links ends at the loader.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import folder_paths

from .family import variant_of
from .hashes import legacy_hash

#: Widgets of loaders -> the folder that their files lie in.
_MODEL_WIDGETS = {"ckpt_name": "checkpoints", "unet_name": "diffusion_models"}
_VAE_WIDGETS = {"vae_name": "vae"}


def model_name(prompt: Mapping[str, Any] | None, node_id: str) -> str:
    """The file name of the checkpoint or diffusion model that the node's `model` input comes from; '' when not found."""
    found = _loader(prompt, node_id, "model", _MODEL_WIDGETS)
    return Path(found[0]).name if found else ""


def model_facts(prompt: Mapping[str, Any] | None, node_id: str, patcher, clip) -> dict[str, Any]:
    """hash, vae_name, vae_hash, clip_skip and architecture, as far as they are known."""
    model, vae = _loader(prompt, node_id, "model", _MODEL_WIDGETS), _loader(prompt, node_id, "vae", _VAE_WIDGETS)
    facts = {
        "hash": _hash_of(model),
        "vae_name": Path(vae[0]).name if vae else None,
        "vae_hash": _hash_of(vae),
        "clip_skip": _clip_skip(clip),
        "architecture": variant_of(patcher),
    }
    return {name: value for name, value in facts.items() if value is not None}


def model_files(prompt: Mapping[str, Any] | None, node_id: str) -> dict[str, Path]:
    """Metadata entry -> the file whose sha256 it holds, for the node's `model` and `vae`, where their loaders are found."""
    found = {
        "ss_new_sd_model_hash": _path_of(_loader(prompt, node_id, "model", _MODEL_WIDGETS)),
        "ss_new_vae_hash": _path_of(_loader(prompt, node_id, "vae", _VAE_WIDGETS)),
    }
    return {name: path for name, path in found.items() if path is not None}


def vae_file(prompt: Mapping[str, Any] | None, node_id: str) -> Path | None:
    """The file that the node's `vae` comes from, a checkpoint or a VAE alone, where its loader is found."""
    return _path_of(_loader(prompt, node_id, "vae", {**_VAE_WIDGETS, **_MODEL_WIDGETS}))


def files_of_model(prompt: Mapping[str, Any] | None, node_id: str) -> list[str]:
    """The names of all files that go into the node's `model`: LoRAs on the way, then the loader's."""
    return [
        Path(inputs[widget]).name
        for inputs in _way_back(prompt, node_id, "model")
        for widget in ("lora_name", *_MODEL_WIDGETS) if isinstance(inputs.get(widget), str)
    ]


def _loader(prompt: Mapping[str, Any] | None, node_id: str, kind: str, widgets: Mapping[str, str]) -> tuple[str, str] | None:
    """(file, folder) of the loader at the end of the `kind` links that lead to the node; None when there is none."""
    for inputs in _way_back(prompt, node_id, kind):
        for widget, folder in widgets.items():
            if isinstance(inputs.get(widget), str):
                return inputs[widget], folder
    return None


def _way_back(prompt: Mapping[str, Any] | None, node_id: str, kind: str) -> Iterator[Mapping[str, Any]]:
    """The inputs of the node, and of each one before it along the `kind` links."""
    seen: set[str] = set()
    while prompt and node_id in prompt and node_id not in seen:
        seen.add(node_id)
        inputs = prompt[node_id].get("inputs", {})
        yield inputs
        link = inputs.get(kind)
        if not isinstance(link, list):
            return
        node_id = str(link[0])


def _path_of(file: tuple[str, str] | None) -> Path | None:
    path = folder_paths.get_full_path(file[1], file[0]) if file else None
    return Path(path) if path else None


def _hash_of(file: tuple[str, str] | None) -> str | None:
    path = _path_of(file)
    return legacy_hash(path) if path else None


def _clip_skip(clip) -> int | None:
    """1 is the last layer; None when the encoder's own default is used."""
    layer = getattr(clip, "layer_idx", None)
    return -layer if isinstance(layer, int) and layer < 0 else None
