"""What came over a node's wires when it last ran, so that files which they name are watched before they are known again.

ComfyUI asks for a node's fingerprint before anything runs; a widget that is wired is None then. It gives the same as last time as long as
the nodes before are the same, which ComfyUI compares itself. Whether the files have changed is compared here.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable
from dataclasses import dataclass, field

from comfy_execution.utils import get_executing_context

_MOST = 64


@dataclass
class _Seen:
    """What came so far -> its stamp; `fingerprint` is another one whenever one of them has changed."""

    stamps: dict[tuple, str] = field(default_factory=dict)
    fingerprint: str = field(default_factory=lambda: uuid.uuid4().hex)


class Wired:
    """`stamp_of(*values)` changes when the files that the values name do."""

    def __init__(self, stamp_of: Callable[..., str]):
        self._stamp_of = stamp_of
        self._nodes: dict[str, _Seen] = {}

    def fingerprint(self) -> str:
        """For `fingerprint_inputs`, of a node whose values are not known yet."""
        seen = self._nodes.setdefault(_node(), _Seen())
        self._look(seen, *list(seen.stamps))
        return seen.fingerprint

    def came(self, *values: str) -> None:
        """For `execute`, before any of the files is read."""
        seen = self._nodes.get(_node())
        if seen is not None:
            self._look(seen, values)

    def _look(self, seen: _Seen, *all_values: tuple) -> None:
        changed = False
        for values in all_values:
            stamp = self._stamp_of(*values)
            changed |= seen.stamps.get(values, stamp) != stamp
            seen.stamps[values] = stamp
        while len(seen.stamps) > _MOST:
            seen.stamps.pop(next(iter(seen.stamps)))
            changed = True
        if changed:
            seen.fingerprint = uuid.uuid4().hex


def _node() -> str:
    context = get_executing_context()
    return context.node_id if context else ""
