"""Randomness as a function of names and numbers: the one rule by which everything that is drawn gets its seed."""

from __future__ import annotations

import hashlib


def mix_seed(*parts: int | float | str) -> int:
    """A 63-bit seed from several numbers or names; nearby inputs give unrelated seeds."""
    digest = hashlib.sha256("/".join(map(str, parts)).encode()).digest()
    return int.from_bytes(digest[:8], "little") >> 1
