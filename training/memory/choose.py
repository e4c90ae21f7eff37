"""Which MemoryChoice a run takes, and which one after it when memory runs out all the same. Pure: numbers in, a way out.

A way is a MemoryChoice and how much of the model stays on the device. Every choice of blocks to compute twice is one of those that
come of taking them in the order of bytes saved against FLOPs: with blocks this small against the whole, hardly any set does better.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import product

from ..specs import AUTO, LEAST
from .choice import ALL, CHEAP, DEVICE, MAIN_MEMORY, NONE, PAGED, MemoryChoice

LESS = 0.9
"""What the next way takes at most, of one that did not fit."""
_CHEAP = 0.1
"""Of a forward's time: what norms and activation functions take, which are no FLOPs to speak of."""
_FORWARD = 5e12
"""FLOPs of a forward that nobody has counted."""


@dataclass(frozen=True, kw_only=True)
class Speeds:
    """FLOPs a second of the device, bytes a second between it and main memory, and how much of the moving is `hidden` behind the
    computing: those of a card of the middle class. Only ratios decide between ways."""

    flops: float = 5e13
    link: float = 1.2e10
    hidden: float = 0.7


@dataclass(frozen=True, kw_only=True)
class Costs:
    """What a step takes. `beside(choice)` are bytes beside the model; `saves` and `flops` say of each block what computing it twice
    saves and costs (empty: only all blocks or none). `weights` are the model's bytes, `copies` what those of its weights take that are
    not on the device, at most; `state` are the optimizer's, `pages` what of it can lie in the driver's pages. Without `main_memory`
    (a CPU) nothing can be moved."""

    beside: Callable[[MemoryChoice], int]
    weights: int = 0
    state: int = 0
    saves: Mapping[str, int] = field(default_factory=dict)
    flops: Mapping[str, int] = field(default_factory=dict)
    main_memory: bool = True
    pages: int = 0
    copies: int = 0
    speeds: Speeds = Speeds()


@dataclass(frozen=True, kw_only=True)
class Way:
    """`beside` bytes beside the model, `on_device` of the model, `copies` of what of it is not; `seconds` are a measure to compare ways
    by, no prediction."""

    choice: MemoryChoice
    beside: int
    on_device: int
    seconds: float
    copies: int = 0

    @property
    def total(self) -> int:
        return self.beside + self.on_device + self.copies


def choose(costs: Costs, budget: int, rule: str = AUTO) -> Way:
    """AUTO: the fastest way that takes at most `budget` bytes; where none does, and for LEAST, the one that takes least."""
    least = min(_ways(costs, 0), key=lambda way: (way.total, way.seconds))
    if rule == LEAST:
        return least
    return _fastest(costs, budget) or least


def cheaper(costs: Costs, way: Way) -> Way | None:
    """The fastest that takes LESS than `way`, which did not fit; else the one that takes least; None where nothing takes less."""
    found = _fastest(costs, int(way.total * LESS)) or choose(costs, 0, LEAST)
    return found if found.total < way.total else None


def way_of(costs: Costs, choice: MemoryChoice, budget: int) -> Way:
    """With a choice that was made already: as much of the model stays on the device as then fits."""
    return _way(costs, choice, budget)


def moved(costs: Costs, way: Way) -> int:
    """Bytes that go between main memory and the device in a micro-batch and an update, at most."""
    there_and_back = _moved(costs, way.choice, way.beside, way.on_device, again=float(way.choice.recompute != NONE))
    return round(there_and_back) + _fetched_for_update(costs, way.choice)


def _fastest(costs: Costs, budget: int) -> Way | None:
    fitting = [way for way in _ways(costs, budget) if way.total <= budget]
    return min(fitting, key=lambda way: (way.seconds, way.total), default=None)


def _ways(costs: Costs, budget: int) -> Iterator[Way]:
    for choice in choices(costs):
        yield _way(costs, choice, budget)


def _way(costs: Costs, choice: MemoryChoice, budget: int) -> Way:
    beside = costs.beside(choice)
    is_whole = not costs.main_memory or budget - beside >= costs.weights
    on_device = costs.weights if is_whole else max(0, budget - beside - costs.copies)
    return Way(choice=choice, beside=beside, on_device=on_device, copies=min(costs.copies, costs.weights - on_device),
               seconds=_seconds(costs, choice, beside, on_device))


def choices(costs: Costs) -> Iterator[MemoryChoice]:
    """Every one that is worth looking at."""
    away = (DEVICE, MAIN_MEMORY) if costs.main_memory else (DEVICE,)
    states = (DEVICE, *((PAGED,) if costs.pages else ()), *away[1:])
    for recompute, activations, state in product(_sets(costs), away, states):
        yield MemoryChoice(recompute=recompute, activations=activations, state=state)


def _sets(costs: Costs) -> Iterator[str | tuple[str, ...]]:
    """None, what is cheap of all, then more and more blocks, those first that save most for their time; among equals the ones that
    come first in the forward, whose memory is held longest; then all."""
    yield NONE
    if costs.saves:
        yield CHEAP
    order = sorted(costs.saves, key=lambda block: -costs.saves[block] / max(1, costs.flops.get(block, 0)))
    for number in range(1, len(order)):
        yield tuple(order[:number])
    yield ALL


def _seconds(costs: Costs, choice: MemoryChoice, beside: int, on_device: int) -> float:
    """Forward and backward take as many FLOPs each, since the weights are frozen. Weights that are not on the device come for each
    pass, activations go and come back; the optimizer waits for its state."""
    forward = sum(costs.flops.values()) or _FORWARD
    again = _again(costs, choice, forward)
    compute = (2 * forward + again) / costs.speeds.flops
    moving = _moved(costs, choice, beside, on_device, again / forward) / costs.speeds.link
    waiting = _fetched_for_update(costs, choice) / costs.speeds.link
    return compute + moving - costs.speeds.hidden * min(compute, moving) + waiting


def _moved(costs: Costs, choice: MemoryChoice, beside: int, on_device: int, again: float) -> float:
    """Bytes between main memory and the device in forward and backward, of which `again` forwards are computed twice."""
    moved = (costs.weights - on_device) * (2 + again)
    if choice.activations == MAIN_MEMORY:
        kept = MemoryChoice(recompute=choice.recompute, state=choice.state)
        moved += 2 * max(0, costs.beside(kept) - beside)
    return moved


def _fetched_for_update(costs: Costs, choice: MemoryChoice) -> int:
    away = {DEVICE: 0, PAGED: costs.pages}.get(choice.state, costs.state)
    return 2 * away


def _again(costs: Costs, choice: MemoryChoice, forward: float) -> float:
    """The FLOPs of what is computed twice."""
    if choice.recompute in (ALL, CHEAP):
        return forward if choice.recompute == ALL else _CHEAP * forward
    return sum(flops for block, flops in costs.flops.items() if choice.recomputes(block))
