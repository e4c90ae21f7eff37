"""The demo's data set is complete, varied, and what its script draws."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pack.demo.pictures import DATASET, PICTURES, draw

FOLDER = Path(__file__).resolve().parents[2] / "demo" / "pictures" / DATASET


def test_enough_pictures_of_several_shapes():
    assert len(PICTURES) >= 12
    assert {picture.ratio for picture in PICTURES} == {"1:1", "4:3", "3:4", "16:9", "9:16"}


def test_the_shipped_folder_holds_them_all():
    assert {path.stem for path in FOLDER.glob("*.png")} == {picture.name for picture in PICTURES}
    assert sum(path.stat().st_size for path in FOLDER.iterdir()) < 1_000_000


@pytest.mark.parametrize("picture", PICTURES, ids=lambda picture: picture.name)
def test_a_shipped_picture_is_what_the_script_draws(picture):
    assert (FOLDER / f"{picture.name}.txt").read_text(encoding="utf-8") == picture.caption + "\n"
    assert picture.caption.startswith("lcfox, ")
    shipped = np.asarray(Image.open(FOLDER / f"{picture.name}.png").convert("RGB"), dtype=float)
    drawn = np.asarray(draw(picture), dtype=float)
    assert shipped.shape == drawn.shape
    # Versions of Pillow place the odd edge pixel differently.
    assert np.abs(shipped - drawn).mean() < 0.5
