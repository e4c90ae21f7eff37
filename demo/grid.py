"""One picture of all sample pictures of a run: a row for each step, a column for each prompt."""

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
    steps, columns = sorted({step for step, _ in cells}), sorted({column for _, column in cells})
    size = (len(columns) * (CELL + GAP) + GAP, len(steps) * (CELL + LABEL + GAP) + GAP)
    grid = Image.new("RGB", size, BACKGROUND)
    pen, font = ImageDraw.Draw(grid), ImageFont.load_default(14)
    for (step, column), path in cells.items():
        x = GAP + columns.index(column) * (CELL + GAP)
        y = GAP + steps.index(step) * (CELL + LABEL + GAP)
        pen.text((x, y + 2), f"step {step}", fill=TEXT, font=font)
        with Image.open(path) as sample:
            picture = sample.convert("RGB")
        picture = ImageOps.contain(picture, (CELL, CELL), Image.Resampling.LANCZOS)
        grid.paste(picture, (x + (CELL - picture.width) // 2, y + LABEL + (CELL - picture.height) // 2))
    target.parent.mkdir(parents=True, exist_ok=True)
    grid.save(target)
    return target
