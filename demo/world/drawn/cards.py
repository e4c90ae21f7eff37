"""What a picture of the world shows, drawn at random from a seed; and the combinations that training never sees."""

import random
from dataclasses import dataclass

from .places import PLACES
from .subjects import ANIMALS, COLOURS, POSES, SUBJECTS

#: Sides in latent places (8 pixels each), and how often: the square first.
SHAPES = {(16, 16): 0.5, (18, 14): 0.125, (14, 18): 0.125, (20, 12): 0.125, (12, 20): 0.125}
HELD_OUT_SEED, HELD_OUT_SHARE = 13, 0.2

Combination = tuple[str, str, str]


@dataclass(frozen=True)
class Card:
    """subject: one of SUBJECTS, "fox", or "" for an empty place. colour: one of COLOURS ("" for none and for the fox).

    pose: one of POSES, "" for what has none. height: of the picture's, or of its width where that is less. at: the feet, of its width and
    height. seed: for all that is not judged.
    """

    subject: str
    colour: str
    place: str
    pose: str
    height: float
    at: tuple[float, float]
    flip: bool
    seed: int


def combinations() -> list[Combination]:
    """Every subject in every colour at every place."""
    return [(subject, colour, place) for subject in SUBJECTS for colour in COLOURS for place in PLACES]


def held_out() -> list[Combination]:
    """The combinations fixed beforehand that are not trained on, in a random order."""
    every = combinations()
    return random.Random(HELD_OUT_SEED).sample(every, round(len(every) * HELD_OUT_SHARE))


def taught() -> list[Combination]:
    """All other combinations."""
    apart = set(held_out())
    return [combination for combination in combinations() if combination not in apart]


def card_of(combination: Combination, numbers: random.Random) -> Card:
    """One of the many pictures of a combination; the fox is ("fox", "", place)."""
    subject, colour, place = combination
    pose = numbers.choice(POSES) if subject in ANIMALS or subject == "fox" else ""
    portrait = pose == "portrait"
    return Card(
        subject=subject,
        colour=colour,
        place=place,
        pose=pose,
        height=numbers.uniform(0.66, 0.74) if portrait else numbers.uniform(0.54, 0.68),
        at=(numbers.uniform(0.42, 0.58), 1.0 if portrait else numbers.uniform(0.88, 0.95)),
        flip=numbers.random() < 0.5,
        seed=numbers.randrange(2**31),
    )


def cards(count: int, seed: int, among: list[Combination]) -> list[Card]:
    """`count` cards of the combinations, each as often as the next."""
    numbers = random.Random(seed)
    order = [combination for _ in range(-(-count // len(among))) for combination in numbers.sample(among, len(among))]
    return [card_of(combination, numbers) for combination in order[:count]]
