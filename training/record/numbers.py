"""The numbers of an event, under the names that TensorBoard and W&B show them by."""

from __future__ import annotations

from ..events import Event, StepDone, Validated


def numbers_of(event: Event) -> dict[str, float]:
    """Name -> number; empty for events that have none to draw."""
    if isinstance(event, Validated):
        return {"loss/validation": event.loss, "loss/relative_to_base": event.relative}
    if not isinstance(event, StepDone):
        return {}
    found = {
        "loss/train": event.loss,
        "gradient_norm": event.grad_norm,
        "speed/images_per_second": event.items / max(event.seconds, 1e-9),
        **{f"learning_rate/{group}": rate for group, rate in event.learning_rates.items()},
    }
    return found if event.memory_bytes is None else {**found, "memory/now_bytes": event.memory_bytes}
