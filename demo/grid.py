"""One picture of all sample pictures of a run: a column for each step, a row for each prompt."""

import re
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont, ImageOps

CELL, GAP, LABEL = 256, 6, 22
BACKGROUND, TEXT = "#1b1b1f", "#e4e4e9"
NAME = re.compile(r"step_(\d+)_(\d+)\.png")


def sample_grid(samples: Path, target: Path) -> Path | None:
    """Write the grid of a run's `samples` folder to `target`; None when there are no samples."""
    cells = {}
    for path in samples.glob("step_*.png"):
        if match := NAME.fullmatch(path.name):
            cells[int(match[1]), int(match[2])] = path
    if not cells:
        return None
    steps, rows = sorted({step for step, _ in cells}), sorted({row for _, row in cells})
    size = (len(steps) * (CELL + GAP) + GAP, LABEL + len(rows) * (CELL + GAP) + GAP)
    grid = Image.new("RGB", size, BACKGROUND)
    pen, font = ImageDraw.Draw(grid), ImageFont.load_default(14)
    for step in steps:
        pen.text((GAP + steps.index(step) * (CELL + GAP), GAP), f"step {step}", fill=TEXT, font=font)
    for (step, row), path in cells.items():
        x, y = GAP + steps.index(step) * (CELL + GAP), LABEL + GAP + rows.index(row) * (CELL + GAP)
        with Image.open(path) as sample:
            picture = sample.convert("RGB")
        picture = ImageOps.contain(picture, (CELL, CELL), Image.Resampling.LANCZOS)
        grid.paste(picture, (x + (CELL - picture.width) // 2, y + (CELL - picture.height) // 2))
    target.parent.mkdir(parents=True, exist_ok=True)
    grid.save(target)
    return target
