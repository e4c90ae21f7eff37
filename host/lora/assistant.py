"""The training adapter of a distilled model: a LoRA that lies frozen under the one that is trained."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from torch import Tensor

from ...training.errors import SettingsError
from ...training.network.start_from import ModuleStart
from ...training.parts import Place, Trainable
from ...training.specs import Assistant
from .changes import Changes, changes_of
from .given import NO_FILE, given
from .patches import known_names
from .sound import as_data, require_halves

WHERE = "Train LoRA"


def assistant_from(name: str, lora: Mapping[str, Tensor] | None, strength: float) -> Assistant | None:
    """The LoRA called `name`, or the one from a LORA_MODEL socket; None without either. Raises SettingsError for both."""
    if lora is None and name == NO_FILE:
        return None
    if lora is not None and name != NO_FILE:
        raise SettingsError(WHERE, [f"assistant is connected and assistant_name is '{name}'. Set assistant_name to none."])
    found = given(WHERE, name, lora)
    return Assistant(name=found.name, digest=found.digest, strength=strength, tensors=found.tensors)


def assistant_starts(assistant: Assistant, patcher, parts: Sequence[Trainable]) -> dict[Place, ModuleStart]:
    """The change that it makes at each place of the diffusion model. Raises SettingsError when not all of it fits."""
    require_halves(WHERE, f"the assistant ({assistant.name})", assistant.tensors, known_names(patcher, None))
    with as_data(WHERE, f"the assistant ({assistant.name})"):
        found = changes_of(assistant.tensors, patcher, None, parts)
    problem = _misfit(assistant, found)
    if problem:
        raise SettingsError(WHERE, [problem])
    return found.starts


def _misfit(assistant: Assistant, found: Changes) -> str | None:
    if not assistant.tensors:
        return f"the assistant ({assistant.name}) is empty. Take the training adapter that was made for this model."
    if found.unmapped:
        return (
            f"the assistant ({assistant.name}) does not fit this model: {len(found.unmapped)} of its {len(assistant.tensors)} keys belong "
            f"to none of its modules, the first is '{found.unmapped[0]}'. Take the training adapter that was made for this model."
        )
    if found.unheld:
        weight, why = next(iter(found.unheld.items()))
        return (
            f"the assistant ({assistant.name}) cannot be laid under the LoRA at {len(found.unheld)} of its "
            f"{len(found.unheld) + len(found.starts)} modules, the first is '{weight}': {why}"
        )
    return None
