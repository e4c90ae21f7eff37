"""kill -9 at random moments, up to four times a run: the run goes on to the file that it would have written undisturbed."""

from __future__ import annotations

import random
from collections import Counter
from pathlib import Path

from .runs import Ground, Wholes


def attempt(draw: random.Random, folder: Path, wholes: Wholes) -> Counter[str]:
    ground = Ground.drawn(folder / "ground", draw)
    whole = wholes.of(ground)
    kills = 0
    for _ in range(draw.randint(1, 4)):
        if ground.go_on(kill_after=draw.uniform(0.0, 1.1) * wholes.seconds).kind != "killed":
            break
        kills += 1
    from_state = ground.state.is_file()
    ground.go_on()
    ground.require_whole(whole)
    return Counter({"kills": kills, "resumed" if from_state else "begun anew": 1})
