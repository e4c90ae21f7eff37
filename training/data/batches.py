"""The draws of a run, in their sequence: a pure function of (seed, epoch), so any step can be asked for without replaying.

An epoch holds every item `repeats` times. Draws are shuffled, put into batches that never mix buckets,
and the batches are shuffled. `gradient_accumulation` consecutive batches make one update; a group never
spans two epochs, so the last of an epoch may be short (kohya's sd-scripts counts the same way).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import count

import torch

from ..seeds import mix_seed


@dataclass(frozen=True, slots=True)
class Draw:
    """One appearance of an item in an epoch. Its seed does not depend on batch size or accumulation. `step` is the index of the update
    that it is drawn for, from 0; None outside of training."""

    item: int
    repeat: int
    epoch: int
    seed: int
    step: int | None = field(default=None, compare=False)


def draw_seed(seed: int, epoch: int, item: int, repeat: int) -> int:
    """The seed of an item's appearance in an epoch: what its caption, crop, noise and timestep follow."""
    return mix_seed("draw", seed, epoch, item, repeat)


class BatchPlan:
    """`buckets[i]`, (width, height) or (width, height, frames), and `repeats[i]` describe item i; items of equal bucket may
    share a batch. `at_once` is how many are computed together at most (None: a batch)."""

    def __init__(
        self,
        buckets: Sequence[tuple[int, ...]],
        repeats: Sequence[int],
        *,
        batch_size: int,
        accumulation: int,
        seed: int,
        at_once: int | None = None,
    ):
        if not buckets:
            raise ValueError("a plan needs at least one item")
        self._buckets = list(buckets)
        self._repeats = list(repeats)
        self.batch_size = batch_size
        self.accumulation = accumulation
        self.seed = seed
        self._at_once = at_once or batch_size
        self.batches_per_epoch = sum(math.ceil(n / batch_size) for n in self.bucket_counts().values())
        self.steps_per_epoch = math.ceil(self.batches_per_epoch / accumulation)
        self._epoch = lru_cache(maxsize=2)(self._make_epoch)

    def bucket_counts(self) -> dict[tuple[int, ...], int]:
        """Draws an epoch in each bucket, in order of first appearance."""
        counts: dict[tuple[int, ...], int] = {}
        for bucket, repeats in zip(self._buckets, self._repeats, strict=True):
            counts[bucket] = counts.get(bucket, 0) + repeats
        return counts

    def group(self, step: int) -> list[list[Draw]]:
        """The micro-batches of the update with index `step` (from 0)."""
        epoch, position = divmod(step, self.steps_per_epoch)
        start = position * self.accumulation
        return [
            [Draw(item, repeat, epoch, draw_seed(self.seed, epoch, item, repeat), step) for item, repeat in batch]
            for batch in self._epoch(epoch)[start : start + self.accumulation]
        ]

    def cut(self, group: Sequence[Sequence[Draw]]) -> list[list[tuple[int, Draw]]]:
        """The micro-batches in which a group is computed; each draw with its place in the group, wherever it has come to."""
        places = count()
        batches = [[(next(places), draw) for draw in batch] for batch in group]
        if self._at_once == self.batch_size:
            return batches
        by_bucket: dict[tuple[int, ...], list[tuple[int, Draw]]] = {}
        for batch in batches:
            by_bucket.setdefault(self._buckets[batch[0][1].item], []).extend(batch)
        return [placed[start : start + self._at_once] for placed in by_bucket.values() for start in range(0, len(placed), self._at_once)]

    def _make_epoch(self, epoch: int) -> list[list[tuple[int, int]]]:
        """Batches of (item, repeat)."""
        draws = [(item, repeat) for item, repeats in enumerate(self._repeats) for repeat in range(repeats)]
        generator = torch.Generator().manual_seed(mix_seed("order", self.seed, epoch))
        by_bucket: dict[tuple[int, ...], list[tuple[int, int]]] = {}
        for index in torch.randperm(len(draws), generator=generator).tolist():
            by_bucket.setdefault(self._buckets[draws[index][0]], []).append(draws[index])
        batches = [
            members[start : start + self.batch_size]
            for _, members in sorted(by_bucket.items(), key=lambda entry: str(entry[0]))
            for start in range(0, len(members), self.batch_size)
        ]
        return [batches[i] for i in torch.randperm(len(batches), generator=generator).tolist()]
