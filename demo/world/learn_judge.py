"""Teach the judge, some minutes on a core: `python -m demo.world.learn_judge` writes judge.npz and prints the accuracy on new pictures."""

import sys
from pathlib import Path

import torch

from .files import JUDGE, read_pack, write_pack
from .judge import Judge, accuracy, examples, learn

COUNT, STEPS, SEED, WEIGHTS_SEED, TESTED = 9000, 1200, 1, 0, 2000


def main(target: Path = JUDGE, count: int = COUNT, steps: int = STEPS) -> dict[str, dict[str, float]]:
    """Accuracy on clean and on spoilt pictures, as the file that was written has it."""
    torch.manual_seed(WEIGHTS_SEED)
    judge = Judge()
    learn(judge, *examples(count, SEED), steps, SEED)
    write_pack(judge.state_dict(), target)
    judge.load_state_dict(read_pack(target))
    found = {kind: accuracy(judge, *examples(TESTED, SEED + 1, clean=kind == "clean")) for kind in ("clean", "spoilt")}
    for kind, shares in found.items():
        print(f"{kind + ':':8}", ", ".join(f"{name} {share:.1%}" for name, share in shares.items()))
    return found


if __name__ == "__main__":
    if len(sys.argv) > 1:
        sys.exit(__doc__)
    main()
