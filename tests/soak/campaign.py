"""Attempts until the time is over, each with draws and a folder of its own."""

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
    """Each campaign is tried at least once and has as much of the time as the others; its n-th attempt has the seed `seed + n`."""
    tally, started = Tally(), time.monotonic()
    spent, tried = dict.fromkeys(campaigns, 0.0), Counter[str]()
    with tempfile.TemporaryDirectory() as base:
        wholes = Wholes(Path(base))
        while len(tried) < len(campaigns) or time.monotonic() < started + seconds:
            name = min(campaigns, key=lambda each: spent[each])
            own, before = seed + tried[name], time.monotonic()
            with tempfile.TemporaryDirectory(dir=base) as folder:
                try:
                    tally.add(name, campaigns[name](random.Random(f"{name} {own}"), Path(folder), wholes))
                except (Lost, Raw) as problem:
                    tally.add_bad(name, own, problem)
            tried[name] += 1
            spent[name] += time.monotonic() - before
    return tally
