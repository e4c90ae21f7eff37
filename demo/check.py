"""Looks at the files that a demo left, and fails unless they are what was promised: `python -m demo.check`.

A LoRA whose every pair is there, finite and has learned something; pictures, while training and with the LoRA, that show something; and,
on the world (no CHECKPOINT), the fox at the end, where there was none at the start.
"""

import math
import os
import sys
from pathlib import Path

import torch
from PIL import Image
from safetensors import safe_open

from .foxes import FOLDER, Count, of_steps, of_strengths
from .stage import BASE
from .world.judge import Judge
from .world.train import judge_on

UP, DOWN, ALPHA = ".lora_up.weight", ".lora_down.weight", ".alpha"
PLAIN = 2.0  # a picture whose pixels deviate less (of 255) is one colour
#: Shares of pictures that show the fox: at the most before training, at the least after it. What is usual: docs/world.md.
BEFORE, AFTER = 0.34, 0.5


def problems(base: Path) -> list[str]:
    """What is missing or empty in the folder that ComfyUI ran in; nothing when all is well."""
    loras = sorted((base / "models" / "loras").rglob("*.safetensors"))
    found = [problem for path in loras for problem in lora_problems(path)]
    if not loras:
        found.append(f"there is no LoRA in {base / 'models' / 'loras'}")
    for what, pattern in (("with the LoRA", "*.png"), ("of the training", "*/samples/*.png")):
        pictures = sorted((base / "output" / "lora_canvas").glob(pattern))
        found += [f"{path} is of one colour" for path in pictures if deviation(path) < PLAIN]
        if not pictures:
            found.append(f"there is no picture {what} ({pattern}) in {base / 'output' / 'lora_canvas'}")
    return found


def lora_problems(path: Path) -> list[str]:
    """What is wrong with a LoRA file in kohya's layout."""
    with safe_open(path, framework="pt") as file:
        weights = {key: file.get_tensor(key).float() for key in file.keys()}
        steps = (file.metadata() or {}).get("ss_steps")
    stems = {key.removesuffix(UP) for key in weights if key.endswith(UP)}
    found = [f"{path} lacks {stem}{part}" for stem in sorted(stems) for part in (DOWN, ALPHA) if stem + part not in weights]
    found += [f"{path}: {key} is not finite" for key, weight in weights.items() if not math.isfinite(weight.sum())]
    if not any(weights[stem + UP].abs().max() > 0 for stem in stems):
        found.append(f"{path} has learned nothing: every {UP} is zero")
    if not steps or int(steps) < 1:
        found.append(f"{path} does not say how many steps it was trained (ss_steps is {steps!r})")
    return found


def fox_problems(base: Path, judge: Judge) -> list[str]:
    """Whether the last run's pictures show the fox when they should, and only then."""
    drawn = sorted((base / "output" / "lora_canvas").glob(f"*/{FOLDER}"), key=lambda path: path.stat().st_mtime)
    if not drawn:
        return [f"there are no pictures with the saved LoRA (*/{FOLDER}) in {base / 'output' / 'lora_canvas'}"]
    run, found = drawn[-1].parent, []
    for what, counts in (("step", of_steps(run, judge)), ("strength", of_strengths(run, judge))):
        if len(counts) < 2:
            found.append(f"{run} has no pictures of two {what}s")
            continue
        first, last = min(counts), max(counts)
        if share(counts[first]) > BEFORE:
            found.append(f"{run}: at {what} {first} the fox is already in {counts[first]} pictures")
        if share(counts[last]) < AFTER:
            found.append(f"{run}: at {what} {last} the fox is in {counts[last]} pictures only")
    return found


def share(count: Count) -> float:
    return count.foxes / count.of


def deviation(path: Path) -> float:
    """How much the grey of a picture's pixels deviates, 0 to 255."""
    with Image.open(path) as picture:
        grey = list(picture.convert("L").resize((64, 64)).tobytes())
    mean = sum(grey) / len(grey)
    return math.sqrt(sum((value - mean) ** 2 for value in grey) / len(grey))


def main() -> None:
    found = problems(BASE)
    if not os.environ.get("CHECKPOINT", "").strip():
        found += fox_problems(BASE, judge_on(torch.device("cpu")))
    if found:
        sys.exit("The demo did not leave what it promises:\n" + "\n".join(f"  {problem}" for problem in found))
    print(f"The LoRA and the pictures in {BASE} are what the demo promises.")


if __name__ == "__main__":
    main()
