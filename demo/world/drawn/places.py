"""The places of the world: the scenes of the shipped pictures, and three that the fox was never seen in."""

import math
import random

from PIL import Image, ImageDraw

from ...scenes import SCENES, Pen, Scene, disc, hills, scatter, sky

SMOOTHING = 3  # drawn so many times larger, then shrunk
MARGIN = 1.14  # a scene is drawn this much larger than a picture, which shows a part of it


def _beam(pen: Pen, width: int, top: tuple[float, float, float], bottom: tuple[float, float, float], colour: str) -> None:
    """Four corners: the left and right end (of the width) and the height (pixels) of the top and of the bottom edge."""
    corners = [(width * top[0], top[2]), (width * top[1], top[2]), (width * bottom[1], bottom[2]), (width * bottom[0], bottom[2])]
    pen.polygon(corners, fill=colour)


def sea(pen: Pen, width: int, height: int) -> None:
    """Under water: light from above, weed and bubbles over sand."""
    sky(pen, width, height, "#3fc3d6", "#0b4a86")
    for x in (0.2, 0.45, 0.78):
        _beam(pen, width, (x, x + 0.1, 0), (x - 0.16, x + 0.02, height), "#2f9fc0")
    hills(pen, width, height, 0.86, 0.02, "#cdbb8a")
    for x in (0.06, 0.14, 0.88, 0.95):
        points = [(width * (x + 0.02 * math.sin(step)), height * (0.95 - 0.07 * step)) for step in range(8)]
        pen.line(points, fill="#1f7a5a", width=round(width * 0.03), joint="curve")
    for x, y, numbers in scatter("sea", 16, width, 0, height * 0.8):
        disc(pen, x, y, height * numbers.uniform(0.012, 0.025), "#b9eef5")


def volcano(pen: Pen, width: int, height: int) -> None:
    """Lava down a black cone under a dark red sky."""
    sky(pen, width, height, "#2a0d12", "#a32a1c")
    _beam(pen, width, (0.4, 0.6, height * 0.2), (0.0, 1.0, height), "#2d2528")
    for x, foot in ((0.43, 0.24), (0.5, 0.52), (0.57, 0.8)):
        _beam(pen, width, (x - 0.025, x + 0.025, height * 0.2), (foot - 0.06, foot + 0.06, height), "#ff6a1f")
    for x, y, radius in ((0.42, 0.14, 0.08), (0.55, 0.09, 0.1), (0.66, 0.02, 0.09)):
        disc(pen, width * x, height * y, height * radius, "#5b4a4d")
    hills(pen, width, height, 0.86, 0.02, "#1d1719")


def room(pen: Pen, width: int, height: int) -> None:
    """Indoors: striped wallpaper, a window, boards."""
    pen.rectangle([0, 0, width, height], fill="#e9dcc3")
    for index in range(0, 16, 2):
        pen.rectangle([width * index / 16, 0, width * (index + 1) / 16, height], fill="#dcc9a6")
    left, top, right, bottom = width * 0.62, height * 0.1, width * 0.92, height * 0.45
    pen.rectangle([left, top, right, bottom], fill="#9fd4f2", outline="#ffffff", width=max(1, round(height * 0.025)))
    pen.line([((left + right) / 2, top), ((left + right) / 2, bottom)], fill="#ffffff", width=max(1, round(height * 0.02)))
    pen.rectangle([0, height * 0.76, width, height], fill="#8f5a33")
    for row in range(1, 4):
        y = height * (0.76 + 0.06 * row)
        pen.line([(0, y), (width, y)], fill="#774826", width=max(1, round(height * 0.01)))


PLAIN = tuple(SCENES[f"plain_{colour}"] for colour in ("blue", "yellow", "pink"))
#: Every place with the scenes that may stand for it.
PLACES: dict[str, tuple[Scene, ...]] = {
    **{name: (scene,) for name, scene in SCENES.items() if not name.startswith("plain_")},
    "background": PLAIN,
    "sea": (sea,),
    "volcano": (volcano,),
    "room": (room,),
}
#: Places that no shipped picture of the fox shows.
UNSEEN = ("sea", "volcano", "room")

_drawn: dict[tuple, Image.Image] = {}


def backdrop(place: str, width: int, height: int, numbers: random.Random) -> Image.Image:
    """A random part of the place, perhaps mirrored, RGB, SMOOTHING times `width` x `height`."""
    scene = numbers.choice(PLACES[place])
    key = (scene, width, height)
    if key not in _drawn:
        whole = Image.new("RGB", (round(width * SMOOTHING * MARGIN), round(height * SMOOTHING * MARGIN)))
        scene(ImageDraw.Draw(whole), *whole.size)
        _drawn[key] = whole
    whole = _drawn[key]
    part_width, part_height = width * SMOOTHING, height * SMOOTHING
    left, top = numbers.randint(0, whole.width - part_width), numbers.randint(0, whole.height - part_height)
    part = whole.crop((left, top, left + part_width, top + part_height))
    return part.transpose(Image.Transpose.FLIP_LEFT_RIGHT) if numbers.random() < 0.5 else part
