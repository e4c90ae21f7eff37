"""Models that ComfyUI can run but that pictures with captions cannot train: named before any work, with the reason."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ...training.errors import ModelError

Applies = Callable[[Any], bool]

_AUDIO = "makes sound, not pictures"
_3D = "makes 3D shapes, not pictures"
_FROM_PICTURE = "turns a picture into frames or views, so it needs pairs of pictures"
_EDIT = "changes a picture by an instruction, so it needs a picture before and after for every caption"
_LARGER = "makes a larger or finer picture from another one, so it needs pairs of pictures"
_DRIVEN = "follows a motion, sound or camera track beside the text, which a folder of pictures does not have"


def _always(model: Any) -> bool:
    return True


def _image_to_video(model: Any) -> bool:
    return bool(getattr(model, "image_to_video", False))


def _other_channels(model: Any) -> bool:
    """Wan: channels beside the latent's own are a first frame or a control track."""
    diffusion = model.diffusion_model
    return diffusion.patch_embedding.weight.shape[1] > model.latent_format.latent_channels


def _flux_control(model: Any) -> bool:
    """FLUX with as many channels again is Canny or Depth; with more it is Fill, which is trained on a blank picture."""
    config = model.model_config.unet_config
    return config["out_channels"] < config["in_channels"] <= 2 * config["out_channels"]


#: (class in comfy.model_base, subclasses included; whether it applies; why). By name: not every version has all of them.
_REFUSED: tuple[tuple[str, Applies, str], ...] = (
    ("Lotus", _always, "estimates depth or normals in one step, so it has no noise to be trained on"),
    ("StableAudio1", _always, _AUDIO),
    ("ACEStep", _always, _AUDIO),
    ("ACEStep15", _always, _AUDIO),
    ("Hunyuan3Dv2", _always, _3D),
    ("Hunyuan3Dv2_1", _always, _3D),
    ("SVD_img2vid", _always, _FROM_PICTURE),
    ("Stable_Zero123", _always, _FROM_PICTURE),
    ("SD_X4Upscaler", _always, _LARGER),
    ("IP2P", _always, _EDIT),
    ("StableCascade_B", _always, "is stage B of Stable Cascade, which enlarges what stage C made. Train stage C"),
    ("HunyuanVideoI2V", _always, _FROM_PICTURE),
    ("HunyuanVideoSkyreelsI2V", _always, _FROM_PICTURE),
    ("HunyuanImage21Refiner", _always, _LARGER),
    ("HunyuanVideo15_SR_Distilled", _always, _LARGER),
    ("CosmosVideo", _image_to_video, _FROM_PICTURE),
    ("CosmosPredict2", _image_to_video, _FROM_PICTURE),
    ("WAN21_Vace", _always, _DRIVEN),
    ("WAN21_Camera", _always, _DRIVEN),
    ("WAN21_HuMo", _always, _DRIVEN),
    ("WAN22_S2V", _always, _DRIVEN),
    ("WAN22_Animate", _always, _DRIVEN),
    ("WAN21_SCAIL", _always, _DRIVEN),
    ("WAN21_FlowRVS", _always, _FROM_PICTURE),
    ("WAN21", _other_channels, _FROM_PICTURE),
    ("LTXV", _always, "is a video model that writes into its own activations, which would make gradients silently wrong"),
    ("LTXAV", _always, "makes videos with their sound, which a folder of pictures does not have"),
    ("Flux", _flux_control, "is drawn over an edge or depth picture, so it needs one for every caption. Train plain FLUX: its "
                            "LoRAs work on this model too"),
)


def refusal(model: Any) -> str | None:
    """Why ComfyUI's model cannot be trained, as a sentence; None when it can."""
    names = {base.__name__ for base in type(model).__mro__}
    for name, applies, reason in _REFUSED:
        if name in names and applies(model):
            return f"this model ({type(model.model_config).__name__}) {reason}."
    return None


def require_trainable(patcher: Any) -> None:
    """Raises ModelError for a MODEL of these kinds."""
    reason = refusal(patcher.model)
    if reason is not None:
        raise ModelError("Train LoRA", [f"{reason} Load a model that makes pictures from text: SD, SDXL, FLUX and most others do."])
