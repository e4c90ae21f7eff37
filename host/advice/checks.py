"""What can be known to be wrong before any work starts: all of it, at once."""

from __future__ import annotations

import re
from pathlib import Path

from ...training.data.dataset import Dataset
from ...training.data.texts import TextCache
from ...training.devices.determinism import WORKSPACE, is_repeatable
from ...training.errors import ModelError, raise_problems
from ...training.objective.spec import ObjectiveSpec
from ...training.specs import RunSpec
from ..lend.smoothing import smoothed_layers
from ..model.conditions import unused
from ..model.family import family_of
from ..model.refusals import require_trainable
from ..model.space import space_of
from ..model.text import ComfyTextEncoder

SMALLEST_SHARE = 0.6
_WIDTHS: dict[str, int] = {}

#: Where Wan 2.2 changes from its high-noise model to the other, text to video and image to video.
BOUNDARY, IMAGE_BOUNDARY = 0.875, 0.9
_HALF = re.compile(r"(high|low)[ _-]?noise", re.IGNORECASE)


def check_parts(model, vae, clip, texts: Path | None = None) -> None:
    """`texts` is the folder in which captions are cached, None where they are not. Raises ModelError for a MODEL that cannot be trained,
    and for a MODEL, VAE and CLIP that cannot work together."""
    require_trainable(model)
    space_of(model)
    problems = []
    latent = model.get_model_object("latent_format")
    if vae.latent_channels != latent.latent_channels:
        problems.append(
            f"the VAE makes latents of {vae.latent_channels} channels, but the model works on {latent.latent_channels}: they do not "
            "belong together. Connect the VAE output of the checkpoint that the MODEL comes from."
        )
    if clip is None:
        problems.append("no CLIP is connected, but captions need one. Connect the CLIP output of the checkpoint or of a CLIP loader.")
    else:
        problems += _clip_problems(model, clip, texts)
    raise_problems(ModelError, "Train LoRA", problems)


def repeatability_problems(model, run: RunSpec) -> list[str]:
    """Why the card cannot be had to compute the same every time, where that is asked for."""
    if not run.deterministic or is_repeatable(model.load_device):
        return []
    return [
        f"deterministic is on, but ComfyUI has already multiplied on the card without {WORKSPACE}, which cuBLAS reads once. Start ComfyUI "
        "with --deterministic, or queue this run as the first thing after a start, or switch deterministic off."
    ]


def warnings_about(model, dataset: Dataset, clip=None) -> list[str]:
    """What works but is rarely meant for this model, and what of the graph training does not heed."""
    family = family_of(model)
    found = [text for text in (space_of(model).previews,) if text]
    moves = any(sample.picture.frames > 1 for sample in dataset.samples)  # videos are trained smaller than pictures everywhere
    for side in () if moves else sorted({round(area_side(area)) for area in dataset.buckets.areas()}):
        if side < SMALLEST_SHARE * family.resolution:
            found.append(
                f"the pictures are trained at about {side} x {side} pixels, but {family.title} was made for {family.resolution}: the LoRA "
                f"will know little of detail. Set resolution to {family.resolution} on the Bucket Config node, or to "
                f"{family.resolution * 3 // 4} when memory is short."
            )
    if getattr(clip, "apply_hooks_to_conds", None):
        found.append("the CLIP carries hooks, which its conditions take along to the sampler; training does not use them. Connect the CLIP "
                     "as it was before Set CLIP Hooks, or apply the LoRA with a LoRA loader.")
    return found + _about_weights(model) + _about_conditions(model, dataset)


def _about_weights(model) -> list[str]:
    smoothed = smoothed_layers(model.model)
    if not smoothed:
        return []
    return [
        f"{len(smoothed)} layers of this checkpoint scale their input (pre_quant_scale), and ComfyUI adds a LoRA behind that scale: this "
        "one is trained for this very file and acts somewhat differently on the model that it was quantised from. Train on that one to "
        "share it."
    ]


def noise_level_warnings(name: str, objective: ObjectiveSpec) -> list[str]:
    """Where the file `name` is one half of a model of two, Wan 2.2's, but other noise levels than its own are trained."""
    half = _HALF.search(name)
    if half is None:
        return []
    low, high = objective.trained_range()
    is_high = half[1].lower() == "high"
    if low >= BOUNDARY - 0.03 if is_high else high <= IMAGE_BOUNDARY + 0.03:
        return []
    side, window = ("above", "min_timestep to 875") if is_high else ("below", "max_timestep to 875")
    piece = "high_sigmas" if is_high else "low_sigmas"
    return [
        f"{name} is the {half[1].lower()}-noise half of a model of two, made for noise levels {side} {BOUNDARY} ({IMAGE_BOUNDARY} for "
        f"image to video), but levels from {low:g} to {high:g} are trained on it. Connect the sigmas that you sample this half with to "
        f"Training Objective (Basic Scheduler -> Split Sigmas -> {piece}), or set {window} there."
    ]


def _about_conditions(model, dataset: Dataset) -> list[str]:
    """What conditions that the graph has encoded hold, where a run does not heed it or heeds it where it is rarely meant."""
    conditions = [sample.condition for sample in dataset.samples if sample.condition is not None]
    found = []
    left = unused(model.model, {name for condition in conditions for name in (*condition.tensors, *condition.values)})
    if left:
        family, names = family_of(model), ", ".join(left)
        found.append(
            f"the imported conditioning holds {names}, which training does not use: {family.title} does not take it in, or it only says "
            "where and when a prompt acts while sampling. Leave out the node that adds it, if you did not count on it."
        )
    usual = family_of(model).guidance_default
    told = {float(value) for condition in conditions if isinstance(value := condition.values.get("guidance"), (int, float))}
    if usual is not None and told - {usual}:
        found.append(
            f"the imported conditioning is trained at the guidance that it holds ({', '.join(f'{value:g}' for value in sorted(told))}); "
            f"LoRAs for this model are usually trained at {usual:g}. Set guidance on the Training Objective node to train at another one."
        )
    return found


def area_side(area: tuple[int, int]) -> float:
    """The side of the square with the same area."""
    return (area[0] * area[1]) ** 0.5


def _clip_problems(model, clip, texts: Path | None) -> list[str]:
    wanted = context_width(model)
    if wanted is None:
        return []
    width = _width(ComfyTextEncoder(clip), texts)
    if width == wanted:
        return []
    return [
        f"the CLIP gives conditions {width} wide, but {family_of(model).title} takes {wanted}: they do not belong together. "
        "Connect the CLIP output of the checkpoint that the MODEL comes from, or load the text encoders that this model needs."
    ]


def _width(encoder: ComfyTextEncoder, texts: Path | None) -> int:
    """Of an empty caption, which is encoded once: to ask would load a T5 again before every run."""
    if encoder.identity not in _WIDTHS:
        _WIDTHS[encoder.identity] = TextCache(encoder, texts).get("").tensors["cond"].shape[-1]
    return _WIDTHS[encoder.identity]


def context_width(model) -> int | None:
    """How wide a text condition the model takes; None where the configuration does not say."""
    config = model.model.model_config.unet_config
    for name in ("context_dim", "context_in_dim"):
        if isinstance(config.get(name), int):
            return config[name]
    return None
