"""What the Start From LoRA node was given, and what it does to each module of a model, for training to go on from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from torch import Tensor

from ...training.errors import SettingsError, raise_problems
from ...training.network.spec import StartFrom
from ...training.network.start_from import WHERE, ModuleStart
from ...training.parts import Place, Trainable
from .changes import changes_of
from .given import NO_FILE, given
from .patches import known_names
from .sound import as_data, require_halves

_SHOWN = 5


def start_from(name: str, lora: Mapping[str, Tensor] | None, *, rank_from_file: bool, drop_others: bool) -> StartFrom:
    """The LoRA called `name`, or the one from a LORA_MODEL socket. Raises SettingsError when it is none or both."""
    if (lora is None) == (name == NO_FILE):
        raise SettingsError(WHERE, ["choose a file in lora_name, or connect lora: one of the two."])
    found = given(WHERE, name, lora)
    return StartFrom(name=found.name, digest=found.digest, rank_from_file=rank_from_file, drop_others=drop_others, tensors=found.tensors)


def module_starts(start: StartFrom, patcher, clip, parts: Sequence[Trainable]) -> dict[Place, ModuleStart]:
    """The change that the file makes at each place. `parts` are those that the run trains; modules of others keep their name
    as part, so that they can be told.

    Raises SettingsError for keys that ComfyUI cannot place on this model, and for changes that no adapter can hold,
    unless `start.drop_others`.
    """
    require_halves(WHERE, start.name, start.tensors, known_names(patcher, clip))
    with as_data(WHERE, start.name):
        found = changes_of(start.tensors, patcher, clip, parts)
    problems = _unmapped(start, found.unmapped, found=bool(found.starts or found.unheld))
    problems += [f"'{weight}' of {start.name}: {why}" for weight, why in found.unheld.items()]
    if not start.drop_others or not found.starts:
        more = [f"... and {len(problems) - _SHOWN} more."] if len(problems) > _SHOWN else []
        raise_problems(SettingsError, WHERE, problems[:_SHOWN] + more)
    return found.starts


def _unmapped(start: StartFrom, keys: Sequence[str], *, found: bool) -> list[str]:
    if not found:
        return [f"{start.name} has no key that this model knows. It belongs to another kind of model."]
    return [f"{start.name}: {len(keys)} keys belong to no module of this model, the first is '{keys[0]}'."] if keys else []
