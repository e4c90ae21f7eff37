"""Clips, a few frames as one sample, need a video model: what of a dataset fits the model and the VAE, before any work."""

from __future__ import annotations

from collections import Counter

from ...training.data.dataset import Dataset, Sample
from ...training.data.decoding import WHERE as LOAD
from ...training.data.encoded import WHERE as IMPORT
from ...training.data.from_graph.graph_images import WHERE as IMAGES
from ...training.wording import some
from ..model.family import family_of
from ..model.images import frames_taken, takes_clips

#: ComfyUI's configurations of models that make videos, with what derives from them -> the frames a second that they make (None:
#: their versions differ); and those that derive from one but make pictures. Others with a time axis (Qwen-Image, Anima, Krea 2)
#: take one frame.
_VIDEO = {"WAN21_T2V": 16, "WAN22_T2V": 24, "HunyuanVideo": 24, "CosmosT2V": 24, "LTXV": 25, "CogVideoX_T2V": None, "GenmoMochi": 30,
          "Kandinsky5": 24}
_STILLS = {"HunyuanImage21", "HunyuanImage21Refiner", "Kandinsky5Image"}
FAR_OFF = 0.1
"""From this part of the model's speed on, movement is visibly too fast or too slow."""


def clip_problems(model, vae, dataset: Dataset) -> list[str]:
    """One sentence for each kind of sample that the model cannot be trained on."""
    clips = _clips(dataset)
    ours = [sample for sample in clips if sample.picture.encoded is None]
    found = []
    if clips and not makes_videos(model):
        found.append(
            f"{_some(clips)} {_have(clips)} more than one frame, but {family_of(model).title} makes pictures, not videos. {_way_out(clips)}"
        )
    elif ours and not takes_clips(vae):
        stills = f"switch clips off on {IMAGES}" if _is_wired(ours[0]) else f"set clip_frames to 1 on {LOAD}"
        found.append(f"{_some(ours)}: the VAE takes single pictures only. Connect the VAE of the video model, or {stills}.")
    return found + _misfits(model, dataset)


def clip_notices(model, vae, dataset: Dataset) -> list[str]:
    """How clips are cut to what the VAE takes, and whether they are as fast as what the model makes."""
    clips = [sample for sample in _clips(dataset) if sample.picture.encoded is None]
    return [*_cut(vae, clips), *_too_fast(model, clips)]


def makes_videos(model) -> bool:
    names = {kind.__name__ for kind in type(model.model.model_config).__mro__}
    return bool(names & _VIDEO.keys()) and not names & _STILLS


def _cut(vae, clips: list[Sample]) -> list[str]:
    lengths = Counter(sample.picture.frames for sample in clips)
    cut = {frames: frames_taken(vae, frames) for frames in sorted(lengths)}
    told = [f"{frames} frames ({lengths[frames]}) are trained on their first {used}" for frames, used in cut.items() if used < frames]
    if not told:
        return []
    used = max(used for frames, used in cut.items() if used < frames)
    nodes = " and ".join(sorted({LOAD if sample.picture.file else IMAGES for sample in clips}))
    return [f"clips of {some(told)}: the VAE takes no count in between. Set clip_frames to {used} on {nodes}, or give it longer clips."]


def _too_fast(model, clips: list[Sample]) -> list[str]:
    """Clips that are read at another speed than the model makes them at: what moves in them is learnt as that much faster or slower."""
    own = next((_VIDEO[kind.__name__] for kind in type(model.model.model_config).__mro__ if kind.__name__ in _VIDEO), None)
    if not own:
        return []
    speeds = Counter(sample.picture.fps for sample in clips)
    off = sorted((fps, number) for fps, number in speeds.items() if fps and abs(fps / own - 1) > FAR_OFF)
    if not off:
        return []
    told = some(f"{fps:.3g} a second ({number})" for fps, number in off)
    fps = off[0][0]
    times = f"{max(fps, own) / min(fps, own):.2g} times too {'fast' if fps < own else 'slow'}"
    return [f"clips have {told} frames, but {family_of(model).title} makes {own}: movement is learnt {times}. Set clip_fps to {own} "
            f"on {LOAD}."]


def _misfits(model, dataset: Dataset) -> list[str]:
    """Latents with a time axis for a model without one, or the other way round."""
    axes = model.get_model_object("latent_format").latent_dimensions + 1
    wrong = [s for s in dataset.samples if s.picture.encoded is not None and s.picture.encoded["latent"].ndim != axes]
    if not wrong or (axes == 3 and any(s.picture.frames > 1 for s in wrong)):
        return []
    wanted = "(B, C, T, H, W)" if axes == 4 else "(B, C, H, W)"
    return [f"{IMPORT}: {_some(wrong)}: its shape is not {wanted}, which this model works on. Encode it with the VAE that belongs to it."]


def _clips(dataset: Dataset) -> list[Sample]:
    return [sample for sample in dataset.samples if sample.picture.frames > 1]


def _some(samples: list[Sample]) -> str:
    return f"'{samples[0].name}'" + (f" and {len(samples) - 1} more" if len(samples) > 1 else "")


def _have(samples: list[Sample]) -> str:
    return "has" if len(samples) == 1 else "have"


def _way_out(clips: list[Sample]) -> str:
    """What to do about each kind of clip."""
    ways = {
        f"Leave the latents of videos out on {IMPORT}": any(clip.picture.encoded is not None for clip in clips),
        f"Switch clips off on {IMAGES}: then every frame is a picture of its own": any(_is_wired(clip) for clip in clips),
        f"Set clip_frames to 1 on {LOAD}: then the first frame of each is a picture, or take the videos out of the folder":
            any(clip.picture.file for clip in clips),
    }
    return "; ".join(way for way, needed in ways.items() if needed) + "; or connect a video model."


def _is_wired(clip: Sample) -> bool:
    return clip.picture.encoded is None and not clip.picture.file
