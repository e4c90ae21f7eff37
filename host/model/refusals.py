"""Models that ComfyUI can run but that pictures with captions cannot train: named before any work, with the reason."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ...training.errors import ModelError

Applies = Callable[[Any], bool]

_FROM_PICTURE = "turns a picture into frames or views, so it needs pairs of pictures"

def _always(model: Any) -> bool:
    return True


def _image_to_video(model: Any) -> bool:
    return bool(getattr(model, "image_to_video", False))


def _other_channels(model: Any) -> bool:
    """Wan: channels beside the latent's own are a first frame or a control track."""
    diffusion = model.diffusion_model
    return diffusion.patch_embedding.weight.shape[1] > model.latent_format.latent_channels


def _repaints(model: Any) -> bool:
    """CogVideoX: twice the latent's channels again are a video and its mask."""
    return model.diffusion_model.in_channels > 2 * model.latent_format.latent_channels


def _flux_control(model: Any) -> bool:
    """FLUX with as many channels again is Canny or Depth; with more it is Fill, which is trained on a blank picture."""
    config = model.model_config.unet_config
    return config["out_channels"] < config["in_channels"] <= 2 * config["out_channels"]


#: (why; whether it applies; classes in comfy.model_base, subclasses included). By name: not every version has all of them.
_REFUSED: tuple[tuple[str, Applies, str], ...] = (
    ("estimates depth or normals in one step, so it has no noise to be trained on", _always, "Lotus"),
    ("makes sound, not pictures", _always, "StableAudio1 StableAudio3 ACEStep ACEStep15 MiniMaxMusic3 YuE2"),
    ("makes 3D shapes, not pictures", _always, "Hunyuan3Dv2 Hunyuan3Dv2_1 Trellis2 TripoSplat"),
    ("looks at pictures and makes none", _always, "RT_DETR_v4 DepthAnything3 SAM3"),
    ("makes videos with their sound, which a folder of pictures does not have", _always, "LTXAV MiniMaxH3"),
    ("changes a picture by an instruction, so it needs a picture before and after for every caption", _always, "IP2P"),
    ("is stage B of Stable Cascade, which enlarges what stage C made. Train stage C", _always, "StableCascade_B"),
    ("makes a larger or finer picture from another one, so it needs pairs of pictures", _always,
     "SD_X4Upscaler SeedVR2 PiD HunyuanImage21Refiner HunyuanVideo15_SR_Distilled"),
    ("follows a motion, sound or camera track beside the text, which a folder of pictures does not have", _always,
     "WAN21_Vace WAN21_Camera WAN21_HuMo WAN22_S2V WAN22_Animate WAN_Animate2 WAN21_SCAIL WAN22_WanDancer"),
    ("repaints a part of a video, so it needs that video and its mask beside every caption", _repaints, "CogVideoX"),
    (_FROM_PICTURE, _always, "SVD_img2vid Stable_Zero123 HunyuanVideoI2V HunyuanVideoSkyreelsI2V WAN21_FlowRVS"),
    (_FROM_PICTURE, _image_to_video, "CosmosVideo CosmosPredict2 CogVideoX"),
    (_FROM_PICTURE, _other_channels, "WAN21"),
    ("is drawn over an edge or depth picture, so it needs one for every caption. Train plain FLUX: its LoRAs work on this model too",
     _flux_control, "Flux"),
)


def refusal(model: Any) -> str | None:
    """Why ComfyUI's model cannot be trained, as a sentence; None when it can."""
    names = {base.__name__ for base in type(model).__mro__}
    for reason, applies, kinds in _REFUSED:
        if names & set(kinds.split()) and applies(model):
            return f"this model ({type(model.model_config).__name__}) {reason}."
    return None


def require_trainable(patcher: Any) -> None:
    """Raises ModelError for a MODEL of these kinds."""
    reason = refusal(patcher.model)
    if reason is not None:
        raise ModelError("Train LoRA", [f"{reason} Load a model that makes pictures from text: SD, SDXL, FLUX and most others do."])
