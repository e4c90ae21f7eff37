"""The animals and things of the world, each of one colour with fixed accents, in the units of the fox (`demo/fox.py`).

About 100 units tall, feet at (0, 0). Silhouettes differ in the large, so that they survive an eightfold smaller latent.
"""

from collections.abc import Callable
from dataclasses import dataclass

from PIL import ImageColor

from ...fox import Brush

CREAM, DARK, GLASS, BEAK, FLAME = "#fff3e2", "#2a2026", "#cfeaf7", "#f5a021", "#ffb02e"
COLOURS = {
    "red": "#d8322a", "yellow": "#f4cd2c", "green": "#35a045", "blue": "#2c62d4", "purple": "#7d37b5", "pink": "#f77fb4",
}  # fmt: skip


@dataclass(frozen=True)
class Tone:
    """A colour, darker and lighter."""

    main: str
    shade: str
    light: str


def tone_of(colour: str) -> Tone:
    """The tones of one of COLOURS."""
    rgb = ImageColor.getrgb(COLOURS[colour])
    shade, light = (hexadecimal(tuple(round(c + (target - c) * by) for c in rgb)) for target, by in ((0, 0.28), (255, 0.45)))
    return Tone(COLOURS[colour], shade, light)


def hexadecimal(rgb: tuple[int, ...]) -> str:
    """(255, 0, 16) as "#ff0010"."""
    return "#" + bytes(rgb).hex()


Drawer = Callable[[Brush, Tone, str], None]


def _body(brush: Brush, tone: Tone, pose: str, tail: Callable[[float, float], None], low: float = 0.0) -> tuple[float, float, float]:
    """Body, legs and `tail` (told where it grows); returns the head's x, y and size. low: how much lower than usual it sits."""
    if pose == "portrait":
        brush.blob([(-46, -10), (46, -10), (42, 18), (18, 36), (-18, 36), (-42, 18)], tone.main)
        brush.blob([(-20, -10), (20, -10), (22, 32), (-22, 32)], tone.light)
        return 0, 50 - 1.6 * low, 1.6
    if pose == "sitting":
        tail(18, 8)
        brush.blob([(-30, -2), (30, -2), (31, 22), (17, 58 - low), (-17, 58 - low), (-31, 22)], tone.main)
        brush.blob([(-13, 12), (13, 12), (15, 54 - low), (-15, 54 - low)], tone.light)
        for side in (-1, 1):
            brush.ellipse((side * 15, 3), 22, 11, tone.shade)
        return 0, 68 - low, 1.0
    tail(-44, 44)
    for x in (-40, -25, 12, 27):
        brush.blob([(x - 3, -2), (x + 13, -2), (x + 12, 36), (x - 2, 36)], tone.shade if x in (-25, 27) else tone.main)
    brush.blob([(-52, 22), (0, 18), (44, 22), (48, 54), (0, 56), (-52, 58)], tone.main)
    brush.blob([(-22, 20), (32, 21), (36, 32), (0, 29)], tone.light)
    return 42, 68 - low, 0.94


def _face(brush: Brush, tone: Tone, x: float, y: float, size: float, width: float = 62, height: float = 46) -> None:
    """A round head with eyes, a muzzle and a nose."""
    brush.ellipse((x, y), width * size, height * size, tone.main)
    brush.ellipse((x, y - 9 * size), 28 * size, 22 * size, CREAM)
    for side in (-1, 1):
        brush.ellipse((x + side * 14 * size, y + 5 * size), 8 * size, 10 * size, DARK)
    brush.ellipse((x, y - 5 * size), 10 * size, 7 * size, DARK)


def cat(brush: Brush, tone: Tone, pose: str) -> None:
    """Pointed ears, a long thin tail that stands up."""

    def tail(x: float, y: float) -> None:
        away = 1 if x > 0 else -1
        brush.line([(x, y), (x + away * 26, y + 4), (x + away * 30, y + 30), (x + away * 20, y + 52)], 9, tone.main)

    x, y, size = _body(brush, tone, pose, tail)
    for side in (-size, size):
        brush.polygon([(x + 30 * side, y + 2), (x + 27 * side, y + 40 * size), (x + 4 * side, y + 18 * size)], tone.main)
        brush.polygon([(x + 26 * side, y + 8), (x + 24 * side, y + 31 * size), (x + 11 * side, y + 17 * size)], tone.light)
    _face(brush, tone, x, y, size)


def rabbit(brush: Brush, tone: Tone, pose: str) -> None:
    """Two long upright ears, a white bob of a tail."""
    x, y, size = _body(brush, tone, pose, lambda x, y: brush.ellipse((x * 1.5, y + 4), 22, 22, CREAM), low=16)
    for side in (-1, 1):
        brush.ellipse((x + side * 13 * size, y + 34 * size), 19 * size, 56 * size, tone.main)
        brush.ellipse((x + side * 13 * size, y + 34 * size), 9 * size, 42 * size, tone.light)
    _face(brush, tone, x, y, size, width=52, height=44)


def bear(brush: Brush, tone: Tone, pose: str) -> None:
    """Round ears far apart, a broad head, hardly a tail."""
    x, y, size = _body(brush, tone, pose, lambda x, y: brush.ellipse((x * 1.2, y), 14, 14, tone.shade))
    for side in (-1, 1):
        brush.ellipse((x + side * 27 * size, y + 20 * size), 26 * size, 26 * size, tone.main)
        brush.ellipse((x + side * 27 * size, y + 20 * size), 14 * size, 14 * size, tone.shade)
    _face(brush, tone, x, y, size, width=72, height=54)


def duck(brush: Brush, tone: Tone, _pose: str) -> None:
    """Seen from the side: a boat of a body, a round head, a beak."""
    for x in (-10, 12):
        brush.line([(x, 0), (x, 18)], 6, BEAK)
        brush.ellipse((x + 4, 2), 18, 6, BEAK)
    brush.blob([(-66, 58), (-50, 20), (0, 8), (44, 22), (44, 50), (10, 52), (-30, 44)], tone.main)
    brush.blob([(-40, 42), (-28, 22), (8, 22), (18, 44)], tone.shade)
    brush.ellipse((34, 72), 44, 44, tone.main)
    brush.blob([(50, 76), (82, 72), (82, 62), (50, 60)], BEAK)
    brush.ellipse((40, 78), 8, 10, DARK)


def car(brush: Brush, tone: Tone, _pose: str) -> None:
    """Seen from the side: two wheels, a cabin with windows."""
    brush.blob([(-50, 38), (-34, 76), (30, 76), (50, 38)], tone.main)
    brush.polygon([(-32, 40), (-24, 62), (-3, 62), (-3, 40)], GLASS)
    brush.polygon([(3, 40), (3, 62), (20, 62), (31, 40)], GLASS)
    brush.blob([(-82, 12), (78, 12), (78, 40), (50, 46), (-60, 46), (-82, 40)], tone.main)
    brush.polygon([(-68, 14), (66, 14), (66, 20), (-68, 20)], tone.shade)
    for x in (-40, 40):
        brush.ellipse((x, 13), 34, 34, DARK)
        brush.ellipse((x, 13), 14, 14, CREAM)


def house(brush: Brush, tone: Tone, _pose: str) -> None:
    """Walls of the colour under a darker gable, a door between two windows."""
    brush.polygon([(24, 70), (38, 70), (38, 104), (24, 104)], tone.shade)
    brush.polygon([(-46, 0), (46, 0), (46, 60), (-46, 60)], tone.main)
    brush.polygon([(-58, 56), (58, 56), (0, 104)], tone.shade)
    brush.polygon([(-10, 0), (10, 0), (10, 32), (-10, 32)], DARK)
    for x in (-37, 19):
        brush.polygon([(x, 24), (x + 18, 24), (x + 18, 44), (x, 44)], GLASS)


def mushroom(brush: Brush, tone: Tone, _pose: str) -> None:
    """A cap of the colour with pale dots on a pale stem."""
    brush.blob([(-24, -4), (24, -4), (18, 20), (18, 56), (-18, 56), (-18, 20)], CREAM)
    brush.blob([(-66, 36), (66, 36), (62, 74), (30, 104), (-30, 104), (-62, 74)], tone.main)
    for x, y, size in ((-34, 62, 20), (2, 82, 24), (36, 58, 18), (2, 52, 13)):
        brush.ellipse((x, y), size, size * 0.8, CREAM)


def rocket(brush: Brush, tone: Tone, _pose: str) -> None:
    """Upright, with fins, a window, a darker tip and a flame."""
    brush.blob([(-12, 16), (12, 16), (6, 2), (0, -8), (-6, 2)], FLAME)
    for side in (-1, 1):
        brush.polygon([(side * 14, 14), (side * 42, 6), (side * 36, 34), (side * 16, 50)], tone.shade)
    brush.blob([(-20, 12), (20, 12), (25, 50), (16, 84), (0, 112), (-16, 84), (-25, 50)], tone.main)
    brush.blob([(-13, 84), (13, 84), (5, 104), (0, 112), (-5, 104)], tone.shade)
    brush.ellipse((0, 58), 24, 24, CREAM)
    brush.ellipse((0, 58), 16, 16, GLASS)


#: Those with poses, and those without.
ANIMALS: dict[str, Drawer] = {"cat": cat, "rabbit": rabbit, "bear": bear}
THINGS: dict[str, Drawer] = {"duck": duck, "car": car, "house": house, "mushroom": mushroom, "rocket": rocket}
SUBJECTS = ANIMALS | THINGS
POSES = ("sitting", "standing", "portrait")
