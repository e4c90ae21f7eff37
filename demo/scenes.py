"""Backgrounds for the demo's pictures. Each scene fills a picture of any size; randomness is seeded by its name."""

import math
import random
from collections.abc import Callable

from PIL import ImageColor, ImageDraw

Pen = ImageDraw.ImageDraw
Scene = Callable[[Pen, int, int], None]


def sky(pen: Pen, width: int, height: int, top: str, bottom: str) -> None:
    """A vertical gradient."""
    first, last = ImageColor.getrgb(top), ImageColor.getrgb(bottom)
    for y in range(height):
        t = y / height
        pen.line([(0, y), (width, y)], fill=tuple(round(a + (b - a) * t) for a, b in zip(first, last)))


def disc(pen: Pen, x: float, y: float, radius: float, colour: str) -> None:
    pen.ellipse([x - radius, y - radius, x + radius, y + radius], fill=colour)


def hills(pen: Pen, width: int, height: int, level: float, swing: float, colour: str, phase: float = 0.0) -> None:
    """Ground with a wavy edge at the fraction `level` from the top."""
    points = [(x, height * (level + swing * math.sin(phase + 5 * x / width))) for x in range(0, width + 8, 8)]
    pen.polygon([(0, height), *points, (width, height)], fill=colour)


def _cloud(pen: Pen, x: float, y: float, size: float, colour: str = "#ffffff") -> None:
    for dx, dy, radius in ((-1.0, 0.1, 0.5), (-0.3, -0.2, 0.7), (0.5, -0.1, 0.6), (1.1, 0.15, 0.45)):
        disc(pen, x + dx * size, y + dy * size, radius * size, colour)


def _pine(pen: Pen, x: float, y: float, size: float, colour: str) -> None:
    pen.rectangle([x - size * 0.05, y - size * 0.2, x + size * 0.05, y], fill="#5b4030")
    for level in range(3):
        base, half = y - size * (0.15 + 0.25 * level), size * (0.3 - 0.07 * level)
        pen.polygon([(x - half, base), (x + half, base), (x, base - size * 0.4)], fill=colour)


def scatter(name: str, count: int, width: int, low: float, high: float) -> list[tuple[float, float, random.Random]]:
    """`count` places between the heights `low` and `high` in pixels, each with the scene's random numbers."""
    numbers = random.Random(name)
    return [(numbers.uniform(0, width), numbers.uniform(low, high), numbers) for _ in range(count)]


def meadow(pen: Pen, width: int, height: int) -> None:
    sky(pen, width, height, "#7cc4f0", "#e4f5ff")
    disc(pen, width * 0.86, height * 0.16, height * 0.09, "#ffe27a")
    _cloud(pen, width * 0.2, height * 0.18, height * 0.08)
    _cloud(pen, width * 0.66, height * 0.12, height * 0.06)
    hills(pen, width, height, 0.6, 0.05, "#8ccf6a")
    hills(pen, width, height, 0.72, 0.04, "#6ab551", phase=2)
    for x, y, numbers in scatter("meadow", 60, width, height * 0.78, height):
        disc(pen, x, y, height * 0.011, numbers.choice(["#ffffff", "#ffd0e0", "#fff08a", "#f07a8a"]))


def night(pen: Pen, width: int, height: int) -> None:
    sky(pen, width, height, "#0d1538", "#3b4a86")
    for x, y, numbers in scatter("night", 70, width, 0, height * 0.65):
        disc(pen, x, y, height * numbers.uniform(0.002, 0.005), "#f7f3d8")
    disc(pen, width * 0.78, height * 0.2, height * 0.1, "#f5efc9")
    hills(pen, width, height, 0.7, 0.05, "#23305f", phase=1)
    hills(pen, width, height, 0.8, 0.03, "#182347", phase=3)


def snow(pen: Pen, width: int, height: int) -> None:
    sky(pen, width, height, "#b7cfe4", "#eef5fb")
    for index, x in enumerate((0.1, 0.3, 0.72, 0.92)):
        _pine(pen, width * x, height * (0.68 + 0.03 * (index % 2)), height * 0.34, "#41735d")
    hills(pen, width, height, 0.66, 0.03, "#ffffff")
    for x, y, numbers in scatter("snow", 90, width, 0, height):
        disc(pen, x, y, height * numbers.uniform(0.003, 0.008), "#ffffff")


def beach(pen: Pen, width: int, height: int) -> None:
    sky(pen, width, height, "#63c1ee", "#d5f2fb")
    disc(pen, width * 0.12, height * 0.2, height * 0.1, "#fff0a0")
    pen.rectangle([0, height * 0.5, width, height], fill="#2f9fc4")
    for row in range(4):
        y = height * (0.54 + 0.04 * row)
        pen.line(
            [(x, y + height * 0.008 * math.sin(x / width * 40 + row)) for x in range(0, width, 12)],
            fill="#bfeaf5",
            width=max(1, height // 120),
        )
    hills(pen, width, height, 0.72, 0.02, "#f3dca2")
    trunk = [
        (width * 0.82, height * 0.9),
        (width * 0.85, height * 0.9),
        (width * 0.815, height * 0.35),
        (width * 0.8, height * 0.35),
    ]
    pen.polygon(trunk, fill="#8d6239")
    for angle in (-150, -115, -60, -25, 10, 165):
        tip = (
            width * 0.808 + height * 0.27 * math.cos(math.radians(angle)),
            height * 0.35 + height * 0.2 * math.sin(math.radians(angle)),
        )
        pen.polygon([(width * 0.8, height * 0.33), tip, (width * 0.815, height * 0.385)], fill="#3c9a52")


def desert(pen: Pen, width: int, height: int) -> None:
    sky(pen, width, height, "#f2733f", "#ffd88a")
    disc(pen, width * 0.3, height * 0.45, height * 0.15, "#fff1b0")
    hills(pen, width, height, 0.6, 0.07, "#dd9a4e", phase=1)
    hills(pen, width, height, 0.75, 0.05, "#c98038", phase=4)
    x, ground, thick = width * 0.14, height * 0.84, height * 0.05
    pen.rounded_rectangle([x - thick, height * 0.36, x + thick, ground], thick, fill="#4d8a4a")
    for side, top in ((-1, 0.46), (1, 0.52)):
        arm = x + side * thick * 3
        left, right = sorted((x, arm))
        pen.rounded_rectangle([left, height * 0.62, right, height * 0.69], thick * 0.6, fill="#4d8a4a")
        pen.rounded_rectangle(
            [arm - thick * 0.7, height * top, arm + thick * 0.7, height * 0.69], thick * 0.7, fill="#4d8a4a"
        )


def city(pen: Pen, width: int, height: int) -> None:
    sky(pen, width, height, "#2b2d5e", "#e59a7a")
    numbers = random.Random("city")
    for x, top, colour in (
        (0.0, 0.22, "#3b3c66"),
        (0.22, 0.1, "#45466f"),
        (0.46, 0.3, "#36375f"),
        (0.66, 0.16, "#41426b"),
        (0.86, 0.34, "#36375f"),
    ):
        left, upper, right = width * x, height * top, width * (x + 0.2)
        pen.rectangle([left, upper, right, height], fill=colour)
        cell = width * 0.04
        for row in range(int((height - upper) / (cell * 1.6))):
            for column in range(4):
                if numbers.random() < 0.5:
                    corner = (left + cell * (0.4 + 1.15 * column), upper + cell * (0.6 + 1.6 * row))
                    pen.rectangle([*corner, corner[0] + cell * 0.65, corner[1] + cell * 0.9], fill="#ffd98a")
    pen.rectangle([0, height * 0.88, width, height], fill="#2c2c45")


def forest(pen: Pen, width: int, height: int) -> None:
    sky(pen, width, height, "#1f4a3a", "#6fa374")
    for index in range(9):
        x, thick = width * (0.06 + 0.11 * index), width * (0.03 + 0.012 * (index % 3))
        pen.rectangle([x - thick, 0, x + thick, height * 0.86], fill=("#3d3026", "#4a3a2d", "#33281f")[index % 3])
    for x, y, numbers in scatter("forest", 60, width, 0, height * 0.4):
        disc(pen, x, y, width * numbers.uniform(0.05, 0.1), numbers.choice(["#1e5238", "#2a6645", "#245c3e"]))
    hills(pen, width, height, 0.82, 0.015, "#2f5c33")
    pen.polygon(
        [(width * 0.44, height * 0.82), (width * 0.56, height * 0.82), (width * 0.85, height), (width * 0.15, height)],
        fill="#a98a5c",
    )


def autumn(pen: Pen, width: int, height: int) -> None:
    sky(pen, width, height, "#c9dde8", "#fbeedd")
    for x, size in ((0.12, 0.26), (0.72, 0.3), (0.93, 0.24)):
        pen.rectangle(
            [width * x - width * 0.015, height * 0.4, width * x + width * 0.015, height * 0.78], fill="#6a4a35"
        )
        _cloud(pen, width * x, height * 0.36, height * size * 0.6, "#e08a34")
        _cloud(pen, width * x, height * 0.27, height * size * 0.42, "#f0a93f")
    hills(pen, width, height, 0.74, 0.02, "#c9a35a")
    for x, y, numbers in scatter("autumn", 70, width, height * 0.05, height):
        size = height * numbers.uniform(0.01, 0.02)
        pen.ellipse(
            [x - size, y - size * 0.5, x + size, y + size * 0.5], fill=numbers.choice(["#d9542b", "#efb23a", "#b8412a"])
        )


def mountain(pen: Pen, width: int, height: int) -> None:
    sky(pen, width, height, "#5f9fd6", "#dcecf7")
    for x, top, half in ((0.22, 0.25, 0.34), (0.78, 0.2, 0.38), (0.5, 0.36, 0.3)):
        peak, slope = (width * x, height * top), (0.8 - top) / half
        pen.polygon([peak, (width * (x - half), height * 0.8), (width * (x + half), height * 0.8)], fill="#7486a0")
        cap = 0.32 * half
        pen.polygon(
            [
                peak,
                (width * (x - cap), height * (top + cap * slope)),
                (width * x, height * (top + cap * slope * 0.75)),
                (width * (x + cap), height * (top + cap * slope)),
            ],
            fill="#ffffff",
        )
    _cloud(pen, width * 0.16, height * 0.16, height * 0.06)
    hills(pen, width, height, 0.76, 0.03, "#6f8f5d")


def _plain(name: str, top: str, bottom: str, confetti: int = 0) -> Scene:
    def scene(pen: Pen, width: int, height: int) -> None:
        sky(pen, width, height, top, bottom)
        for x, y, numbers in scatter(name, confetti, width, 0, height):
            colour = numbers.choice(["#ffffff", "#ffd95a", "#6fb7e8", "#8fd17a"])
            pen.rectangle([x, y, x + width * 0.014, y + width * 0.02], fill=colour)

    return scene


SCENES: dict[str, Scene] = {
    "meadow": meadow, "night": night, "snow": snow, "beach": beach, "desert": desert, "city": city, "forest": forest,
    "autumn": autumn, "mountain": mountain,
    "plain_blue": _plain("blue", "#8fc3ea", "#6aa6d8"),
    "plain_yellow": _plain("yellow", "#ffe08a", "#f8c95c"),
    "plain_pink": _plain("pink", "#f9c6d6", "#f2a6bf", confetti=60),
}  # fmt: skip
