"""What a run is made of, so that one that goes on can tell what has changed.

It follows from the specs (see `settings`): a setting that is added to one of them is compared from then on, and against its
default where the state is older than it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from ...data.items import Item
from ...order import Order
from ...settings import allowed, allowed_differences, compared, describe, differences
from ...specs import DTYPES, Update
from ...version import VERSION
from .begun import AUTO, UPDATE, auto_timesteps, update_of
from .pictures import of_pictures, picture_changes

#: The specs that are compared field by field: the node that sets each -> the spec.
_SPECS = {
    "Train LoRA": lambda recipe: recipe.run,
    "LoRA Network": lambda recipe: recipe.network,
    "Optimizer": lambda recipe: recipe.optimizer,
    "Training Objective": lambda recipe: recipe.objective,
    "Caption Config": lambda recipe: recipe.dataset.captions,
}
_BUCKETS = "Bucket Config: "
_MODELS = {
    "base model": "the base model, or what is applied to it, is another one",
    "VAE": "the VAE, or the precision that it computes in, is another one",
    "CLIP": "the CLIP, its CLIP-skip, or what is applied to it, is another one",
}
_PRECISION = "Train LoRA: precision"
_COMPUTED_IN, _LEFT_OUT, _ALLOWED, _MADE_WITH = "computed in", "pictures left out", "may change", "made with"
_PREVIEW = "Sample Preview"
_TEXT_RATE, _OWN_RATES = "Optimizer: text_encoder_lr", "Optimizer: text_encoder_rates"
_RATES = {"Optimizer: learning_rate": "the diffusion model is", _TEXT_RATE: "the text encoders are"}


def identity(order: Order, items: Sequence[Item]) -> dict[str, Any]:
    """Name -> JSON-ready value, for the training state. `items` are those that are trained and held out."""
    used = {id(item.sample) for item in items}
    return {
        **settings_identity(order), **of_pictures(items),
        _LEFT_OUT: [each.name for each in order.recipe.dataset.samples if id(each) not in used],
    }


def settings_identity(order: Order) -> dict[str, Any]:
    """What of it is known before any picture is read."""
    found: dict[str, Any] = _models(order)
    for node, spec in _specs(order).items():
        found |= compared(spec, f"{node}: ")
    meant = auto_timesteps(order)
    return {
        **found, **({AUTO: describe(meant)} if meant else {}), **compared(order.recipe.dataset.buckets, _BUCKETS),
        UPDATE: [order.update.batch_size, order.update.accumulation], _COMPUTED_IN: _computed_in(order),
        _ALLOWED: _allowed(order), _MADE_WITH: _made_with(order),
    }


def changes(saved: Mapping[str, Any], order: Order, items: Sequence[Item] | None) -> list[str]:
    """One phrase for everything that is not as it was when `saved` was made, in words that a person set. `items` may hold
    pictures that cannot be read, which were left out then; None: they are not compared."""
    found = [_MODELS[name] for name, now in _models(order).items() if saved.get(name, now) != now]
    for node, spec in _specs(order).items():
        found += [change for change in differences(saved, spec, f"{node}: ")
                  if not (change.startswith(_PRECISION) and saved.get(_COMPUTED_IN))]
    found += _another_update(update_of(saved), order)
    computed_in = _computed_in(order)
    if saved.get(_COMPUTED_IN, computed_in) != computed_in:
        chosen = "" if order.recipe.run.precision else f" ('auto' chose it; set {saved[_COMPUTED_IN]})"
        found.append(f"{_PRECISION} was {saved[_COMPUTED_IN]}, is now {computed_in}{chosen}")
    found += _rates_from_or_to_nothing(saved, order)
    return found if items is None else found + _of_the_dataset(saved, order, items)


def knows_left_out(saved: Mapping[str, Any]) -> bool:
    """Whether `saved` says which pictures could not be read; states of before November 2026 do not."""
    return _LEFT_OUT in saved


def allowed_changes(saved: Mapping[str, Any], order: Order) -> list[str]:
    """One phrase for every setting that is another one, as it may be. None is known of a state of before November 2026."""
    if _ALLOWED not in saved:
        return []
    before, preview = {**saved, **saved[_ALLOWED]}, order.recipe.preview
    found = [change for node, spec in _specs(order).items() for change in allowed_differences(before, spec, f"{node}: ")]
    if (preview is not None) != before[_PREVIEW]:
        found.append(f"{_PREVIEW} is {'' if preview else 'no longer '}connected")
    elif preview is not None:
        found += differences(before, preview, f"{_PREVIEW}: ")
    return found


def version_changes(saved: Mapping[str, Any], order: Order) -> list[str]:
    """One phrase for every program that is another one than when `saved` was made."""
    before = saved.get(_MADE_WITH, {})
    return [f"{name} was {before[name]}, is now {now}" for name, now in _made_with(order).items() if before.get(name, now) != now]


def _of_the_dataset(saved: Mapping[str, Any], order: Order, items: Sequence[Item]) -> list[str]:
    left_out = set(saved.get(_LEFT_OUT, ()))
    used = [item for item in items if item.sample.name not in left_out]
    knows_buckets = any(name.startswith(_BUCKETS) for name in saved)
    return picture_changes(saved, used, differences(saved, order.recipe.dataset.buckets, _BUCKETS) if knows_buckets else ())


def _models(order: Order) -> dict[str, str]:
    return {"base model": order.model_identity, "VAE": order.image_encoder.identity, "CLIP": order.text_encoder.identity}


def _specs(order: Order) -> dict[str, Any]:
    """As one process would have them: that learns of all processes' pictures in a batch of its own."""
    run = order.recipe.run
    alone = replace(order.recipe, run=replace(run, batch_size=run.batch_size * order.processes.size))
    return {node: spec_of(alone) for node, spec_of in _SPECS.items()}


def _allowed(order: Order) -> dict[str, Any]:
    preview = order.recipe.preview
    found: dict[str, Any] = {_PREVIEW: preview is not None}
    for node, spec in _specs(order).items():
        found |= allowed(spec, f"{node}: ")
    return found | (compared(preview, f"{_PREVIEW}: ") if preview else {})


def _made_with(order: Order) -> dict[str, str]:
    return {"LoRA Canvas": VERSION, **order.made_with}


def _computed_in(order: Order) -> str | None:
    """The precision in force, by the name that the widget has for it."""
    names = {str(dtype).removeprefix("torch."): name for name, dtype in DTYPES.items()}
    computed_in: str | None = order.extra_settings.get("precision")
    return names.get(computed_in, computed_in) if computed_in else None


def _another_update(then: Update | None, order: Order) -> list[str]:
    """In which pieces it is computed, and by how many processes, is free."""
    now = order.asked
    if then is None or then.pictures == now.pictures:
        return []
    whose = f" (batch_size of all {order.processes.size} processes)" if order.processes.size > 1 else ""
    return [f"Train LoRA: batch_size x gradient_accumulation was {then.batch_size} x {then.accumulation}, is now {now.batch_size} x "
            f"{now.accumulation}{whose}: an update would see {now.pictures} pictures in place of {then.pictures}"]


def _rates_from_or_to_nothing(saved: Mapping[str, Any], order: Order) -> list[str]:
    """A rate may change, but 0 leaves a part out: then other parts are trained."""
    now, before = _allowed(order), saved.get(_ALLOWED, {})
    found = [
        f"{name} was {before[name]:g}, is now {now[name]:g}: at 0 {part} not trained"
        for name, part in _RATES.items() if name in before and bool(before[name]) != bool(now[name])
    ]
    if found or not before:
        return found
    for name in sorted({*before.get(_OWN_RATES, {}), *now[_OWN_RATES]}):
        was, is_now = (rates.get(_OWN_RATES, {}).get(name, rates[_TEXT_RATE]) for rates in (before, now))
        if bool(was) != bool(is_now):
            found.append(f"{_OWN_RATES}: {name} was {was:g}, is now {is_now:g}: at 0 it is not trained")
    return found
