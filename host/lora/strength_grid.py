"""Trying a LoRA out: strengths x prompts x checkpoints, made by ComfyUI's own loader and samplers."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import comfy.sd
import comfy.utils
import torch

from ...training.data.captions import TRIGGER, filled
from ...training.drawing.grid import labelled_grid
from ...training.errors import SettingsError
from ...training.inputs import SHORT, text_problems
from ...training.lora_file.file import read_lora, read_metadata
from ...training.specs import SamplingSpec
from .. import compat
from ..edit.ways import conditioning, way_of
from ..model.sampler import ComfySampler
from ..runs.run_folders import find_run

WHERE = "LoRA Test"
OFF = "off"


@dataclass(frozen=True)
class Candidate:
    """A LoRA to try: its tensors by key, and the word that it was trained with."""

    name: str
    tensors: Mapping[str, torch.Tensor]
    trigger: str = ""


def parse_strengths(text: str) -> tuple[tuple[float, ...], list[str]]:
    """'0.5, 0.8, 1' -> (numbers, problems: what is no number)."""
    if too_long := text_problems("strengths", text, SHORT):
        return (), too_long
    parts = [part for part in re.split(r"[,;\s]+", text.strip()) if part]
    problems = [f"'{part}' in strengths is no number. Write numbers such as 0.5, 0.7, 0.9, 1.0." for part in parts if not _is_number(part)]
    if not parts:
        problems.append("strengths is empty. Write at least one number; 0.5, 0.7, 0.9, 1.0 is usual.")
    return tuple(float(part) for part in parts if _is_number(part)), problems


def candidates(lora: Mapping[str, torch.Tensor] | None, run: str, most: int) -> list[Candidate]:
    """The LoRA that is connected, and the checkpoints of a run (its folder or name), at most `most`, evenly taken; none twice."""
    found = [Candidate("the LoRA that is connected", lora, _trigger(getattr(lora, "metadata", {})))] if lora is not None else []
    if run.strip():
        for path in _spread(_checkpoints(run), most):
            tensors = read_lora(path)
            if not any(_is_same(tensors, one.tensors) for one in found):
                found.append(Candidate(path.stem, tensors, _trigger(read_metadata(path))))
    if not found:
        raise SettingsError(WHERE, [
            "there is nothing to test. Connect the lora output of Train LoRA, or its run_folder, or write a run's name."
        ])
    return found


def _trigger(metadata: Mapping[str, str]) -> str:
    return str(metadata.get("modelspec.trigger_phrase", "")).strip()


def _is_same(one: Mapping[str, torch.Tensor], other: Mapping[str, torch.Tensor]) -> bool:
    """The last checkpoint is the run's file, and that the LoRA which was just trained."""
    return one.keys() == other.keys() and all(torch.equal(tensor.cpu().float(), other[name].cpu().float()) for name, tensor in one.items())


def strength_grid(model, clip, vae, tested: Sequence[Candidate], strengths: Sequence[float], spec: SamplingSpec) -> torch.Tensor:
    """(1, H, W, 3): of each prompt a row for each candidate, so that they lie below one another; a column without the LoRA, which stands
    once a prompt, and one for each strength. `[trigger]` in a prompt is the word that the first of them was trained with."""
    bar = comfy.utils.ProgressBar((len(tested) * len(strengths) + 1) * len(spec.prompts))
    trigger = next((one.trigger for one in tested if one.trigger), "")
    cells: list[list[torch.Tensor | None]] = []
    rows = []
    for i, asked in enumerate(spec.prompts):
        prompt = filled(asked, trigger).strip() if TRIGGER in asked else asked
        off: torch.Tensor | None = _sample(model, clip, vae, spec, prompt, spec.seed + i, bar)
        for candidate in tested:
            row, off = [off], None
            for strength in strengths:
                with_lora, clip_with_lora = comfy.sd.load_lora_for_models(model, clip, candidate.tensors, strength, strength)
                row.append(_sample(with_lora, clip_with_lora, vae, spec, prompt, spec.seed + i, bar))
            cells.append(row)
            rows.append((prompt, candidate.name))
    return labelled_grid(cells, rows, [OFF, *(f"{strength:g}" for strength in strengths)])


def _sample(model, clip, vae, spec: SamplingSpec, prompt: str, seed: int, bar) -> torch.Tensor:
    compat.throw_if_interrupted()
    way = way_of(model.model, compat.loaded_from(model)) if spec.references else None
    if spec.references and way is None:
        raise SettingsError(WHERE, ["a reference is connected, but this model does not look at any. Load an edit model, or disconnect it."])
    sampler = ComfySampler(model, clip, vae, partial(conditioning, way) if way else None)
    picture = sampler.sample(spec, prompt, seed, spec.references)[0]
    bar.update(1)
    return picture


def _checkpoints(run: str) -> list[Path]:
    folder = find_run(Path(run.strip()).name)
    if folder is None:
        raise SettingsError(WHERE, [
            f"run is '{run}', but there is no such run in output/lora_canvas. Write a run's name, or connect run_folder."
        ])
    found = sorted((folder / "checkpoints").glob("*.safetensors"))
    final = folder / f"{folder.name}.safetensors"
    return [*found, *([final] if final.is_file() else [])]


def _spread(paths: list[Path], most: int) -> list[Path]:
    """At most `most`, the last one always among them."""
    if len(paths) <= most:
        return paths
    step = (len(paths) - 1) / max(1, most - 1)
    return [paths[round(i * step)] for i in range(most)] if most > 1 else paths[-1:]


def _is_number(text: str) -> bool:
    try:
        return math.isfinite(float(text))
    except ValueError:
        return False
