"""The judge: a small classifier that says what a picture shows. It was trained on drawn pictures, clean and spoilt, never on samples.

It knows the world's subjects, the fox, and "nothing": empty places and formless blobs, so that a smear does not pass for a subject.
"""

import random
from dataclasses import replace

import numpy as np
import torch
from PIL import Image, ImageDraw, ImageFilter
from torch import Tensor, nn
from torch.nn import functional as F

from ..fox import Brush
from .drawn.cards import SHAPES, Card, card_of, combinations
from .drawn.drawing import draw
from .drawn.places import PLACES
from .drawn.subjects import COLOURS, SUBJECTS, tone_of

SIDE = 64  # pictures are judged at this size
NAMES: dict[str, tuple[str, ...]] = {
    "subject": (*SUBJECTS, "fox", ""),
    "colour": (*COLOURS, ""),
    "place": tuple(PLACES),
}
WIDTHS = (32, 64, 96)


class Judge(nn.Module):
    """Scores [n, len(NAMES[head])] for each head, of pictures [n, 3, SIDE, SIDE] of 0 to 1."""

    def __init__(self):
        super().__init__()
        layers: list[nn.Module] = []
        for inputs, outputs in zip((3, *WIDTHS), WIDTHS):
            size, stride = (3, 1) if layers else (5, 2)
            layers += [nn.Conv2d(inputs, outputs, size, stride, padding=size // 2), nn.GroupNorm(8, outputs), nn.ReLU()]
            layers += [nn.Conv2d(outputs, outputs, 3, padding=1), nn.GroupNorm(8, outputs), nn.ReLU(), nn.MaxPool2d(2)]
        self.body = nn.Sequential(*layers)
        self.heads = nn.ModuleDict({name: nn.Linear(WIDTHS[-1] * 16, len(names)) for name, names in NAMES.items()})

    def forward(self, pictures: Tensor) -> dict[str, Tensor]:
        features = self.body(pictures * 2 - 1).flatten(1)
        return {name: head(features) for name, head in self.heads.items()}

    @torch.no_grad()
    def says(self, pictures: Tensor) -> list[dict[str, str]]:
        """What each of the pictures [n, 3, h, w] of 0 to 1 shows."""
        scores = self(resized(pictures))
        best = {name: score.argmax(dim=1).tolist() for name, score in scores.items()}
        return [{name: NAMES[name][best[name][row]] for name in NAMES} for row in range(len(pictures))]


def resized(pictures: Tensor) -> Tensor:
    """Pictures [n, 3, h, w] of any sides as the judge sees them."""
    return F.interpolate(pictures.float().clamp(0, 1), size=(SIDE, SIDE), mode="area")


def spoilt(picture: Image.Image, numbers: random.Random) -> Image.Image:
    """A picture as an autoencoder or a sampler might return it: blurred, coarser, noisy, its colours a little off."""
    width, height = picture.size
    if numbers.random() < 0.4:
        picture = picture.filter(ImageFilter.GaussianBlur(numbers.uniform(0.3, 1.8)))
    if numbers.random() < 0.3:
        by = numbers.uniform(1.2, 3.0)
        coarse = picture.resize((round(width / by), round(height / by)), Image.Resampling.BOX)
        picture = coarse.resize((width, height), Image.Resampling.BICUBIC)
    values = np.asarray(picture, dtype=np.float32)
    if numbers.random() < 0.5:
        values = (values - 128) * numbers.uniform(0.85, 1.12) + 128 + np.array([numbers.uniform(-12, 12) for _ in range(3)])
    if numbers.random() < 0.4:
        noise = np.random.default_rng(numbers.randrange(2**31)).standard_normal(values.shape, dtype=np.float32)
        values = values + noise * numbers.uniform(2, 10)
    return Image.fromarray(values.clip(0, 255).round().astype(np.uint8))


def formless(card: Card, numbers: random.Random) -> Image.Image:
    """The card's place with a smear of its colour where the subject would stand."""
    picture = draw(replace(card, subject=""))
    pen = ImageDraw.Draw(picture)
    tone = tone_of(card.colour)
    x, y = card.at[0] * picture.width, card.at[1] * picture.height
    brush = Brush(pen, x, y, card.height * picture.height / 100, card.flip)
    for _ in range(numbers.randint(1, 4)):
        across, up, size = numbers.uniform(-35, 35), numbers.uniform(10, 80), numbers.uniform(15, 45)
        corners = [(across + numbers.uniform(-size, size), up + numbers.uniform(-size, size)) for _ in range(numbers.randint(4, 8))]
        brush.blob(corners, numbers.choice((tone.main, tone.main, tone.shade, tone.light)))
    return picture.filter(ImageFilter.GaussianBlur(numbers.uniform(0.5, 5)))


def examples(count: int, seed: int, clean: bool = False) -> tuple[Tensor, dict[str, Tensor]]:
    """uint8 [n, 3, SIDE, SIDE] and the right answer of each head, [n].

    Four in five are of the world, one in ten shows the fox, the rest empty places and blobs, for which nothing is the answer.
    """
    numbers = random.Random(seed)
    every, pictures, answers = combinations(), [], []
    for _ in range(count):
        subject, colour, place = numbers.choice(every)
        kind = numbers.random()
        card = card_of((subject, colour, place), numbers)
        if kind < 0.1:
            card = card_of(("fox", "", place), numbers)
        elif kind < 0.14:
            card = replace(card, subject="", colour="", pose="")
        shape = (16, 16) if numbers.random() < 0.7 else numbers.choice(list(SHAPES))
        if 0.14 <= kind < 0.2:
            picture, card = formless(card, numbers), replace(card, subject="", colour="")
        else:
            picture = draw(card, shape)
        if not clean:
            picture = spoilt(picture, numbers)
        pixels = torch.from_numpy(np.array(picture)).permute(2, 0, 1)[None] / 255
        pictures.append((resized(pixels) * 255).round().byte()[0])
        answers.append([NAMES[name].index(getattr(card, name)) for name in NAMES])
    stacked = torch.tensor(answers)
    return torch.stack(pictures), {name: stacked[:, column] for column, name in enumerate(NAMES)}


def learn(judge: Judge, pictures: Tensor, answers: dict[str, Tensor], steps: int, seed: int, batch: int = 64) -> None:
    """Train on examples that lie on the judge's device; reproducible on a CPU."""
    generator = torch.Generator().manual_seed(seed)
    optimizer = torch.optim.AdamW(judge.parameters(), weight_decay=0.02)
    rate = torch.optim.lr_scheduler.OneCycleLR(optimizer, 3e-3, total_steps=steps)
    for _ in range(steps):
        rows = torch.randint(len(pictures), (batch,), generator=generator).to(pictures.device)
        with torch.autocast(pictures.device.type, torch.bfloat16):
            scores = judge(shifted(pictures[rows].float() / 255, generator))
        loss = torch.stack([F.cross_entropy(scores[name].float(), answers[name][rows], label_smoothing=0.02) for name in NAMES]).sum()
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()
        rate.step()


def shifted(pictures: Tensor, generator: torch.Generator) -> Tensor:
    """The pictures moved by up to 3 pixels, all alike; what comes in at the edge repeats it."""
    down, right = torch.randint(0, 7, (2,), generator=generator).tolist()
    return F.pad(pictures, (3, 3, 3, 3), mode="replicate")[..., down : down + SIDE, right : right + SIDE]


def accuracy(judge: Judge, pictures: Tensor, answers: dict[str, Tensor]) -> dict[str, float]:
    """The share of right answers of each head."""
    with torch.no_grad():
        scores = [judge(part.float() / 255) for part in pictures.split(256)]
    return {name: (torch.cat([score[name] for score in scores]).argmax(dim=1) == answers[name]).float().mean().item() for name in NAMES}
