"""Torments runs for a chosen time, and prints what was tried, what was lost and what was raw; both should be 0.

    python tests/soak/run.py [--seconds 300] [--seed N] [--only kills disks ...]

Every attempt has a seed of its own, which is printed with what went wrong: `--only CAMPAIGN --seed SEED` brings it back first (but for
the moment of a kill, which is the machine's).
"""

import argparse
import importlib
import random
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import conftest  # noqa: F401  registers `pack`

from pack.tests.soak import controls, damage, disks, kills, server
from pack.tests.soak.campaign import soak

CAMPAIGNS = {module.__name__.rpartition(".")[2]: module.attempt for module in (kills, disks, damage, controls, server)}

#: What a run imports, so that not every child does.
LIBRARIES = ("bitsandbytes", "pytorch_optimizer", "transformers.optimization")


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=300.0)
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(10**6))
    parser.add_argument("--only", nargs="+", choices=CAMPAIGNS, default=list(CAMPAIGNS))
    asked = parser.parse_args(arguments)
    for library in LIBRARIES:
        importlib.import_module(library)
    print(f"seed {asked.seed}, {asked.seconds:.0f} s: {', '.join(asked.only)}", flush=True)
    tally = soak({name: CAMPAIGNS[name] for name in asked.only}, asked.seconds, asked.seed)
    print("\n".join(tally.lines()))
    return 1 if tally.bad else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
