"""Training goes on from a LoRA that exists: which modules it changes, with which rank, and how the adapters get its values.

The host reads the file, in whatever format it can load, into one ModuleStart a module; from here on nobody asks how it
was spelled.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

from torch import Tensor

from ..errors import SettingsError, raise_problems
from .kinds.adapter import Adapter, adapters
from .slots import Place, Slot

WHERE = "Start From LoRA"

#: Algorithms whose adapter is a LoRA, and so can go on from one.
_LORAS = ("lora", "rslora", "lora_fa", "dylora")


@dataclass(frozen=True, kw_only=True)
class StartFrom:
    """What the Start From LoRA node says. `tensors` are the file's, by key; `digest` stands for their content.

    `rank_from_file` trains exactly the modules of the file, with its ranks and alphas; otherwise targets, rank and alpha
    are the network's, and a smaller LoRA is fitted into larger ranks. `drop_others` goes on without what the run cannot
    train (text encoders, modules outside the targets, changes of biases), which is an error otherwise.
    """

    name: str
    digest: str
    rank_from_file: bool = True
    drop_others: bool = False
    tensors: Mapping[str, Tensor] = field(default_factory=dict, repr=False, compare=False)


@dataclass(frozen=True)
class ModuleStart:
    """One module's change: `algorithm` is its kind, `tensors` are keyed as that kind's `file_tensors`."""

    algorithm: str
    tensors: Mapping[str, Tensor]


Starts = Mapping[Place, ModuleStart]


def slots_with_start(
    start: StartFrom, starts: Starts, slots: Mapping[Place, Slot], all_slots: Mapping[Place, Slot], algorithm: str
) -> dict[Place, Slot]:
    """The slots to train: `slots` are those of the targets, `all_slots` one for every module that could be trained. With
    `rank_from_file` a module that block weights leave out keeps the file's values: it is saved, at learning rate 0.

    Raises SettingsError when the file's kind is not `algorithm`, when modules of it would be lost, or do not fit.
    """
    kind = adapters.get(algorithm)
    wrong = {module.algorithm for module in starts.values() if not _fits(algorithm, module.algorithm)}
    if wrong:
        raise SettingsError(WHERE, [
            f"{start.name} holds {' and '.join(sorted(wrong))}, but algorithm on the LoRA Network node is '{algorithm}'. "
            f"Set it to '{sorted(wrong)[0]}', or apply the file with a LoRA loader in front of Train LoRA instead."
        ])
    usable = all_slots if start.rank_from_file else slots
    _require_all_used(start, [place for place in starts if place not in usable])
    if start.rank_from_file:
        return {place: _as_in_file(kind, slot, starts[place]) for place, slot in usable.items() if place in starts}
    problems = [
        f"'{path}' has rank {kind.rank_of(starts[part, path].tensors)} in {start.name}, but {slot.rank} on the LoRA Network node. "
        "Switch rank_from_file on, or raise rank."
        for (part, path), slot in slots.items()
        if (part, path) in starts and not _rank_fits(kind, slot, starts[part, path])
    ]
    raise_problems(SettingsError, WHERE, _shortened(problems))
    return dict(slots)


def apply_start(items: Iterable[tuple[Place, Adapter]], starts: Starts) -> None:
    """Give each adapter that has a start its values. Raises SettingsError where the shapes differ."""
    problems = []
    for place, adapter in items:
        if place not in starts:
            continue
        tensors = {name: tensor.to(_device(adapter)) for name, tensor in starts[place].tensors.items()}
        try:
            adapter.load_file_tensors(tensors)
        except (KeyError, RuntimeError) as error:
            problems.append(f"'{place[1]}' of the file has another shape ({error}). Use the options that it was trained with.")
    raise_problems(SettingsError, WHERE, _shortened(problems))


def _device(adapter: Adapter):
    return next(adapter.parameters()).device


def _fits(algorithm: str, kind_in_file: str) -> bool:
    return kind_in_file == algorithm or (kind_in_file == "lora" and algorithm in _LORAS)


def _rank_fits(kind: type[Adapter], slot: Slot, start: ModuleStart) -> bool:
    """A LoRA fits into a larger rank; the other kinds have shapes of their own."""
    rank = kind.rank_of(start.tensors)
    return rank <= slot.rank if start.algorithm in ("lora", "dora") else rank == slot.rank


def _as_in_file(kind: type[Adapter], slot: Slot, start: ModuleStart) -> Slot:
    rank = kind.rank_of(start.tensors)
    alpha = float(start.tensors["alpha"]) if "alpha" in start.tensors else float(rank)
    return replace(slot, rank=rank, alpha=kind.alpha_from_file(alpha, rank))


def _require_all_used(start: StartFrom, unused: list[Place]) -> None:
    if not unused or start.drop_others:
        return
    parts = sorted({part for part, _ in unused})
    raise SettingsError(WHERE, [
        f"{start.name} changes {len(unused)} modules that this run does not train (in {', '.join(parts)}; the first is "
        f"'{unused[0][1]}'), and they would be lost. Choose wider targets, connect clip and set text_encoder_lr above 0 for text "
        "encoders, or switch drop_others on."
    ])


def _shortened(problems: list[str]) -> list[str]:
    return problems if len(problems) <= 3 else [*problems[:3], f"... and {len(problems) - 3} more modules."]
