"""What a step of the run takes in any way, the way that it begins with, and what is asked of the host for it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

from ...devices.speed import product_speed
from ...events import Message
from ...memory.choice import ALL, MemoryChoice, by_hand
from ...memory.choose import Costs, Way, choose, moved, way_of
from ...memory.cost.expected import expected_seconds
from ...memory.cost.plan import StepCost
from ...memory.savings import savings
from ...memory.told import in_words, larger, told
from ...order import Order
from ...specs import BY_HAND, GRAPH, RunSpec

FILLED = 0.95
"""Of what is free, what is planned with: allocators lose some between what they hold."""


@dataclass(frozen=True, kw_only=True)
class Room:
    """`way` is what the run begins with, `saves()` names the settings that would take less, with the bytes of each. `seconds(way)` are what
    an update should take at most, None where nobody knows. `record` is what run.json keeps of it, for the next run of the model."""

    costs: Costs
    way: Way
    saves: Callable[[], Mapping[str, int]]
    seconds: Callable[[Way], float | None]
    record: Mapping[str, Any]


def room_for(order: Order, cost: StepCost, side: int, free: int, *, main_memory: bool) -> tuple[Room, Message]:
    """For steps of that `cost`, pictures of about `side` pixels, where `free` bytes may be taken, the model's included; and what is
    said of it. `main_memory`: it is another memory than the device's."""
    run = order.recipe.run
    costs = costs_of(cost, main_memory=main_memory)
    way = way_for(run, costs, free, order.memory)
    now = cost.plan_for(way.choice)
    text = now.sentence()
    if order.memory is None and run.memory != BY_HAND:
        more = larger(way, now.activations, side, run.batch_size)
        said = (f"Memory '{run.memory}': {told(way, costs, free, more)}", now.elsewhere(), "gradient_checkpointing is not read.")
        text = " ".join(filter(None, said))
    if run.compile == GRAPH:
        text += " What the recordings of compile 'graph' hold is not counted."
    room = Room(
        costs=costs, way=way, record=record_of(way, side, run.batch_size, free), seconds=_seconds(order, cost, costs),
        saves=lambda: savings(run, order.recipe.optimizer, cost.parameters, now=now.activations,
                              recomputed=cost.plan_for(MemoryChoice(recompute=ALL)).activations),
    )
    return room, Message(level="info" if way.total <= free else "warning", topic="memory", text=text)


def costs_of(cost: StepCost, *, main_memory: bool) -> Costs:
    """What the ways to make such a step are chosen by."""

    @cache
    def beside(choice: MemoryChoice) -> int:
        return cost.plan_for(choice).total

    return Costs(
        beside=beside, weights=cost.weights if main_memory else 0, state=cost.state, pages=cost.pages,
        saves=cost.trace.saved(), flops=cost.trace.flops(), main_memory=main_memory, copies=cost.copies if main_memory else 0,
    )


def _seconds(order: Order, cost: StepCost, costs: Costs) -> Callable[[Way], float | None]:
    """Of as many micro-batches as an update has. The device's speed is measured when it is asked for first."""

    @cache
    def product() -> float | None:
        return product_speed(order.denoiser.device, order.parts[0].weights.dtype)

    def of(way: Way) -> float | None:
        effort = cost.effort(way.choice)
        speed = effort and product()
        return order.most_pieces * expected_seconds(effort, moved(costs, way), speed) if effort and speed else None

    return of


def ask_for(order: Order, costs: Costs, way: Way, free: int) -> None:
    """Have the host keep free what the way takes beside the model, and as much of the model away as it says; it keeps room for the copies
    of that by itself."""
    order.reserve(way.beside if way.on_device >= costs.weights else max(way.beside, free - way.on_device - way.copies))


def way_for(run: RunSpec, costs: Costs, free: int, kept: MemoryChoice | None = None) -> Way:
    """The one that a run begins with: of the choice that it keeps to, where it does."""
    if kept is not None or run.memory == BY_HAND:
        return way_of(costs, kept or by_hand(run.gradient_checkpointing), free)
    return choose(costs, int(FILLED * free), run.memory)


def record_of(way: Way, side: int, batch_size: int, free: int) -> dict[str, Any]:
    """What is kept of it, and shown on the node."""
    return {"pixels": side, "batch_size": batch_size, "takes": way.total, "free": free, "how": in_words(way.choice)}
