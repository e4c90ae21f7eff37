"""Lazy clones taken out of a tape: the copy is the other one, or a clone where one of the two is written to while the other is needed.

So a replay copies no memory behind anybody's back, and what is kept for backward keeps its values all the same.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import torch

from .tape import Call, Slot, Tape

_LAZY, _CLONE = torch.ops.aten._lazy_clone.default, torch.ops.aten.clone.default


def without_lazy_clones(tape: Tape) -> Tape:
    """The same computation."""
    calls, memory = list(tape.calls), dict(tape.memory)
    members: dict[int, list[int]] = {}
    for number, where in memory.items():
        members.setdefault(where, []).append(number)
    used, written = _times(tape)
    same: dict[int, int] = {}
    for time, call in enumerate(calls):
        if call.func is not _LAZY:
            continue
        (source,), (copy,) = call.used(), call.made
        assert copy is not None
        old, new = memory[source], memory[copy]
        if any(when > time and used[other] > when for one, other in ((old, new), (new, old)) for when in written.get(one, ())):
            calls[time] = Call(_CLONE, (Slot(source),), {}, call.made, False, frozenset())
            continue
        same[copy] = same.get(source, source)
        for number in members.pop(new):
            memory[number] = old
            members[old].append(number)
        used[old] = max(used[old], used.pop(new, 0))
        written[old] = [*written.get(old, ()), *written.pop(new, ())]
    left = [_renamed(call, same) for call in calls if call.func is not _LAZY]
    return replace(tape, calls=left, memory=memory, results=[None if one is None else same.get(one, one) for one in tape.results])


def _times(tape: Tape) -> tuple[dict[int, int], dict[int, list[int]]]:
    """Memory -> when it is last read or written to, and each time that it is written to."""
    used: dict[int, int] = dict.fromkeys(tape.memory.values(), -1)
    written: dict[int, list[int]] = {}
    for time, call in enumerate(tape.calls):
        for number in call.used():
            used[tape.memory[number]] = time
        for number in call.written:
            written.setdefault(tape.memory[number], []).append(time)
    used.update({tape.memory[number]: len(tape.calls) for number in tape.results if number is not None})
    return used, written


def _renamed(call: Call, same: Mapping[int, int]) -> Call:
    if not any(number in same for number in (*call.used(), *call.made)):
        return call
    made = tuple(None if number is None else same.get(number, number) for number in call.made)
    written = frozenset(same.get(number, number) for number in call.written)
    return replace(call, args=_given(call.args, same), kwargs={name: _given(value, same) for name, value in call.kwargs.items()},
                   made=made, written=written)


def _given(value: Any, same: Mapping[int, int]) -> Any:
    if isinstance(value, Slot):
        return Slot(same.get(value.number, value.number))
    return type(value)(_given(entry, same) for entry in value) if isinstance(value, (list, tuple)) else value
