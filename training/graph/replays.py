"""Which micro-steps of a run are replayed: each kind of them (bucket, batch, length of captions) is recorded twice, while it is made as
ever. Where both recordings are the same, and a replay of the first gives what the second one gave, it is replayed from then on."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from ..errors import is_out_of_memory
from ..network.kinds.dropout import Draws
from .bound import Anew, Bound, Capture, captures_of
from .given import evened, form_of, tensors_of
from .program import Program
from .recorder import Recorder
from .same import CLOSE, EXACT, difference, distance
from .tape import Tape, Unrecordable

MOST_KINDS = 16
"""Kinds of micro-steps that are kept: each holds memory of its own."""

#: Of (what is given, the gradient that comes in at the losses (B,)): (what is told of the step, the gradients of `parameters`).
Work = Callable[[Any, Tensor], tuple[Tensor, Sequence[Tensor | None]]]


@dataclass(frozen=True)
class _Recorded:
    """A micro-step as it was made, and its tape; what was drawn in it is by shape, device and purpose."""

    rows: Tensor
    gradients: Sequence[Tensor | None]
    tape: Tape
    drawn: Sequence[tuple]


class Replays:
    """`work` is a micro-step, `draws` what its dropout asks, `parameters` those that have gradients. `say` (a text, whether it warns) is
    told once of each kind that it is replayed, and once why none is; `why_not` knows a reason beforehand. What is recorded holds while
    the model lies where it lies: `forget` it before."""

    def __init__(self, work: Work, draws: Draws, parameters: Callable[[], list[Tensor]], device: torch.device, *,
                 say: Callable[[str, bool], None], why_not: Callable[[], str | None] = lambda: None):
        self._work, self._draws, self._parameters, self._device = work, draws, parameters, device
        self._say, self._why_not = say, why_not
        self._refused, self._name = False, ""
        self._spoken_of: set[Any] = set()
        self.forget()

    def forget(self) -> None:
        """Hold nothing of the model: what is recorded is recorded anew."""
        self._once: dict[Any, tuple[Tape, Sequence[tuple]]] = {}
        self._ready: dict[Any, tuple[Bound, Sequence[tuple]]] = {}
        self._capture: Callable[[], Capture] | None = None

    def made(self, given: Any, upstream: Tensor, name: str) -> Tensor:
        """One micro-step, called `name` where it is spoken of: what is told of it; the gradients are added to those of the parameters."""
        self._name = name
        rows, gradients = self._made(given, upstream)
        self._add(gradients)
        return rows

    def _made(self, given: Any, upstream: Tensor) -> tuple[Tensor, Sequence[Tensor | None]]:
        given, upstream = evened((given, upstream))
        kind = self._kind(given, upstream)
        if kind is None:
            return self._work(given, upstream)
        if kind in self._ready:
            bound, drawn = self._ready[kind]
            if bound.is_in_place():
                rows, *gradients = bound(self._inputs(given, upstream, drawn))
                assert rows is not None
                return rows.clone(), gradients  # the next replay writes over it
            self.forget()
        made = self._recorded(given, upstream)
        if isinstance(made, _Recorded):
            self._keep(kind, made, (given, upstream))
            return made.rows, made.gradients
        return made

    def _kind(self, given: Any, upstream: Tensor) -> Any:
        """None where the step is made plainly."""
        if not self._refused and (why := self._why_not()):
            self._refuse(why)
        if self._refused:
            return None
        try:
            kind = form_of((given, upstream)), self._draws.skipped, tuple(map(id, self._parameters()))
        except Unrecordable as why:
            self._refuse(str(why))
            return None
        if kind not in self._ready and len({*self._ready, *self._once, kind}) > MOST_KINDS:
            self._refuse(f"has more than {MOST_KINDS} kinds of steps (buckets, lengths of captions, modules that are dropped)")
            return None
        return kind

    def _recorded(self, given: Any, upstream: Tensor) -> _Recorded | tuple[Tensor, Sequence[Tensor | None]]:
        """The step made as ever, recorded where that can be done."""
        recorder, drawn = Recorder(tensors_of((given, upstream))), []
        with self._listening(recorder, drawn), recorder:
            rows, gradients = self._work(given, upstream)
        try:
            return _Recorded(rows, gradients, recorder.tape([rows, *gradients]), drawn)
        except Unrecordable as why:
            self._refuse(str(why))
            return rows, gradients

    @contextmanager
    def _listening(self, recorder: Recorder, drawn: list[tuple]):
        """What is dropped is drawn beside the recording, and goes into it as an input."""
        known: dict[tuple, Tensor] = {}

        def give(*asked: Any) -> Tensor:
            if asked not in known:
                with recorder.resting():
                    known[asked] = self._draws.drawn(*asked)
                recorder.add(known[asked])
                drawn.append(asked)
            return known[asked]

        self._draws.given = give
        try:
            yield
        finally:
            self._draws.given = None

    def _inputs(self, given: Any, upstream: Tensor, drawn: Sequence[tuple]) -> list[Tensor]:
        return [*tensors_of((given, upstream)), *(self._draws.drawn(*asked) for asked in drawn)]

    def _keep(self, kind: Any, made: _Recorded, given: tuple[Any, Tensor]) -> None:
        """After the second recording: check, and be ready for the third."""
        before = self._once.get(kind)
        if before is None:
            self._once[kind] = made.tape, made.drawn
            return
        tape, drawn = before
        if why := difference(tape, made.tape) or ("drops other modules in each step" if drawn != made.drawn else None):
            self._refuse(why)
            return
        try:
            bound, off = self._bound(tape, made, self._inputs(*given, drawn))
        except Exception as error:  # noqa: BLE001 - whatever a card's library says of what it cannot record
            self._refuse("finds no room for a recording of the step" if is_out_of_memory(error)
                         else f"could not be launched again ({type(error).__name__}: {str(error).partition(chr(10))[0]})")
            return
        if off is None:  # an overflow in fp16: another step will tell
            return
        if off > (EXACT if self._device.type == "cpu" else CLOSE):
            self._refuse(f"gave other gradients when it was launched again ({off:.1g} of their norm)")
            return
        del self._once[kind]
        self._ready[kind] = bound, made.drawn
        if kind not in self._spoken_of:
            self._spoken_of.add(kind)
            self._say(self._told(bound, off), False)

    def _bound(self, tape: Tape, made: _Recorded, inputs: Sequence[Tensor]) -> tuple[Bound, float | None]:
        """The first recording, ready to be replayed; and how far it is off on the inputs of the second one, of which `made` came."""
        if self._capture is None:
            self._capture = captures_of(self._device)
        bound = Bound(Program(tape, self._parameters()), inputs, self._capture())
        rows, *gradients = bound(inputs)
        assert rows is not None
        far = [distance([rows[0]], [made.rows[0]]), distance(gradients, made.gradients)]
        return bound, None if None in far else max(each for each in far if each is not None)

    def _add(self, gradients: Sequence[Tensor | None]) -> None:
        """As autograd adds them; those of a replay lie in memory that the next one writes over."""
        pairs = [(parameter, gradient) for parameter, gradient in zip(self._parameters(), gradients, strict=True) if gradient is not None]
        new = [(parameter, gradient) for parameter, gradient in pairs if parameter.grad is None]
        old = [(parameter.grad, gradient) for parameter, gradient in pairs if parameter.grad is not None]
        with torch.no_grad():
            if old:
                torch._foreach_add_([kept for kept, _ in old], [gradient for _, gradient in old])  # pyright: ignore[reportPrivateImportUsage]
            begun = [torch.empty_like(parameter) for parameter, _ in new]
            if new:
                torch._foreach_copy_(begun, [gradient for _, gradient in new])  # pyright: ignore[reportPrivateImportUsage]
            for (parameter, _), gradient in zip(new, begun, strict=True):
                parameter.grad = gradient

    def _refuse(self, why: str) -> None:
        self._refused = True
        self.forget()
        self._say(f"compile 'graph' is not used: this run {why}. Steps are made as with 'off'.", True)

    def _told(self, bound: Bound, off: float) -> str:
        how = "bit for bit" if off == 0 else f"but for {off:.1g} of the gradients' norm"
        anew = " The device has no recordings of its own: the host launches each operation." if isinstance(bound.capture, Anew) else ""
        return (f"compile 'graph': steps on {self._name} are replayed from now on, {bound.calls} operations. "
                f"A replay gave what a plain step gave, {how}.{anew}")
