"""Which models change pictures, how they are told from their text-to-image siblings, and what is said before a run."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ...training.data.dataset import Dataset, Sample
from ...training.events import Message
from ...training.specs import PreviewSpec
from ...training.wording import count, some
from ..edit.ways import way_of

#: Classes of comfy.model_base that make pictures from text and change pictures with the same weights.
_BOTH = ("Flux2", "Omnigen2", "HiDreamO1")
#: What an edit model's file is called, where its class and shapes are those of its text-to-image sibling.
_EDIT_NAMES = ("edit", "kontext")
_LOOK = "Set reference_folder on Load Dataset, or connect references to Images To Dataset"


def kind_of(model: Any, name: str) -> str:
    """'edit', 'both', 'text' (a sibling that was not made for references), or 'unknown' where nothing tells: by ComfyUI's
    class, its configuration, and the name of the file. '' for models that do not look at references."""
    if way_of(model, name) is None:
        return ""
    kinds = {base.__name__ for base in type(model).__mro__}
    if kinds & set(_BOTH):
        return "both"
    config = model.model_config.unet_config
    if "JoyImage" in kinds or ("QwenImage" in kinds and config.get("default_ref_method") == "index_timestep_zero"):
        return "edit"
    if any(part in name.lower() for part in _EDIT_NAMES):
        return "edit"
    return "text" if name else "unknown"


def reference_problems(model: Any, name: str, dataset: Dataset, preview: PreviewSpec | None) -> list[str]:
    """What cannot work: references for a model that does not look at them, or more than it takes."""
    given, way = _with_references(dataset), way_of(model, name)
    wired = len(preview.sampling.references) if preview else 0
    if not given and not wired:
        return []
    if way is None:
        where = f"{count(len(given), 'picture')} of the dataset {'has' if len(given) == 1 else 'have'}" if given else "Sample Preview has"
        return [
            f"{where} references, but this model ({type(model.model_config).__name__}) does not look at any: they would be ignored. "
            "Load an edit model, such as FLUX Kontext, FLUX.2, Qwen-Image-Edit or OmniGen2, or leave the references out."
        ]
    many = [sample.name for sample in given if len(sample.references) > way.most]
    if not many and wired <= way.most:
        return []
    return [f"{way.node} takes at most {count(way.most, 'picture')}, but more references are given for {some(many or ['Sample Preview'])}. "
            "Leave the others out."]


def reference_notices(model: Any, name: str, dataset: Dataset) -> list[Message]:
    """How references are given to this model, and what training it with, or without, them means, where that is not what its
    user may expect."""
    return [Message(level=level, topic="references", text=text) for level, text in _notices(model, name, dataset)]


def _notices(model: Any, name: str, dataset: Dataset) -> list[tuple[str, str]]:
    given, kind, way = _with_references(dataset), kind_of(model, name), way_of(model, name)
    trained = [sample for sample in dataset.samples if sample.is_trained]
    without = [sample.name for sample in trained if not sample.references and not _has_own(sample)]
    if way is None or any(_has_own(sample) for sample in trained):
        return []
    if not given:
        return [("warning", text) for text in _without_any(kind)]
    found = [("info", f"references are given to the model as {way.node} does it.")]
    if kind == "text":
        found.append((
            "warning",
            f"'{name}' seems to be the text-to-image sibling of an edit model: it takes references, but has not learned to use them. The "
            "LoRA has to teach that, which takes many pairs. Load the edit model if there is one.",
        ))
    if without:
        text = f"{count(len(without), 'picture')} without a reference: {some(without)}. They are trained as text-to-image."
        found.append(("warning", text))
    return found


def _without_any(kind: str) -> list[str]:
    if kind == "edit":
        return [
            "this is an edit model, but the dataset has no references: it is trained to make your pictures from their captions alone. "
            f"The LoRA learns what they show, not how to change a picture. {_LOOK} to train pairs."
        ]
    if kind == "both":
        return [
            f"this model also changes pictures. Without references the LoRA learns to make pictures from text only. {_LOOK} to train pairs."
        ]
    return []


def _with_references(dataset: Dataset) -> Sequence[Sample]:
    return [sample for sample in dataset.samples if sample.references]


def _has_own(sample: Sample) -> bool:
    """Conditions that the graph has encoded bring their references themselves."""
    return sample.condition is not None and bool(sample.condition.values.get("reference_latents"))
