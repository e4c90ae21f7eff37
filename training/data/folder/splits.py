"""Which pictures are held out for validation, and how often regularisation pictures are seen."""

from __future__ import annotations

from dataclasses import replace

from ...seeds import mix_seed
from ..dataset import REGULARISATION, TRAINING, VALIDATION, Sample


def hold_out(samples: list[Sample], fraction: float) -> list[Sample]:
    """Mark `fraction` of the training pictures (at least one of two or more) as validation.

    The choice follows the file names: adding pictures hardly changes it, and each rerun holds out the same.
    """
    candidates = [s for s in samples if s.role == TRAINING]
    if fraction <= 0 or len(candidates) < 2:
        return samples
    count = min(max(1, round(fraction * len(candidates))), len(candidates) - 1)
    chosen = set(sorted({s.name for s in candidates}, key=lambda name: mix_seed("validation", name))[:count])
    return [
        replace(s, role=VALIDATION, repeats=1) if s.role == TRAINING and s.name in chosen else s for s in samples
    ]


def balance_regularisation(samples: list[Sample]) -> list[Sample]:
    """Give regularisation pictures as many draws an epoch as all training pictures have, as kohya does.

    Too many: the first ones are used. Too few: their repeats are raised one by one, in order.
    """
    wanted = sum(s.repeats for s in samples if s.role == TRAINING)
    classes = [i for i, s in enumerate(samples) if s.role == REGULARISATION]
    if not classes or not wanted:
        return samples
    repeats, draws = dict.fromkeys(classes, 0), 0
    for i in classes:
        if draws < wanted:
            repeats[i] = samples[i].repeats
            draws += repeats[i]
    while draws < wanted:
        for i in classes:
            if draws < wanted:
                repeats[i] += 1
                draws += 1
    return [
        replace(s, repeats=repeats[i]) if i in repeats else s for i, s in enumerate(samples) if repeats.get(i, 1) > 0
    ]
