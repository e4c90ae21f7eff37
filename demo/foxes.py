"""Where the fox is: pictures of the places that its own pictures do not show, looked at by the judge.

While it trains the run makes samples; from the saved LoRA a KSampler makes more, at strength 0 and at strength 1 from the same noise.
"""

import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from .comfyui.client import ComfyClient
from .grid import NAME
from .stage import PROMPTS
from .world.drawn.places import UNSEEN
from .world.judge import Judge
from .world.score import Source, pictures

EACH, SEED = 4, 42  # pictures of each prompt; the first one's noise is that of the workflow's KSampler
FOLDER, DRAWN = "fox", re.compile(r"strength_([01])_(\d+)\.png")


@dataclass(frozen=True)
class Count:
    """In how many of `of` pictures the judge saw the fox in the place that was asked for."""

    foxes: int
    of: int

    def __str__(self) -> str:
        return f"{self.foxes} of {self.of}"


def draw(client: ComfyClient, base: Path, run: Path, source: Source) -> None:
    """Leave pictures with `source` at strength 0 and 1 in the run's folder FOLDER, strength_S_N.png."""
    target = run / FOLDER
    target.mkdir(exist_ok=True)
    for strength in (0, 1):
        at = Source(source.checkpoint, source.lora, float(strength), source.negative)
        found = pictures(client, base, at, list(PROMPTS) * EACH, SEED)
        for number, picture in enumerate(found):
            pixels = (picture.permute(1, 2, 0) * 255).round().byte().numpy()
            Image.fromarray(pixels).save(target / f"strength_{strength}_{number:02}.png")


def of_strengths(run: Path, judge: Judge) -> dict[int, Count]:
    """What `draw` left, by strength; nothing when it left nothing."""
    return _counts(judge, DRAWN, run / FOLDER)


def of_steps(run: Path, judge: Judge) -> dict[int, Count]:
    """The samples of a run on PROMPTS, by step."""
    return _counts(judge, NAME, run / "samples")


def report(run: Path, judge: Judge) -> list[str]:
    """A line a finding: the samples while it trained, and the pictures with the saved LoRA."""
    steps, strengths = of_steps(run, judge), of_strengths(run, judge)
    samples = ", ".join(f"{count} at step {step}" for step, count in steps.items())
    return [f"samples: {samples}", f"with the saved LoRA: {strengths[0]} at strength 0, {strengths[1]} at strength 1"]


def _counts(judge: Judge, name: re.Pattern[str], folder: Path) -> dict[int, Count]:
    """Of files whose name has a number to count by, then that of the picture: PROMPTS in order, over and over."""
    by: dict[int, list[bool]] = {}
    for path in sorted(folder.glob("*.png")):
        if match := name.fullmatch(path.name):
            by.setdefault(int(match[1]), []).append(shows(judge, path, UNSEEN[int(match[2]) % len(UNSEEN)]))
    return {number: Count(sum(seen), len(seen)) for number, seen in sorted(by.items())}


def shows(judge: Judge, path: Path, place: str) -> bool:
    """Whether the judge sees the fox in the file, in that place."""
    with Image.open(path) as picture:
        pixels = torch.from_numpy(np.array(picture.convert("RGB"))).permute(2, 0, 1)[None] / 255
    (said,) = judge.says(pixels)
    return said["subject"] == "fox" and said["place"] == place
