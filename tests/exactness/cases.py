"""At most 40 runs that hold every pair of these settings, of a narrow SD1.5; and the runs of full width."""

from __future__ import annotations

from itertools import combinations, product

from pack.training.network.kinds.menu import ALGORITHMS

from .measure import Run

SETTINGS: dict[str, tuple] = {
    "algorithm": ALGORITHMS, "optimizer": ("AdamW", "AdamW8bit", "Prodigy"), "batch": (1, 2), "accumulation": (1, 2),
    "bucket": ((128, 128), (128, 192), (256, 192)), "recompute": ("none", "cheap", "all"), "precision": ("fp32", "bf16", "fp16"),
}
NARROW = (("model_channels", 32),)
_ONE_AND_ONE = (("depth", 1), ("depth_single_blocks", 1))
_TWO_AND_TWO = (("depth", 2), ("depth_single_blocks", 2))

FULL = {
    "sd15": [Run(family="sd15", bucket=(512, 512), recompute=recompute) for recompute in ("none", "cheap", "all")],
    "sdxl": [Run(family="sdxl", bucket=(512, 512), recompute=recompute, precision="bf16") for recompute in ("none", "cheap", "all")],
    "flux": [Run(family="flux", config=depth, bucket=(512, 512), recompute=recompute, precision="bf16")
             for depth in (_ONE_AND_ONE, _TWO_AND_TWO) for recompute in ("none", "all")],
}


def cases() -> list[Run]:
    """Kinds and optimizers in full, the rest such that each run brings the most pairs that no run before it had; then what is left."""
    names = list(SETTINGS)
    seen: set[tuple] = set()
    found = []
    for first in product(*list(SETTINGS.values())[:2]):
        rows = (dict(zip(names, (*first, *rest), strict=True)) for rest in product(*list(SETTINGS.values())[2:]))
        row = max(rows, key=lambda row: len(pairs(row) - seen))
        seen |= pairs(row)
        found.append(row)
    for one, other in combinations(names, 2):
        for pair in product(*([(name, value) for value in SETTINGS[name]] for name in (one, other))):
            if pair not in seen:
                found.append({name: values[0] for name, values in SETTINGS.items()} | dict(pair))
                seen |= pairs(found[-1])
    return [Run(family="sd15", config=NARROW, **row) for row in found]


def pairs(row: dict) -> set[tuple]:
    """Every two of its settings."""
    return set(combinations(row.items(), 2))
