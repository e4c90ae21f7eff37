"""Training goes on from a LoRA that exists: which modules it changes, with which rank, and how the adapters get its values.

The host reads the file, in whatever format it can load, into one ModuleStart a module; from here on nobody asks how it
was spelled.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from torch import Tensor

from ..errors import SettingsError, is_out_of_memory, raise_problems
from ..ops import Norm
from ..parts import Place
from .kinds.adapter import Adapter, Change
from .kinds.lora import LoRA
from .kinds.menu import adapters
from .offsets import DIFF_B, OFFSET, layer_path
from .slots import Slot
from .spec import NetworkSpec, StartFrom

WHERE = "Start From LoRA"


@dataclass(frozen=True)
class ModuleStart:
    """One module's change: `algorithm` is its kind ('lora' for all that are read as one, OFFSET for norms and, at a place of
    their own, biases), `tensors` are keyed as that kind's `file_tensors`."""

    algorithm: str
    tensors: Mapping[str, Tensor]


Starts = Mapping[Place, ModuleStart]


def slots_with_start(
    start: StartFrom, starts: Starts, slots: Mapping[Place, Slot], all_slots: Mapping[Place, Slot], spec: NetworkSpec
) -> dict[Place, Slot]:
    """The slots to train: `slots` are those of the targets, `all_slots` one for every module that could be trained. With
    `rank_from_file` a module that block weights leave out keeps the file's values: it is saved, at learning rate 0. Norms that
    `spec` asks for are trained beside those of the file.

    Raises SettingsError when the file's kind is not that of `spec`, when modules of it would be lost, or do not fit.
    """
    kind = adapters.get(spec.algorithm)
    _require_readable(start.name, starts)
    wrong = {module.algorithm for module in starts.values()} - {_kind_of_file(kind), OFFSET}
    if wrong:
        raise SettingsError(WHERE, [
            f"{start.name} holds {' and '.join(sorted(wrong))}, but algorithm on the LoRA Network node is '{spec.algorithm}'. "
            f"Set it to '{sorted(wrong)[0]}', or apply the file with a LoRA loader in front of Train LoRA instead."
        ])
    usable = all_slots if start.rank_from_file else slots
    _require_all_used(start, [place for place, module in starts.items() if not _is_used(place, module, start, starts, usable, spec)])
    if start.rank_from_file:
        asked = {place: slot for place, slot in slots.items() if isinstance(slot.op, Norm)}
        return {place: slot_of_file(kind, slot, starts[place]) for place, slot in usable.items() if place in starts} | asked
    problems = [
        f"'{path}' has rank {kind.rank_of(starts[part, path].tensors)} in {start.name}, but {slot.rank} on the LoRA Network node. "
        "Switch rank_from_file on, or raise rank."
        for (part, path), slot in slots.items()
        if (part, path) in starts and not isinstance(slot.op, Norm) and not _rank_fits(kind, slot, starts[part, path])
    ]
    raise_problems(SettingsError, WHERE, _shortened(problems))
    return dict(slots)


def apply_start(items: Iterable[tuple[Place, Change]], starts: Starts) -> None:
    """Give each adapter that has a start its values. Raises SettingsError where the shapes differ."""
    problems = []
    for place, adapter in items:
        if place not in starts:
            continue
        device = next(adapter.parameters()).device
        tensors = {name: tensor.to(device) for name, tensor in starts[place].tensors.items()}
        try:
            adapter.load_file_tensors(tensors)
        except (LookupError, RuntimeError, ValueError, ArithmeticError) as error:
            if is_out_of_memory(error):
                raise
            problems.append(f"'{place[1]}' of the file has another shape ({error}). Use the options that it was trained with.")
    raise_problems(SettingsError, WHERE, _shortened(problems))


def _require_readable(name: str, starts: Starts) -> None:
    """Raises SettingsError where a module has no rank that its kind could be made with, or a scale of 0."""
    problems = []
    for (_, path), module in starts.items():
        if module.algorithm == OFFSET:
            continue
        kind = adapters.get(module.algorithm)
        try:
            rank = kind.rank_of(module.tensors)
        except LookupError:
            rank = 0
        if rank < 1:
            problems.append(f"'{path}' of {name} has no rank: its tensors are damaged. Take another copy of the file.")
        elif kind.uses_alpha and float(module.tensors.get("alpha", rank)) == 0:
            problems.append(f"'{path}' of {name} has alpha 0: it changes nothing, and would never learn. Take another LoRA.")
    raise_problems(SettingsError, WHERE, _shortened(problems))


def _kind_of_file(kind: type[Adapter]) -> str:
    """What a file of `kind` is read as."""
    return LoRA.algorithm if kind.is_plain_lora else kind.algorithm


def _rank_fits(kind: type[Adapter], slot: Slot, start: ModuleStart) -> bool:
    rank = kind.rank_of(start.tensors)
    return rank <= slot.rank if kind.takes_lower_ranks else rank == slot.rank


def _is_used(
    place: Place, module: ModuleStart, start: StartFrom, starts: Starts, usable: Mapping[Place, Slot], spec: NetworkSpec
) -> bool:
    """Whether the file's change at `place` finds something that takes it; a bias goes with the adapter of its layer."""
    if DIFF_B not in module.tensors:
        return place in usable
    layer = (place[0], layer_path(place[1]))
    return layer in usable and (layer in starts if start.rank_from_file else spec.train_biases)


def slot_of_file(kind: type[Adapter], slot: Slot, start: ModuleStart) -> Slot:
    """`slot` with the rank and alpha of the file."""
    if isinstance(slot.op, Norm):
        return slot
    rank = kind.rank_of(start.tensors)
    alpha = float(start.tensors["alpha"]) if "alpha" in start.tensors else float(rank)
    return replace(slot, rank=rank, alpha=kind.alpha_from_file(alpha, rank))


def _require_all_used(start: StartFrom, unused: list[Place]) -> None:
    if not unused or start.drop_others:
        return
    parts = sorted({part for part, _ in unused})
    raise SettingsError(WHERE, [
        f"{start.name} changes {len(unused)} modules that this run does not train (in {', '.join(parts)}; the first is "
        f"'{unused[0][1]}'), and they would be lost. Choose wider targets, switch train_norms or train_biases on "
        "for those, connect clip and set text_encoder_lr above 0 for text encoders, or switch drop_others on."
    ])


def _shortened(problems: list[str]) -> list[str]:
    return problems if len(problems) <= 3 else [*problems[:3], f"... and {len(problems) - 3} more modules."]
