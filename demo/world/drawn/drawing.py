"""Cards drawn: one by one, or many on all cores."""

import os
import random
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_all_start_methods, get_context

import numpy as np
from PIL import Image, ImageDraw

from ...fox import Brush, Fox
from .cards import Card
from .places import SMOOTHING, backdrop
from .subjects import SUBJECTS, hexadecimal, tone_of

PIXELS = 8  # of a latent place


def draw(card: Card, shape: tuple[int, int] = (16, 16)) -> Image.Image:
    """The picture, RGB. shape: width and height in latent places."""
    width, height = shape[0] * PIXELS, shape[1] * PIXELS
    numbers = random.Random(card.seed)
    picture = backdrop(card.place, width, height, numbers)
    pen = ImageDraw.Draw(picture)
    x, y = card.at[0] * picture.width, card.at[1] * picture.height
    size = card.height * min(picture.height, 1.05 * picture.width)
    if card.subject == "fox":
        Fox(card.pose, numbers.choice(("open", "open", "closed", "wink")), flip=card.flip).draw(pen, x, y, size)
    elif card.subject:
        SUBJECTS[card.subject](Brush(pen, x, y, size / 100, card.flip), tone_of(card.colour), card.pose)
    return picture.resize((width, height), Image.Resampling.BOX)


def _pixels(cards: list[Card], shape: tuple[int, int]) -> np.ndarray:
    return np.stack([np.asarray(draw(card, shape)) for card in cards])


def draw_all(cards: list[Card], shape: tuple[int, int] = (16, 16), workers: int | None = None) -> np.ndarray:
    """uint8 [n, height, width, 3] in pixels, in the cards' order."""
    workers = workers or os.cpu_count() or 1
    if workers == 1 or len(cards) < 64:
        return _pixels(cards, shape)
    pieces = [cards[start : start + 64] for start in range(0, len(cards), 64)]
    # Forked where that is possible: the children touch neither torch nor a card, and need not import anything again.
    with ProcessPoolExecutor(workers, mp_context=get_context("fork" if "fork" in get_all_start_methods() else None)) as pool:
        return np.concatenate(list(pool.map(_pixels, pieces, [shape] * len(pieces))))


def doodles(count: int, seed: int, shape: tuple[int, int] = (16, 16)) -> np.ndarray:
    """Pictures of nothing, uint8 [n, height, width, 3]: blobs of any colour, so that an autoencoder sees more than the world."""
    numbers = random.Random(seed)
    width, height = shape[0] * PIXELS, shape[1] * PIXELS

    def colour() -> tuple[int, int, int]:
        return numbers.randrange(256), numbers.randrange(256), numbers.randrange(256)

    found = []
    for _ in range(count):
        picture = Image.new("RGB", (width * SMOOTHING, height * SMOOTHING), colour())
        pen = ImageDraw.Draw(picture)
        for _ in range(numbers.randint(3, 14)):
            x, y, size = numbers.uniform(0, picture.width), numbers.uniform(0, picture.height), numbers.uniform(0.05, 0.5)
            brush = Brush(pen, x, y, size * picture.height / 100, False)
            corners = [(numbers.uniform(-60, 60), numbers.uniform(-60, 60)) for _ in range(numbers.randint(3, 7))]
            numbers.choice((brush.blob, brush.polygon))(corners, hexadecimal(colour()))
        found.append(np.asarray(picture.resize((width, height), Image.Resampling.BOX)))
    return np.stack(found)
