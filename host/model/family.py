"""Which family a loaded model is, and what its modules are called in a LoRA file: the records of `training.families`, asked
with ComfyUI's own classes and maps of names."""

from __future__ import annotations

from dataclasses import replace

import comfy.lora
import comfy.utils
from torch import nn

from ...training.families import Family, recognised
from ...training.parts import DIFFUSION_MODEL

_WEIGHT = ".weight"


def family_of(patcher) -> Family:
    """The Family of a MODEL; 'other' for every model that has no file format of its own."""
    config = patcher.model.model_config
    family = recognised(_ancestry(patcher.model), _ancestry(config)).of_size(config.unet_config)
    if family.guidance_default is None and config.unet_config.get("guidance_embed"):
        # Distilled guidance is trained at 1, as in FLUX: ComfyUI's own value is one to sample with.
        return replace(family, guidance_default=1.0)
    return family


def variant_of(patcher) -> str | None:
    """The architecture of a MODEL that is a variant of its family, as the metadata call it."""
    ancestry = _ancestry(patcher.model.model_config)
    return next((architecture for name, architecture in family_of(patcher).variants if name in ancestry), None)


def diffusion_file_keys(patcher, family: Family) -> dict[str, str]:
    """Dotted path below diffusion_model -> key in the LoRA file, for every weight that ComfyUI can load one for."""
    known = comfy.lora.model_lora_keys_unet(patcher.model, {}).values()
    start = f"{DIFFUSION_MODEL}."
    weights = [name for name in known if isinstance(name, str) and name.startswith(start) and name.endswith(_WEIGHT)]
    paths = [_path(weight).removeprefix(start) for weight in weights]
    named = _diffusers_paths(patcher) if family.diffusers_paths else {}
    return {path: family.file_key(named.get(path, path)) for path in paths}


def _diffusers_paths(patcher) -> dict[str, str]:
    """Dotted path below diffusion_model -> diffusers' path of the same module."""
    names = comfy.utils.unet_to_diffusers(patcher.model.model_config.unet_config)
    return {_path(native): _path(name) for name, native in names.items() if name.endswith(_WEIGHT)}


def _path(weight: str) -> str:
    return weight.removesuffix(_WEIGHT)


def _ancestry(thing: object) -> list[str]:
    """The dotted names of its class and of what that derives from, nearest first."""
    return [f"{kind.__module__}.{kind.__qualname__}" for kind in type(thing).__mro__]


def text_encoders(clip, family: Family) -> list[tuple[str, nn.Module, dict[str, str]]]:
    """(name, module, dotted path -> file key) of each encoder that the family's LoRA files can hold."""
    known = comfy.lora.model_lora_keys_clip(clip.cond_stage_model, {})
    found = []
    for name, prefix in family.text_encoder_prefixes:
        module = getattr(clip.cond_stage_model, name, None)
        if module is None:
            continue
        keys = {
            _path(weight[len(name) + 1 :]): key
            for key, weight in known.items()
            if key.startswith(prefix + "_") and weight.startswith(name + ".")
        }
        found.append((name, module, keys))
    return found
