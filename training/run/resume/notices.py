"""What a run that goes on says at its start: what is another one and may be."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from ...events import Message
from ...optim.course import Course, is_another, resumed
from ...optim.spec import OptimizerSpec
from ...order import Order
from ...specs import CONTINUE, HOLD, RESTART, RESUME_SCHEDULES
from ...wording import count
from .identity import allowed_changes, version_changes

TOPIC = "resume"
RISE = 1.05
"""A rate that is more than so many times the last one has jumped."""
NEARLY_NOTHING = 0.01
"""Of the learning rate that was set."""


def notices(saved: Mapping[str, Any], order: Order) -> Iterator[Message]:
    """`saved` is the identity in the state."""
    if changed := allowed_changes(saved, order):
        yield Message(level="info", topic=TOPIC, text=f"goes on with other settings, which is allowed: {'; '.join(changed)}.")
    if changed := version_changes(saved, order):
        text = (f"goes on with other programs: {'; '.join(changed)}. The run is as good as before, but its numbers may differ from "
                "here on in the last digits from those that it would have had.")
        yield Message(level="warning", topic=TOPIC, text=text)


def about_the_rate(order: Order, course: Course, step: int, memory: Mapping[str, Any] | None) -> Iterator[Message]:
    """What the learning rate does from `step` on, where the run has another length or schedule than the `memory` in its state
    knows, and what else could be chosen."""
    way, total = order.recipe.run.resume_schedule, course.total_steps
    if not 0 < step < total or (memory is None and way == CONTINUE):
        return
    if memory is not None and not is_another(course.schedule, total, memory):
        if way not in (CONTINUE, course.way):
            yield Message(level="info", topic=TOPIC, text=f"resume_schedule '{way}' is not used: the run has the steps and the schedule "
                                                          f"that it had, and its learning rate goes on with them ('{course.way}').")
        return
    rate = _a_rate(order.recipe.optimizer)
    ways = {each: resumed(course.schedule, total, step, each, memory) for each in RESUME_SCHEDULES}
    last = ways[HOLD].level
    others = "; ".join(f"'{each}': {_told(other, step, rate)}" for each, other in ways.items() if each != way)
    text = (f"{_what_is_another(course, memory)}. The learning rate was {rate * last:.2g} in step {step}; resume_schedule '{way}' on "
            f"Train LoRA means: {_told(course, step, rate)}. The other choices: {others}.{_text_encoders(order.recipe.optimizer, total)}")
    changes = abs(course(step)) > RISE * abs(last) or (way == HOLD and abs(last) < NEARLY_NOTHING)
    yield Message(level="warning" if changes else "info", topic=TOPIC, text=text)


def _a_rate(spec: OptimizerSpec) -> float:
    """The first that is not 0, to show what the schedule makes of it."""
    return next((rate for rate in (spec.learning_rate, spec.text_encoder_lr, *spec.text_encoder_rates.values()) if rate), 0.0)


def _text_encoders(spec: OptimizerSpec, total_steps: int) -> str:
    """They rest after a share of the run, which is another step now."""
    if not spec.trains_text_encoders or spec.stop_text_encoder_at == 100:
        return ""
    return f" Text encoders are trained up to step {spec.text_encoders_stop_at(total_steps)} (stop_text_encoder_at)."


def _what_is_another(course: Course, memory: Mapping[str, Any] | None) -> str:
    if memory is None:
        return f"the run goes on to step {course.total_steps}"
    if memory["total_steps"] != course.total_steps:
        return f"the run was to have {memory['total_steps']} steps and now has {course.total_steps}"
    return "the schedule is another one than it was"


def _told(course: Course, step: int, rate: float) -> str:
    """What the learning rate does from `step` on."""
    end, left = course.total_steps, course.total_steps - step
    last = f"{rate * course(end - 1):.2g} in step {end}"
    if course.way == HOLD:
        idle = ", so that hardly anything is learned" if abs(course.level) < NEARLY_NOTHING else ""
        return f"it stays at {rate * course.level:.2g}{idle}"
    if course.way == RESTART:
        peak = max((course(at) for at in range(step, end, max(1, left // 1000))), key=abs)
        return f"the schedule begins anew for the {count(left, 'step')} left, up to {rate * peak:.2g}, {last}"
    return f"it goes on as in a run of {end} steps, {rate * course(step):.2g} in step {step + 1}, {last}"
