"""A tape as a Python function: a line for each operation, each tensor let go after its last use, as autograd would let it go.

What nobody uses is left out; views of what stays, and small results that are always the same, are made once.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from .lazy import without_lazy_clones
from .tape import Call, Slot, Tape

SMALL = 2**16
"""Bytes of a result that is kept for good rather than made each time, where it is always the same."""


class Program:
    """Called with the inputs (`tape.inputs`, in the same shapes), it gives the results. `calls` is how many operations that takes, `fixed`
    are the tensors that it reads beside the inputs, most of them views of those that must `stay` where they are. The numbers of the
    `changing` ones among these, the adapters, are another's each time."""

    def __init__(self, tape: Tape, changing: Iterable[Tensor] = ()):
        tape = without_lazy_clones(tape)
        known, calls = _made_once(tape, _needed(tape), {id(tensor) for tensor in changing})
        used = {number for call in calls for number in call.used()} | set(tape.results)
        self.calls = len(calls)
        self.stay = list(tape.fixed.values())
        self.fixed = [tensor for number, tensor in known.items() if number in used]
        self._run = _function(calls, tape.inputs, [number for number in known if number in used], tape.results)

    def __call__(self, inputs: Sequence[Tensor]) -> list[Tensor | None]:
        with torch.no_grad():
            return self._run(inputs, self.fixed)


def _needed(tape: Tape) -> list[Call]:
    """The calls that write, or whose results are used."""
    wanted, found = {number for number in tape.results if number is not None}, []
    for call in reversed(tape.calls):
        if call.written or not wanted.isdisjoint(call.made):
            wanted.update(call.used())
            found.append(call)
    return found[::-1]


def _made_once(tape: Tape, calls: Iterable[Call], changing: Collection[int]) -> tuple[dict[int, Tensor], list[Call]]:
    """(what is there before the first call, the calls that are left)."""
    known, left = dict(tape.fixed), []
    constant = {number for number, tensor in known.items() if id(tensor) not in changing}
    written = {tape.memory[number] for call in tape.calls for number in call.written}
    for call in calls:
        used, numbers = call.used(), [number for number in call.made if number is not None]
        made = None
        if all(number in known for number in used) and not any(tape.memory[number] in written for number in numbers):
            made = _made(call, known, is_constant=constant.issuperset(used))
        if made is None:
            left.append(call)
            continue
        known.update(zip(numbers, made, strict=True))
        constant.update(numbers if constant.issuperset(used) else ())
    return known, left


def _made(call: Call, known: Mapping[int, Tensor], *, is_constant: bool) -> list[Tensor] | None:
    """What it makes, where that may be kept."""
    with torch.no_grad():
        found = call.func(*_filled(call.args, known), **{name: _filled(value, known) for name, value in call.kwargs.items()})
    made = [each for each in (found if call.is_many else (found,)) if isinstance(each, Tensor)]
    sources = {known[number].untyped_storage()._cdata for number in call.used()}
    is_view = all(each.untyped_storage()._cdata in sources for each in made)
    return made if is_view or (is_constant and sum(each.nbytes for each in made) <= SMALL) else None


def _filled(value: Any, known: Mapping[int, Tensor]) -> Any:
    if isinstance(value, Slot):
        return known[value.number]
    return type(value)(_filled(entry, known) for entry in value) if isinstance(value, (list, tuple)) else value


def _function(calls: Sequence[Call], inputs: Sequence[int], fixed: Sequence[int], results: Sequence[int | None]) -> Callable[..., Any]:
    """(inputs, fixed) -> results."""
    names = _Names()
    lines = ["def run(inputs, fixed):"]
    lines += [f" t{number} = inputs[{place}]" for place, number in enumerate(inputs)]
    lines += [f" t{number} = fixed[{place}]" for place, number in enumerate(fixed)]
    last = _last_uses(calls, {*inputs, *fixed, *results})
    for call, gone in zip(calls, last, strict=True):
        lines.append(f" {_target(call)}{names.of(call.func)}({names.arguments(call)})")
        if gone:
            lines.append(f" {' = '.join(f't{number}' for number in gone)} = None")
    lines.append(f" return [{', '.join('None' if number is None else f't{number}' for number in results)}]")
    exec(compile("\n".join(lines), "<recorded step>", "exec"), names.table)  # noqa: S102 - our own text, made of numbers
    return names.table["run"]


def _last_uses(calls: Sequence[Call], staying: Collection[int | None]) -> list[list[int]]:
    """Of each call the tensors that nobody needs after it."""
    seen, found = set(staying), []
    for call in reversed(calls):
        mine = [number for number in dict.fromkeys((*call.used(), *call.made)) if number not in seen and number is not None]
        seen.update(mine)
        found.append(mine)
    return found[::-1]


def _target(call: Call) -> str:
    if not call.made or all(number is None for number in call.made):
        return ""
    made = ["_" if number is None else f"t{number}" for number in call.made]
    return f"[{', '.join(made)}] = " if call.is_many else f"{made[0]} = "


class _Names:
    """What the text refers to."""

    def __init__(self) -> None:
        self.table: dict[str, Any] = {}
        self._known: dict[Any, str] = {}

    def of(self, func: Any) -> str:
        if func not in self._known:
            self._known[func] = name = f"f{len(self._known)}"
            self.table[name] = getattr(func, "_op", func)  # without the Python around it
        return self._known[func]

    def arguments(self, call: Call) -> str:
        return ", ".join([*map(self._value, call.args), *(f"{name}={self._value(value)}" for name, value in call.kwargs.items())])

    def _value(self, value: Any) -> str:
        if isinstance(value, Slot):
            return f"t{value.number}"
        if isinstance(value, (list, tuple)):
            return f"[{', '.join(map(self._value, value))}]"
        if value is None or type(value) in (bool, int):
            return repr(value)
        name = f"v{len(self.table)}"
        self.table[name] = value
        return name
