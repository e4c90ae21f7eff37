"""Draw the demo's data set: twelve captioned pictures of a mascot, the fox "lcfox", in five aspect ratios.

Usage: python -m demo.pictures FOLDER. Drawn at four times the size and shrunk, so edges are smooth. The drawings are
in the public domain (CC0).
"""

import sys
from dataclasses import dataclass
from pathlib import Path

from PIL import Image, ImageDraw

from .fox import Fox
from .scenes import SCENES

# The folder's name is the kohya layout: five repeats, the trigger word, the class.
DATASET = "5_lcfox character"
SMOOTHING = 4
SIZES = {"1:1": (384, 384), "4:3": (448, 336), "3:4": (336, 448), "16:9": (512, 288), "9:16": (288, 512)}


@dataclass(frozen=True)
class Picture:
    """A fox before a scene. The fox's place and size are fractions of the picture's width and height."""

    name: str
    ratio: str
    scene: str
    fox: Fox
    at: tuple[float, float]
    height: float
    caption: str


PICTURES = (
    Picture("meadow", "4:3", "meadow", Fox(pose="sitting"), (0.5, 0.9), 0.68,
            "lcfox, a fox sitting in a green meadow, flowers, blue sky, sunny day"),
    Picture("night", "1:1", "night", Fox(pose="sitting", eyes="closed"), (0.5, 0.93), 0.7,
            "lcfox, a fox sleeping upright under a starry night sky, full moon, hills"),
    Picture("portrait", "3:4", "plain_blue", Fox(pose="portrait"), (0.5, 1.0), 0.62,
            "lcfox, portrait of a fox, looking at viewer, simple blue background"),
    Picture("scarf", "3:4", "snow", Fox(pose="sitting", scarf="#3f6fb5"), (0.5, 0.92), 0.66,
            "lcfox, a fox wearing a blue scarf, sitting in the snow, falling snow, winter, pine trees"),
    Picture("beach", "16:9", "beach", Fox(pose="standing"), (0.34, 0.9), 0.68,
            "lcfox, a fox standing on a beach, sea, waves, palm tree, summer"),
    Picture("desert", "16:9", "desert", Fox(pose="standing", flip=True), (0.64, 0.92), 0.66,
            "lcfox, a fox standing in a desert, cactus, sand dunes, orange sunset"),
    Picture("city", "9:16", "city", Fox(pose="sitting", scarf="#c8453b"), (0.5, 0.95), 0.46,
            "lcfox, a fox wearing a red scarf, sitting in front of tall city buildings, evening, lit windows"),
    Picture("forest", "9:16", "forest", Fox(pose="standing"), (0.57, 0.94), 0.3,
            "lcfox, a fox standing in a dark green forest, tall trees, path"),
    Picture("wink", "1:1", "plain_yellow", Fox(pose="portrait", eyes="wink"), (0.5, 1.0), 0.72,
            "lcfox, portrait of a fox, winking, one eye closed, simple yellow background"),
    Picture("autumn", "4:3", "autumn", Fox(pose="sitting", flip=True), (0.42, 0.92), 0.66,
            "lcfox, a fox sitting among falling autumn leaves, orange trees, wind"),
    Picture("hat", "1:1", "plain_pink", Fox(pose="sitting", hat="#5a3f8f"), (0.5, 0.94), 0.68,
            "lcfox, a fox wearing a purple party hat, sitting, confetti, simple pink background"),
    Picture("mountain", "4:3", "mountain", Fox(pose="standing", flip=True, scarf="#2f8f6b"), (0.56, 0.93), 0.6,
            "lcfox, a fox wearing a green scarf, standing on a mountain, snowy peaks, clouds"),
)  # fmt: skip


def draw(picture: Picture) -> Image.Image:
    """The finished picture, RGB."""
    width, height = (side * SMOOTHING for side in SIZES[picture.ratio])
    image = Image.new("RGB", (width, height))
    pen = ImageDraw.Draw(image)
    SCENES[picture.scene](pen, width, height)
    picture.fox.draw(pen, picture.at[0] * width, picture.at[1] * height, picture.height * height)
    return image.resize(SIZES[picture.ratio], Image.Resampling.LANCZOS)


def make(folder: Path) -> Path:
    """Draw all pictures and write their captions into FOLDER/5_lcfox character; returns that folder."""
    target = folder / DATASET
    target.mkdir(parents=True, exist_ok=True)
    for picture in PICTURES:
        draw(picture).save(target / f"{picture.name}.png", optimize=True)
        (target / f"{picture.name}.txt").write_text(picture.caption + "\n", encoding="utf-8")
    return target


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    print(make(Path(sys.argv[1])))
