"""The mascot: a fox made of a few smooth shapes.

A fox is drawn in its own units: x to the right, y upwards, feet at (0, 0), about 100 units tall.
"""

import math
from dataclasses import dataclass

from PIL import ImageDraw

ORANGE, DARK, CREAM, NOSE = "#e8762d", "#4a2b20", "#fff3e2", "#2a1a16"
SHADE, INNER_EAR = "#cf5f1d", "#6b3a2a"

Point = tuple[float, float]


class Brush:
    """Draws shapes given in fox units at a place on the picture; `flip` mirrors them."""

    def __init__(self, pen: ImageDraw.ImageDraw, x: float, y: float, scale: float, flip: bool):
        self._pen, self._x, self._y, self._scale = pen, x, y, scale
        self._mirror = -1.0 if flip else 1.0

    def _place(self, point: Point) -> Point:
        return self._x + self._mirror * point[0] * self._scale, self._y - point[1] * self._scale

    def polygon(self, points: list[Point], colour: str) -> None:
        self._pen.polygon([self._place(point) for point in points], fill=colour)

    def blob(self, corners: list[Point], colour: str) -> None:
        """A closed shape that curves smoothly past its corners (quadratic through their midpoints)."""
        outline = []
        for index, corner in enumerate(corners):
            before, after = corners[index - 1], corners[(index + 1) % len(corners)]
            start = ((before[0] + corner[0]) / 2, (before[1] + corner[1]) / 2)
            end = ((after[0] + corner[0]) / 2, (after[1] + corner[1]) / 2)
            for step in range(12):
                t = step / 12
                outline.append(
                    tuple((1 - t) ** 2 * start[i] + 2 * t * (1 - t) * corner[i] + t * t * end[i] for i in (0, 1))
                )
        self.polygon(outline, colour)

    def ellipse(self, centre: Point, width: float, height: float, colour: str) -> None:
        angles = [2 * math.pi * step / 48 for step in range(48)]
        self.polygon(
            [(centre[0] + width * math.cos(a) / 2, centre[1] + height * math.sin(a) / 2) for a in angles], colour
        )

    def line(self, points: list[Point], width: float, colour: str) -> None:
        self._pen.line(
            [self._place(point) for point in points],
            fill=colour,
            width=max(1, round(width * self._scale)),
            joint="curve",
        )


@dataclass(frozen=True)
class Fox:
    """pose: sitting, standing or portrait. eyes: open, closed or wink. scarf, hat: a colour, or none."""

    pose: str = "sitting"
    eyes: str = "open"
    scarf: str | None = None
    hat: str | None = None
    flip: bool = False

    def draw(self, pen: ImageDraw.ImageDraw, x: float, y: float, height: float) -> None:
        """Draw with the feet (a portrait's lower edge) at (x, y), `height` pixels tall."""
        brush = Brush(pen, x, y, height / 100, self.flip)
        {"sitting": self._sitting, "standing": self._standing, "portrait": self._portrait}[self.pose](brush)

    def _sitting(self, brush: Brush) -> None:
        brush.blob([(8, 2), (34, -2), (54, 10), (52, 36), (38, 46), (36, 30), (30, 16), (8, 16)], ORANGE)
        brush.blob([(46, 24), (54, 24), (53, 38), (37, 50), (36, 34)], CREAM)
        brush.blob([(-26, -1), (26, -1), (27, 22), (15, 58), (-15, 58), (-27, 22)], ORANGE)
        brush.blob([(-11, 14), (11, 14), (15, 56), (-15, 56)], CREAM)
        for side in (-1, 1):
            brush.blob([(side * 3, -2), (side * 14, -2), (side * 13, 28), (side * 4, 28)], SHADE)
            brush.blob([(side * 2, -2), (side * 15, -2), (side * 14, 8), (side * 3, 8)], DARK)
        self._neck(brush, (0, 49), 30)
        self._head(brush, (0, 68), 1.0)

    def _standing(self, brush: Brush) -> None:
        brush.blob([(-38, 34), (-60, 30), (-82, 44), (-84, 66), (-72, 74), (-60, 58), (-38, 50)], ORANGE)
        brush.blob([(-78, 54), (-86, 62), (-82, 78), (-66, 74), (-66, 60)], CREAM)
        for x in (-36, -24, 14, 26):
            brush.polygon([(x, 0), (x + 9, 0), (x + 10, 34), (x - 1, 34)], SHADE if x in (-24, 26) else ORANGE)
            brush.blob([(x - 2, -2), (x + 11, -2), (x + 10, 12), (x - 1, 12)], DARK)
        brush.blob([(-50, 24), (0, 20), (42, 24), (46, 56), (0, 56), (-50, 58)], ORANGE)
        brush.blob([(-20, 22), (34, 22), (38, 34), (0, 30)], CREAM)
        self._neck(brush, (37, 50), 26)
        self._head(brush, (42, 68), 0.92)

    def _portrait(self, brush: Brush) -> None:
        brush.blob([(-50, -10), (50, -10), (46, 22), (20, 42), (-20, 42), (-46, 22)], ORANGE)
        brush.blob([(-22, -10), (22, -10), (24, 40), (-24, 40)], CREAM)
        self._neck(brush, (0, 26), 54)
        self._head(brush, (0, 52), 1.75)

    def _neck(self, brush: Brush, centre: Point, width: float) -> None:
        if self.scarf is None:
            return
        x, y = centre
        brush.blob(
            [
                (x - width / 2 - 4, y - 6),
                (x + width / 2 + 4, y - 6),
                (x + width / 2 + 2, y + 6),
                (x - width / 2 - 2, y + 6),
            ],
            self.scarf,
        )
        brush.polygon([(x + 3, y - 2), (x + 12, y - 4), (x + 15, y - 24), (x + 6, y - 24)], self.scarf)

    def _head(self, brush: Brush, centre: Point, size: float) -> None:
        def at(x: float, y: float) -> Point:
            return centre[0] + x * size, centre[1] + y * size

        for side in (-1, 1):
            brush.polygon([at(side * 25, 4), at(side * 23, 34), at(side * 5, 14)], ORANGE)
            brush.polygon([at(side * 22, 8), at(side * 21, 27), at(side * 10, 14)], INNER_EAR)
            brush.polygon([at(side * 24.2, 20), at(side * 23, 34), at(side * 14.6, 24.6)], DARK)
        brush.blob([at(-34, 2), at(-20, 20), at(20, 20), at(34, 2), at(14, -16), at(0, -22), at(-14, -16)], ORANGE)
        for side in (-1, 1):
            brush.blob([at(side * 1, -4), at(side * 14, 2), at(side * 32, 0), at(side * 14, -16), at(0, -21)], CREAM)
            self._eye(brush, at, side, size)
        brush.ellipse(at(0, -14), 8 * size, 6 * size, NOSE)
        brush.line([at(-5, -18.5), at(0, -19.5), at(5, -18.5)], 1.0 * size, DARK)
        if self.hat is not None:
            brush.polygon([at(-11, 15), at(11, 15), at(0, 42)], self.hat)
            brush.ellipse(at(0, 42), 7 * size, 7 * size, "#ffd95a")

    def _eye(self, brush: Brush, at, side: int, size: float) -> None:
        if self.eyes == "closed" or (self.eyes == "wink" and side == 1):
            arc = [(math.cos(math.radians(angle)), math.sin(math.radians(angle))) for angle in range(180, 361, 15)]
            brush.line([at(side * 11.5 + 4 * x, 3 + 3 * y) for x, y in arc], 1.5 * size, NOSE)
            return
        brush.ellipse(at(side * 11.5, 2), 6.5 * size, 8 * size, NOSE)
        brush.ellipse(at(side * 11.5 + 1, 4), 2.2 * size, 2.6 * size, "#ffffff")
