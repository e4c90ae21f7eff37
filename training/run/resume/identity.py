"""What a run is made of, so that one that goes on can tell what has changed.

It follows from the specs (see `settings`): a setting that is added to one of them is compared from then on, and against its
default where the state is older than it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any

from ...data.items import Item
from ...order import Order
from ...recipe import Recipe
from ...settings import compared, departures, describe, differences
from .begun import AUTO, auto_timesteps

#: The specs that are compared field by field: the node that sets each -> the spec.
_SPECS = {
    "Train LoRA": lambda recipe: recipe.run,
    "LoRA Network": lambda recipe: recipe.network,
    "Optimizer": lambda recipe: recipe.optimizer,
    "Training Objective": lambda recipe: recipe.objective,
    "Caption Config": lambda recipe: recipe.dataset.captions,
}


def identity(order: Order, items: Sequence[Item]) -> dict[str, Any]:
    """Name -> JSON-ready value, for the training state. `items` are those that are trained and held out."""
    found: dict[str, Any] = {"base model": order.model_identity}
    for node, spec in _specs(order.recipe).items():
        found |= compared(spec, f"{node}: ")
    meant = auto_timesteps(order)
    return found | ({AUTO: describe(meant)} if meant else {}) | _of_pictures(items)


def changes(saved: Mapping[str, Any], order: Order, items: Sequence[Item]) -> list[str]:
    """One phrase for everything that is not as it was when `saved` was made."""
    found = [] if saved.get("base model") == order.model_identity else ["the base model, or what is applied to it, is another one"]
    for node, spec in _specs(order.recipe).items():
        found += differences(saved, spec, f"{node}: ")
    unknown = {"references": _digest([])}  # states that are older than references
    now = _of_pictures(items)
    return found + [f"{name} are not the same" for name, digest in now.items() if saved.get(name, unknown.get(name, digest)) != digest]


def _specs(recipe: Recipe) -> dict[str, Any]:
    return {node: spec_of(recipe) for node, spec_of in _SPECS.items()}


def _of_pictures(items: Sequence[Item]) -> dict[str, str]:
    """What is trained of the pictures, by what a person would call it -> a digest over all of them."""
    samples = list(dict.fromkeys(item.sample for item in items))
    usual = samples[0].captions  # compared field by field; others, from merged datasets, are part of the digest
    rules = {spec: departures(spec) if spec != usual else None for spec in {sample.captions for sample in samples}}
    return {
        "pictures": _digest([(sample.name, sample.picture.digest()) for sample in samples]),
        "captions": _digest([(sample.name, sample.caption, sample.class_words, rules[sample.captions]) for sample in samples]),
        "masks and transparency": _digest(
            [(sample.name, sample.mask.digest() if sample.mask else None, sample.alpha, sample.background) for sample in samples]
        ),
        "references": _digest([
            (sample.name, [reference.digest() for reference in sample.references]) for sample in samples if sample.references
        ]),
        "repeats": _digest([(sample.name, sample.repeats) for sample in samples]),
        "weights, and which pictures are regularisation or held out": _digest(
            [(sample.name, sample.weight, sample.role) for sample in samples]
        ),
        "sizes, crops and mirrored pictures": _digest([
            [(item.sample.name, variant.resized, variant.geometry.crop, variant.bucket, variant.flip) for variant in item.variants()]
            for item in items
        ]),
    }


def _digest(part: object) -> str:
    return hashlib.sha256(repr(part).encode()).hexdigest()[:16]
