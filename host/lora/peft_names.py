"""What diffusers calls the modules of a model: from the maps by which ComfyUI reads diffusers' own LoRAs, and from the family where
it has none."""

from __future__ import annotations

from collections.abc import Sequence

import comfy.utils

from ...training.families import Family
from ...training.lora_file.peft import Rows
from ...training.parts import DIFFUSION_MODEL, Trainable
from ..model.family import family_of
from .patches import known_names

_PREFIXES = ("transformer.", "text_encoder.", "text_encoder_2.")


def peft_rows(patcher, clip, parts: Sequence[Trainable]) -> dict[str, list[Rows]]:
    """File key -> its modules in diffusers. Modules that diffusers does not have, or holds in another order, are left out."""
    by_weight = _unet(patcher)
    family = family_of(patcher)
    for part in parts:
        if part.name == DIFFUSION_MODEL and family.in_diffusers:
            by_weight |= _of_family(family, part)
    for name, target in known_names(patcher, clip).items():
        if name.startswith(_PREFIXES) and not (family.in_diffusers and name.startswith("transformer.")):
            _add(by_weight, name, target)
    keys = {f"{part.name}.{path}.weight": key for part in parts for path, key in part.file_keys.items()}
    return {keys[weight]: rows for weight, rows in by_weight.items() if weight in keys}


def _of_family(family: Family, part: Trainable) -> dict[str, list[Rows]]:
    found = {}
    for path, op in part.ops:
        if names := family.diffusers_names(path):
            share = op.out_features // len(names)
            found[f"{part.name}.{path}.weight"] = [Rows(f"transformer.{name}", place * share, share) for place, name in enumerate(names)]
    return found


def _unet(patcher) -> dict[str, list[Rows]]:
    """ComfyUI knows SD's own LoRAs under older names; the models' own are in its checkpoint map."""
    names = comfy.utils.unet_to_diffusers(patcher.model.model_config.unet_config)
    return {
        f"diffusion_model.{native}": [Rows(f"unet.{name.removesuffix('.weight')}")]
        for name, native in names.items() if name.endswith(".weight")
    }


def _add(by_weight: dict[str, list[Rows]], name: str, target) -> None:
    if isinstance(target, str):
        rows = Rows(name)
    else:
        weight, place, *reordered = target
        if reordered or place is None or place[0] != 0:
            return
        target, rows = weight, Rows(name, place[1], place[2])
    found = by_weight.setdefault(target, [])
    # Newer ComfyUI knows further names for the same rows, as other trainers write them; diffusers' own comes first.
    if all((other.start, other.length) != (rows.start, rows.length) for other in found):
        found.append(rows)
