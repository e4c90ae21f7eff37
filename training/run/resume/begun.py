"""What a run that goes on keeps of the day it began, where this version, or the graph, would choose otherwise by itself."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields, replace
from typing import Any

from ...objective import timesteps
from ...objective.timesteps import AutoTimesteps, FluxShift, Timesteps, Uniform
from ...order import Order
from ...settings import describe
from ...specs import Update

AUTO = "what timesteps 'auto' means"
"""In a state's identity: the distribution that was chosen when the run began. States of before November 2026 have none."""
UPDATE = "an update of"
"""In a state's identity: [batch_size of all processes, gradient_accumulation] with which the run began."""
_BEFORE = "Train LoRA: batch_size", "Train LoRA: gradient_accumulation"
"""The same in states that do not say it so."""


def update_of(saved: Mapping[str, Any]) -> Update | None:
    """What an update of the run is made of; None in states of version 1, which keep it in words."""
    made_of = saved.get(UPDATE, [saved[name] for name in _BEFORE if name in saved])
    if made_of == []:
        return None
    if not all(type(each) is int and each > 0 for each in made_of):
        raise ValueError(f"an update is made of {made_of}")
    return Update(*made_of)


def auto_timesteps(order: Order) -> Timesteps | None:
    """What 'auto' stands for on the order's model; None where it is not chosen."""
    chosen = order.recipe.objective.timesteps
    if not isinstance(chosen, AutoTimesteps):
        return None
    return chosen.on(order.denoiser.parametrisation, order.denoiser.own_shift)


def as_begun(order: Order, saved: Mapping[str, Any]) -> tuple[Order, str | None]:
    """The order with updates and 'auto' as in the state whose identity is `saved`, and a sentence where 'auto' would be something else
    today."""
    order = replace(order, begun=update_of(saved))
    today = auto_timesteps(order)
    if today is None:
        return order, None
    then = _read(saved[AUTO]) if AUTO in saved else _before(order.denoiser.parametrisation)
    if then == today:
        return order, None
    objective = replace(order.recipe.objective, timesteps=AutoTimesteps(meant=then))
    told = (
        f"this run goes on with the noise levels that it began with, {_told(then)}; 'auto' is {_told(today)} for a new run on this model. "
        "Set resume on the Train LoRA node to 'new' if you want those."
    )
    return replace(order, recipe=replace(order.recipe, objective=objective)), told


def _before(parametrisation: str) -> Timesteps:
    """Every flow model was given FLUX's shift by resolution."""
    return FluxShift() if parametrisation == "flow" else Uniform()


def _read(described: Mapping[str, Any]) -> Timesteps:
    kind = getattr(timesteps, described["type"], None)
    if not (isinstance(kind, type) and issubclass(kind, Timesteps)):
        raise ValueError(f"'{described['type']}' is no distribution of noise levels")
    return kind(**{each.name: described[each.name] for each in fields(kind)})


def _told(choice: Timesteps) -> str:
    settings = {name: value for name, value in describe(choice).items() if name != "type"}
    return f"{type(choice).__name__}({', '.join(f'{name} {value:g}' for name, value in settings.items())})"
