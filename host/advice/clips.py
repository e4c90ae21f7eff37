"""Clips, a few frames as one sample, need a video model: what of a dataset fits the model and the VAE, before any work."""

from __future__ import annotations

from collections import Counter

from ...training.data.dataset import Dataset, Sample
from ...training.data.encoded import WHERE as IMPORT
from ...training.data.graph_images import WHERE as IMAGES
from ..model.family import family_of
from ..model.images import frames_taken, takes_clips

#: ComfyUI's configurations of models that make videos, with what derives from them; and those that derive from one but make
#: pictures. Others with a time axis (Qwen-Image, Anima, Krea 2) take one frame.
_VIDEO = {"WAN21_T2V", "HunyuanVideo", "CosmosT2V", "LTXV", "CogVideoX_T2V", "GenmoMochi", "Kandinsky5"}
_STILLS = {"HunyuanImage21", "HunyuanImage21Refiner", "Kandinsky5Image"}


def clip_problems(model, vae, dataset: Dataset) -> list[str]:
    """One sentence for each kind of sample that the model cannot be trained on."""
    clips = [sample for sample in dataset.samples if sample.picture.frames > 1]
    ours = [sample for sample in clips if sample.picture.encoded is None]
    found = []
    if clips and not makes_videos(model):
        found.append(
            f"{_some(clips)} {_have(clips)} more than one frame, but {family_of(model).title} makes pictures, not videos. {_way_out(clips)}"
        )
    elif ours and not takes_clips(vae):
        found.append(
            f"{_some(ours)}: the VAE takes single pictures only. Connect the VAE of the video model, or switch clips off on {IMAGES}."
        )
    return found + _misfits(model, dataset)


def clip_notices(vae, dataset: Dataset) -> list[str]:
    """How clips are cut to what the VAE takes."""
    lengths = Counter(s.picture.frames for s in dataset.samples if s.picture.frames > 1 and s.picture.encoded is None)
    cut = {frames: frames_taken(vae, frames) for frames in sorted(lengths)}
    return [
        f"clips of {frames} frames ({lengths[frames]}) are trained on their first {used}: the VAE takes no count in between. "
        f"Set clip_frames to {used} on {IMAGES}, or give it longer clips."
        for frames, used in cut.items() if used < frames
    ]


def makes_videos(model) -> bool:
    names = {kind.__name__ for kind in type(model.model.model_config).__mro__}
    return bool(names & _VIDEO) and not names & _STILLS


def _misfits(model, dataset: Dataset) -> list[str]:
    """Latents with a time axis for a model without one, or the other way round."""
    axes = model.get_model_object("latent_format").latent_dimensions + 1
    wrong = [s for s in dataset.samples if s.picture.encoded is not None and s.picture.encoded["latent"].ndim != axes]
    if not wrong or (axes == 3 and any(s.picture.frames > 1 for s in wrong)):
        return []
    wanted = "(B, C, T, H, W)" if axes == 4 else "(B, C, H, W)"
    return [f"{IMPORT}: {_some(wrong)}: its shape is not {wanted}, which this model works on. Encode it with the VAE that belongs to it."]


def _some(samples: list[Sample]) -> str:
    return f"'{samples[0].name}'" + (f" and {len(samples) - 1} more" if len(samples) > 1 else "")


def _have(samples: list[Sample]) -> str:
    return "has" if len(samples) == 1 else "have"


def _way_out(clips: list[Sample]) -> str:
    if all(clip.picture.encoded is None for clip in clips):
        return f"Switch clips off on {IMAGES}: then every frame is a picture of its own; or connect a video model."
    return f"Leave the latents of videos out on {IMPORT}, or connect a video model."
