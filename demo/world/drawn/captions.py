"""The world's small grammar: what a card is called, and the words as CLIP's tokens.

Every word is one token of CLIP's vocabulary, so nothing has to be split and training needs no tokenizer; a test holds the numbers
against ComfyUI's. Words outside the grammar are strewn in while training: the base learns to take no notice of what it does not know.
"""

import random

from .cards import Card

START, END, VOCABULARY, LENGTH = 49406, 49407, 49408, 77
WORDS = {
    "a": 320, "the": 518, "in": 530, "on": 525, "at": 536, "of": 539, ",": 267, "picture": 1674,
    "cat": 2368, "rabbit": 10274, "bear": 4298, "duck": 6910, "car": 1615, "house": 1212, "mushroom": 13011, "rocket": 8383,
    "red": 736, "yellow": 4481, "green": 1901, "blue": 1746, "purple": 5496, "pink": 3360,
    "sitting": 4919, "standing": 2862, "portrait": 5352,
    "meadow": 17195, "night": 930, "snow": 2583, "beach": 2117, "desert": 7301, "city": 1305, "forest": 4167, "autumn": 6110,
    "mountain": 3965, "simple": 4129, "background": 5994, "sea": 2102, "volcano": 14581, "room": 1530,
}  # fmt: skip
#: Token numbers in the order of the rows that are trained.
TOKENS = (START, END, *WORDS.values())
WHERE = {
    "meadow": "in the meadow", "night": "at night", "snow": "in the snow", "beach": "on the beach", "desert": "in the desert",
    "city": "in the city", "forest": "in the forest", "autumn": "in autumn", "mountain": "on the mountain",
    "background": "on a simple background", "sea": "in the sea", "volcano": "at the volcano", "room": "in a room",
}  # fmt: skip


def caption(card: Card) -> str:
    """The plain form: "a red cat sitting in the snow", "portrait of a red cat at night", "a blue car on the beach", "the sea"."""
    return _caption(card.subject, card.colour, card.place, card.pose)


def _caption(subject: str, colour: str, place: str, pose: str) -> str:
    if not subject and not colour:
        return f"a picture {WHERE[place]}" if place else "a picture"
    words = f"a {colour} {subject or 'picture'}" if colour else f"a {subject}"
    words = f"portrait of {words}" if pose == "portrait" else f"{words} {pose}" if pose else words
    return f"{words} {WHERE[place]}" if place else words


def varied(card: Card, numbers: random.Random) -> str:
    """A caption for training: now and then turned round, in tags, or without the subject, the colour, the place or the pose."""
    parts = [card.subject, card.colour, card.place, card.pose]
    lost = numbers.random()
    for index, share in ((0, 0.05), (1, 0.1), (2, 0.15), (3, 0.35)):
        if lost < share:
            parts[index] = ""
            break
    subject, colour, place, pose = parts
    form = numbers.random()
    if form < 0.7 or not (subject and place):
        return _caption(subject, colour, place, pose)
    if form < 0.85:
        return f"{WHERE[place]} , {_caption(subject, colour, '', pose)}"
    tags = [part for part in (subject, colour, place, pose) if part]
    return " , ".join(numbers.sample(tags, len(tags)))


def tokens(text: str) -> list[int]:
    """The token numbers between START and END. Raises KeyError for a word outside the grammar."""
    return [WORDS[word] for word in text.replace(",", " , ").split()]


def strewn(numbers: random.Random, known: list[int], most: int = 6) -> list[int]:
    """`known` with one to `most` tokens from outside the grammar among them."""
    words = list(known)
    for _ in range(numbers.randint(1, most)):
        words.insert(numbers.randint(0, len(words)), numbers.randrange(START - 1))
    return words
