"""Torments runs for a chosen time, and prints what was tried, what was lost and what was raw; both should be 0.

    python tests/soak/run.py [--seconds 300] [--seed N] [--only kills disks ...]

Every attempt has a seed of its own, which is printed with what went wrong: `--only CAMPAIGN --seed SEED` brings it back first.
"""

from __future__ import annotations

import argparse
import importlib
import random
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import conftest  # noqa: E402, F401  registers `pack`
import torch  # noqa: E402
from pack.tests.soak import controls, disks, kills, server  # noqa: E402
from pack.tests.soak.runs import Wholes  # noqa: E402
from pack.tests.soak.tally import Lost, Raw, Tally  # noqa: E402

Attempt = Callable[[random.Random, Path, Wholes], Counter[str]]
CAMPAIGNS: dict[str, Attempt] = {"kills": kills.attempt, "controls": controls.attempt, "disks": disks.attempt, "server": server.attempt}

#: Imported once, and not in every child.
LIBRARIES = ("bitsandbytes", "pytorch_optimizer", "transformers.optimization")


def soak(seconds: float, seed: int, names: list[str]) -> Tally:
    """Campaigns in turn, until the time is over; each is tried at least once."""
    tally, until = Tally(), time.monotonic() + seconds
    with tempfile.TemporaryDirectory() as base:
        wholes, number = Wholes(Path(base)), 0
        while number < len(names) or time.monotonic() < until:
            name, own = names[number % len(names)], seed + number // len(names)
            number += 1
            with tempfile.TemporaryDirectory(dir=base) as folder:
                try:
                    tally.add(name, CAMPAIGNS[name](random.Random(f"{name} {own}"), Path(folder), wholes))
                except (Lost, Raw) as problem:
                    tally.add_bad(name, str(own), problem)
    return tally


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=300.0)
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(10**6))
    parser.add_argument("--only", nargs="+", choices=CAMPAIGNS, default=list(CAMPAIGNS))
    asked = parser.parse_args(arguments)
    torch.set_num_threads(1)  # what is forked must have no threads
    for library in LIBRARIES:
        importlib.import_module(library)
    print(f"seed {asked.seed}, {asked.seconds:.0f} s: {', '.join(asked.only)}", flush=True)
    tally = soak(asked.seconds, asked.seed, asked.only)
    print("\n".join(tally.lines()))
    return 1 if tally.bad else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
