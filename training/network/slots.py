"""Which modules are adapted, and with which rank, alpha and learning rate each: targets and block weights put together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from ..errors import SettingsError, raise_problems
from ..ops import Norm, Op
from ..parts import DIFFUSION_MODEL, Place, Section, Trainable
from .block_weights import WHERE, BlockRule, BlockWeights
from .spec import WHERE as NETWORK
from .spec import NetworkSpec
from .targets import Names, select


@dataclass(frozen=True, slots=True)
class Slot:
    """One module to train: `lr` multiplies the learning rate of its part. A norm has no use for rank and alpha, but a rank of
    0 leaves it out too."""

    op: Op | Norm
    rank: int
    alpha: float
    lr: float = 1.0


def slots_for(spec: NetworkSpec, parts: Sequence[Trainable]) -> dict[Place, Slot]:
    """The slots of every target that is trained, in the model's order. Raises SettingsError when patterns match
    nothing, when a list has the wrong number of values, or when nothing is left."""
    kept = {place: slot for place, slot in planned(spec, parts).items() if slot.rank and slot.lr}
    if not kept:
        raise SettingsError(WHERE, ["no module is left to train: every target has learning rate or rank 0."])
    return kept


def planned(spec: NetworkSpec, parts: Sequence[Trainable]) -> dict[Place, Slot]:
    """The same with the targets that block weights leave out, their rank or learning rate being 0."""
    names = Names(parts, with_norms=spec.train_norms)
    if spec.train_norms and not names.norms:
        raise SettingsError(NETWORK, ["train_norms is on, but no norm of this model has weights that a LoRA file can name. Switch it off."])
    ops = {part.full_name(path): op for part in parts for path, op in (*part.ops, *part.norms)}
    weights = spec.block_weights or BlockWeights()
    chosen = select(parts, spec.targets, with_convolutions=spec.conv_rank > 0, with_norms=spec.train_norms)
    slots = {name: Slot(ops[name], *_rank_and_alpha(spec, ops[name])) for name in chosen}
    for rule in _listed(weights, parts, names):
        matched, _ = names.matching(rule.where)
        slots |= {name: _changed(slots[name], rule) for name in slots if name in matched}
    problems = []
    for rule in weights.rules:
        matched, problem = names.matching(rule.where)
        targets = [name for name in slots if name in matched]
        problem = problem or _without_effect(rule, matched, [slots[name] for name in targets])
        problems += [f"rules: {problem}"] if problem else []
        slots |= {name: _changed(slots[name], rule) for name in targets}
    raise_problems(SettingsError, WHERE, problems)
    return {names.places[name]: slot for name, slot in slots.items()}


def every_slot(spec: NetworkSpec, parts: Sequence[Trainable]) -> dict[Place, Slot]:
    """A slot for every module that could be trained, whatever the targets are."""
    return {(part.name, path): Slot(op, *_rank_and_alpha(spec, op)) for part in parts for path, op in (*part.ops, *part.norms)}


def _rank_and_alpha(spec: NetworkSpec, op: Op | Norm) -> tuple[int, float]:
    """conv_rank and conv_alpha for true convolutions when set; 1x1 ones count as linears, as in kohya's scripts."""
    if spec.conv_rank and _is_convolution(op):
        return spec.conv_rank, spec.conv_alpha
    return spec.rank, spec.alpha


def _is_convolution(op: Op | Norm) -> bool:
    return isinstance(op, Op) and not op.is_linear and not op.is_pointwise


def _without_effect(rule: BlockRule, matched: set[str], slots: Sequence[Slot]) -> str | None:
    if not slots:
        return f"'{rule.where}' matches {len(matched)} modules, but none that is trained. Choose wider targets on the LoRA Network node."
    sets_ranks = rule.rank is not None or rule.alpha is not None
    if sets_ranks and rule.lr is None and all(isinstance(slot.op, Norm) for slot in slots):
        return f"'{rule.where}' sets a rank or alpha, but matches only norms, which have none. Set lr, or off."
    sets_convolutions = rule.conv_rank is not None or rule.conv_alpha is not None
    if sets_convolutions and not any(_is_convolution(slot.op) for slot in slots):
        return f"'{rule.where}' sets a rank or alpha of convolutions, but trains none. Set conv_rank on the LoRA Network node."
    return None


def _changed(slot: Slot, rule: BlockRule) -> Slot:
    conv = _is_convolution(slot.op)
    rank, alpha = (rule.conv_rank, rule.conv_alpha) if conv else (rule.rank, rule.alpha)
    return replace(
        slot, rank=slot.rank if rank is None else rank, alpha=slot.alpha if alpha is None else alpha,
        lr=slot.lr if rule.lr is None else rule.lr,
    )


def _listed(weights: BlockWeights, parts: Sequence[Trainable], names: Names) -> list[BlockRule]:
    """The lists as rules, one a block."""
    lists = {
        "lr": (weights.lr, lambda where, value: BlockRule(where=where, lr=float(value))),
        "rank": (weights.ranks, lambda where, value: BlockRule(where=where, rank=int(value))),
        "alpha": (weights.alphas, lambda where, value: BlockRule(where=where, alpha=float(value))),
    }
    forms = _forms(parts, names)
    rules, problems = [], []
    for key, (values, rule) in lists.items():
        form = next((form for form in forms if len(form) == len(values)), None)
        if values and form is None:
            counts = ", ".join(f"{len(form)} ({form[0]} to {form[-1]})" for form in forms) or "none; use rules"
            problems.append(f"{key} has {len(values)} values, but this model takes {counts}.")
        if values and form is not None:
            rules += [rule(where, value) for where, value in zip(form, values, strict=True)]
    raise_problems(SettingsError, WHERE, problems)
    return rules


def _forms(parts: Sequence[Trainable], names: Names) -> list[tuple[str, ...]]:
    """The orders in which one number a block may be written: the family's own, else the model's blocks as they come."""
    own = [form for part in parts for form in part.blocks.lists]
    if own:
        return own
    paths = [path for part in parts if part.name == DIFFUSION_MODEL for path, _ in part.ops]
    blocks = [f"{section.name} {number}" for section in names.sections for number in _numbers(section, paths)]
    return [tuple(blocks)] if blocks else []


def _numbers(section: Section, paths: Sequence[str]) -> list[int]:
    return sorted({number for path in paths if (number := section.number(path)) is not None})
