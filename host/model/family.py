"""Which family a loaded model is, and what its modules are called in a LoRA file."""

from __future__ import annotations

from dataclasses import replace

import comfy.lora
import comfy.model_base as model_base
import comfy.supported_models as supported
import comfy.utils
from torch import nn

from ...training.families import FAMILIES, Family


def family_of(patcher) -> Family:
    """The Family of a MODEL; 'other' for every model that has no file format of its own."""
    model = patcher.model
    config = model.model_config
    if isinstance(model, model_base.SDXL):
        return FAMILIES["sdxl"]
    if isinstance(config, supported.SD20):
        return FAMILIES["sd2"]
    if isinstance(config, supported.SD15):
        return FAMILIES["sd15"]
    if type(model) is model_base.Flux:
        return FAMILIES["flux"]
    if config.unet_config.get("guidance_embed"):
        # Distilled guidance is trained at 1, as in FLUX: ComfyUI's own value is one to sample with.
        return replace(FAMILIES["other"], guidance_default=1.0)
    return FAMILIES["other"]


def diffusion_file_keys(patcher, family: Family) -> dict[str, str]:
    """Dotted path below diffusion_model -> key in the LoRA file, for every weight that ComfyUI can load one for."""
    prefix = "diffusion_model."
    if family.file_keys == "diffusers":
        names = comfy.utils.unet_to_diffusers(patcher.model.model_config.unet_config)
        to_native = {
            "lora_unet_" + name[: -len(".weight")].replace(".", "_"): native[: -len(".weight")]
            for name, native in names.items()
            if name.endswith(".weight")
        }
        diffusers = {native: key for key, native in to_native.items()}
    else:
        diffusers = {}
    keys = {}
    for weight in comfy.lora.model_lora_keys_unet(patcher.model, {}).values():
        if not isinstance(weight, str) or not weight.startswith(prefix) or not weight.endswith(".weight"):
            continue
        path = weight[len(prefix) : -len(".weight")]
        keys[path] = _key(path, family, diffusers)
    return keys


def _key(path: str, family: Family, diffusers: dict[str, str]) -> str:
    if family.file_keys == "dotted":
        return f"diffusion_model.{path}"
    return diffusers.get(path, "lora_unet_" + path.replace(".", "_"))


def text_encoders(clip, family: Family) -> list[tuple[str, nn.Module, dict[str, str]]]:
    """(name, module, dotted path -> file key) of each encoder that the family's LoRA files can hold."""
    known = comfy.lora.model_lora_keys_clip(clip.cond_stage_model, {})
    found = []
    for name, prefix in family.text_encoder_prefixes:
        module = getattr(clip.cond_stage_model, name, None)
        if module is None:
            continue
        keys = {
            weight[len(name) + 1 : -len(".weight")]: key
            for key, weight in known.items()
            if key.startswith(prefix + "_") and weight.startswith(name + ".")
        }
        found.append((name, module, keys))
    return found
