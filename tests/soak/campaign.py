"""Attempts in turn until the time is over, each with draws and a folder of its own."""

from __future__ import annotations

import random
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Mapping
from pathlib import Path

from .runs import Wholes
from .tally import Lost, Raw, Tally

#: (draws, an empty folder, the final files of undisturbed runs) -> what happened, counted. Raises Lost or Raw.
Attempt = Callable[[random.Random, Path, Wholes], Counter[str]]


def soak(campaigns: Mapping[str, Attempt], seconds: float, seed: int) -> Tally:
    """Each campaign is tried at least once, in turn, the n-th time with the seed `seed + n`."""
    tally, names, until = Tally(), list(campaigns), time.monotonic() + seconds
    with tempfile.TemporaryDirectory() as base:
        wholes, number = Wholes(Path(base)), 0
        while number < len(names) or time.monotonic() < until:
            name, own = names[number % len(names)], seed + number // len(names)
            number += 1
            with tempfile.TemporaryDirectory(dir=base) as folder:
                try:
                    tally.add(name, campaigns[name](random.Random(f"{name} {own}"), Path(folder), wholes))
                except (Lost, Raw) as problem:
                    tally.add_bad(name, own, problem)
    return tally
