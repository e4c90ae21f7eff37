"""Draws the card of every workflow that the template browser shows: what it is for in large letters, and what comes out of it.

`python -m demo.shipped.cards`. The pictures are README's of the demo's run (docs/img/fox.jpg) and the drawings that it was shown.
"""

from collections.abc import Callable
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont, ImageOps

from ..grid import BACKGROUND, TEXT
from ..pictures import DATASET

ROOT = Path(__file__).resolve().parents[2]
SIDE, EDGE, GAP = 480, 20, 14
ACCENT, MUTED, PANEL = "#74b9ff", "#8b8b95", "#2b2b31"
#: README's grid: its cells' side, the place of the first and from one to the next; columns are steps, rows prompts.
CELL, FIRST, PITCH = 193, (5, 23), 199.2
STEPS = 5


class Card:
    """A picture with a title, and a pen for what is below it."""

    def __init__(self, title: str, below: str = ""):
        self.image = Image.new("RGB", (SIDE, SIDE), BACKGROUND)
        self.pen = ImageDraw.Draw(self.image)
        size = 60
        while self.pen.textlength(title, ImageFont.load_default(size)) > SIDE - 2 * EDGE:
            size -= 2
        self.write((SIDE / 2, 62), title, size, TEXT)
        self.write((SIDE / 2, SIDE - 40), below, 27, MUTED)

    def write(self, middle: tuple[float, float], text: str, size: int, colour: str) -> None:
        self.pen.text(middle, text, fill=colour, font=ImageFont.load_default(size), anchor="mm")

    def put(self, picture: Image.Image, at: tuple[float, float], side: float) -> None:
        """Cut to a square of that side."""
        self.image.paste(ImageOps.fit(picture, (round(side), round(side)), Image.Resampling.LANCZOS), (round(at[0]), round(at[1])))

    def arrow(self, start: float, end: float, y: float) -> None:
        self.pen.line([(start, y), (end - 10, y)], ACCENT, 6)
        self.pen.polygon([(end, y), (end - 16, y - 13), (end - 16, y + 13)], ACCENT)


def learned(row: int, step: int) -> Image.Image:
    """A preview of the demo's run: 0 is the first step, STEPS - 1 the last."""
    with Image.open(ROOT / "docs" / "img" / "fox.jpg") as grid:
        x, y = FIRST[0] + step * PITCH, FIRST[1] + row * PITCH
        return grid.convert("RGB").crop((round(x), round(y), round(x + CELL), round(y + CELL)))


def shown(name: str) -> Image.Image:
    """One of the drawings that the demo's run is shown."""
    with Image.open(ROOT / "demo" / "pictures" / DATASET / f"{name}.png") as picture:
        return picture.convert("RGB")


def training(title: str, row: int, below: str = "the demo's fox, before and after") -> Image.Image:
    """The same prompt and noise before training and after it."""
    card, side = Card(title, below), 190
    card.put(learned(row, 0), (EDGE, 160), side)
    card.put(learned(row, STEPS - 1), (SIDE - EDGE - side, 160), side)
    card.arrow(EDGE + side + 8, SIDE - EDGE - side - 8, 160 + side / 2)
    return card.image


def captions() -> Image.Image:
    card = Card("Captions", "a text for every picture")
    for number, (name, lines) in enumerate({"beach": ("fox, beach,", "palm tree"), "night": ("fox, night,", "moon, stars")}.items()):
        y = 122 + number * 148
        card.put(shown(name), (EDGE, y), 134)
        for line, text in enumerate(lines):
            card.pen.text((EDGE + 134 + 18, y + 24 + 44 * line), text, fill=TEXT, font=ImageFont.load_default(36))
    return card.image


def checkpoints() -> Image.Image:
    card, side = Card("Checkpoints", "which step is the best?"), 126
    for column, step in enumerate((1, 2, 4)):
        x = EDGE + 17 + column * (side + GAP)
        card.write((x + side / 2, 128), f"step {step * 40}", 25, ACCENT)
        for row, prompt in enumerate((0, 2)):
            card.put(learned(prompt, step), (x, 148 + row * (side + 8)), side)
    return card.image


def kinds() -> Image.Image:
    card = Card("Kinds of LoRA", "how many numbers each trains")
    for number, name in enumerate(("lora", "lokr", "oft", "ia3", "dylora")):
        y = 118 + number * 62
        card.pen.rounded_rectangle((EDGE, y, SIDE - EDGE, y + 52), 12, PANEL)
        card.write((SIDE / 2, y + 26), name, 32, TEXT)
    return card.image


def resumed() -> Image.Image:
    """A loss that falls, a break, and how it goes on."""
    card = Card("Resume", "goes on where it stopped")
    curve = [(EDGE + 10 + 21 * n, 150 + 220 * (1 - 0.86**n) + (9 if n % 2 else -9)) for n in range(21)]
    card.pen.line(curve[:11], MUTED, 7, joint="curve")
    card.pen.line(curve[10:], ACCENT, 7, joint="curve")
    x = curve[10][0]
    for at in (x - 16, x + 4):
        card.pen.rectangle((at, 180, at + 12, 236), TEXT)
    return card.image


def continued() -> Image.Image:
    card, side = Card("Go on from a LoRA", "your LoRA learns more"), 190
    card.put(learned(2, 1), (EDGE, 160), side)
    card.put(learned(2, STEPS - 1), (SIDE - EDGE - side, 160), side)
    card.arrow(EDGE + side + 8, SIDE - EDGE - side - 8, 160 + side / 2)
    return card.image


def from_the_graph() -> Image.Image:
    card, small, side = Card("Images of the graph", "made, cut or loaded by other nodes"), 128, 210
    for number, name in enumerate(("meadow", "hat")):
        card.put(shown(name), (EDGE, 130 + number * (small + GAP)), small)
    card.put(learned(0, STEPS - 1), (SIDE - EDGE - side, 155), side)
    card.arrow(EDGE + small + 14, SIDE - EDGE - side - 14, 260)
    return card.image


CARDS: dict[str, Callable[[], Image.Image]] = {
    "Caption a folder": captions, "Compare checkpoints": checkpoints, "Compare kinds of network": kinds, "Resume a run": resumed,
    "Go on from a LoRA": continued, "Train on images of the graph": from_the_graph,
    "Train Wan 2.2 LoRA on pictures": lambda: training("Wan 2.2", 1, "trained on pictures"),
}


def main() -> None:
    for row, path in enumerate(sorted((ROOT / "workflows").glob("*.json"))):
        family = path.stem.removeprefix("Train ").removesuffix(" LoRA")
        image = CARDS[path.stem]() if path.stem in CARDS else training(family, row % 3)
        image.save(path.with_suffix(".jpg"), "JPEG", quality=85, optimize=True)


if __name__ == "__main__":
    main()
