"""The grid of samples: steps side by side, prompts below each other."""

import pytest
from PIL import Image, ImageColor

from pack.demo.grid import CELL, GAP, LABEL, sample_grid

COLOURS = {(0, 0): "#ff0000", (0, 1): "#00ff00", (40, 0): "#0000ff", (40, 1): "#ffffff"}


@pytest.mark.parametrize("side", [CELL // 2, CELL * 2])
def test_a_column_a_step_and_a_row_a_prompt(tmp_path, side):
    for (step, prompt), colour in COLOURS.items():
        Image.new("RGB", (side, side), colour).save(tmp_path / f"step_{step:06}_{prompt:02}.png")
    with Image.open(sample_grid(tmp_path, tmp_path / "grid.png")) as grid:
        assert grid.size == (2 * CELL + 3 * GAP, LABEL + 2 * CELL + 3 * GAP)
        for (step, prompt), colour in COLOURS.items():
            # A cell from corner to corner: small samples are enlarged, large ones shrunk.
            x, y = GAP + (step // 40) * (CELL + GAP), LABEL + GAP + prompt * (CELL + GAP)
            for corner in ((x + 1, y + 1), (x + CELL - 2, y + CELL - 2)):
                assert grid.getpixel(corner) == ImageColor.getrgb(colour)


def test_no_samples_no_grid(tmp_path):
    assert sample_grid(tmp_path, tmp_path / "grid.png") is None
