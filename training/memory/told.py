"""What was chosen, what it takes and what more would take, in a sentence for the log and for the node."""

from __future__ import annotations

from collections.abc import Mapping

from .choice import ALL, CHEAP, DEVICE, NONE, PAGED, MemoryChoice
from .choose import Costs, Way

_RECOMPUTED = {
    ALL: "every block is computed twice", CHEAP: "norms and activation functions are computed twice", NONE: "no block is computed twice",
}


def told(way: Way, costs: Costs, budget: int, larger: Mapping[str, int]) -> str:
    """'13.2 GiB of the 15.1 that are free: the model (4.8) and 8.4 beside it; no block is computed twice. resolution 1280 would take
    18.0, batch_size 2 21.5.' `larger` names settings, each with the bytes that it would take in the same way."""
    copies = f" (copies of the rest: {gib(way.copies)})" if way.copies else ""
    model = f"{_share(way, costs)}{copies} and {gib(way.beside)} beside it" if costs.weights else f"{gib(way.beside)} beside the model"
    fits = "" if way.total <= budget else " That is more than is free: it may not fit."
    more = ", ".join(f"{setting} {'would take ' if not number else ''}{gib(size)}" for number, (setting, size) in enumerate(larger.items()))
    return f"{gib(way.total)} GiB of the {gib(budget)} that are free: {model}; {in_words(way.choice)}.{fits}{f' {more}.' if more else ''}"


def _share(way: Way, costs: Costs) -> str:
    if way.on_device == costs.weights:
        return f"the model ({gib(costs.weights)})"
    if not way.on_device:
        return "nothing of the model, which waits in main memory,"
    return f"{gib(way.on_device)} of the model's {gib(costs.weights)}"


SIDES = (256, 384, 512, 640, 768, 896, 1024, 1280, 1536, 1792, 2048)


def larger(way: Way, activations: int, side: int, batch_size: int) -> dict[str, int]:
    """What the next larger setting would take in the same way, of which `activations` grow with the pixels: `side` is that of the
    pictures."""
    found = {f"batch_size {batch_size + 1}": way.total + round(activations / batch_size)}
    beyond = next((larger for larger in SIDES if larger > 1.05 * side), None)
    return found if beyond is None else {f"resolution {beyond}": way.total + round(activations * ((beyond / side) ** 2 - 1)), **found}


def now_in_words(way: Way, costs: Costs) -> str:
    """The same of what is changed in the middle of a run."""
    away = f", {gib(way.on_device)} of the model's {gib(costs.weights)} GiB stay on the device" if way.on_device < costs.weights else ""
    return in_words(way.choice) + away


def in_words(choice: MemoryChoice) -> str:
    """'every block is computed twice, what is kept for backward waits in main memory'."""
    named = choice.recompute
    said = [_RECOMPUTED[named] if isinstance(named, str) else f"{len(named)} of the blocks are computed twice"]
    if choice.activations != DEVICE:
        said.append("what is kept for backward waits in main memory")
    if choice.state != DEVICE:
        said.append("the optimizer's state is paged" if choice.state == PAGED else "the optimizer's state waits in main memory")
    return ", ".join(said)


def gib(size: float) -> str:
    return f"{size / 2**30:.1f}"
