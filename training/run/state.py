"""What a resumed run needs: one safetensors file, its JSON in the header, replaced as a whole. Never a pickle.

Randomness is a function of (seed, epoch, item), so no generator state is kept.
"""

from __future__ import annotations

import json
import math
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

import torch

from ..data.items import Item
from ..errors import StateError
from ..files.atomic import write_whole
from ..files.tensors import write_tensors
from ..network.network import Network
from ..optim.state import import_state
from ..order import Order
from .resume.identity import changes, knows_left_out
from .resume.identity_v1 import changes_since_v1
from .resume.saved import HEADER, as_data, fill, read_facts, read_tensors, run_of
from .trainer import Trainer

VERSION = 2
FILE_NAME = "training.state"
"""Safetensors by its content. A run's folder is a LoRA folder of ComfyUI's, which lists whatever is called so, and this is no LoRA."""
LAST_GOOD_NAME = "last-good.state"
_NAMES_BEFORE = {FILE_NAME: "state.safetensors", LAST_GOOD_NAME: "last-good.safetensors"}
LAST_GOOD = ":last good"
"""Behind a run's name in 'resume': the state that was kept from before the run went bad."""
_COPIED_AT_ONCE = 2**24


def state_file(folder: Path) -> Path:
    """The state of the run in `folder`, there or to come: under its old name where a run of before left it."""
    return _there(folder / "state" / FILE_NAME)


def last_good_file(path: Path) -> Path:
    """The state that is kept beside the one at `path` when that may be no good."""
    return _there(path.with_name(LAST_GOOD_NAME))


def _there(path: Path) -> Path:
    before = path.with_name(_NAMES_BEFORE[path.name])
    return before if before.is_file() and not path.is_file() else path


def put_state(folder: Path, trainer: Trainer, identity: Mapping[str, Any]) -> Path:
    """Save the run's state in the place of the one before, whatever that was called. Raises DiskError."""
    before, path = state_file(folder), folder / "state" / FILE_NAME
    save_state(path, trainer, identity)
    if before != path:
        with suppress(OSError):
            before.unlink()
    return path


def save_state(path: Path, trainer: Trainer, identity: Mapping[str, Any]) -> None:
    """Everything that the next step depends on. `identity` says what the run was trained on, to notice changes."""
    updater = trainer.updater
    optimizer_tensors, optimizer_facts = updater.exported_state()
    tensors = {f"adapter/{name}": tensor for name, tensor in _adapter_tensors(trainer).items()}
    tensors |= {f"optimizer/{name}": tensor for name, tensor in optimizer_tensors.items()}
    if updater.ema is not None:
        tensors |= {f"ema/{name}": tensor for name, tensor in updater.ema.state_dict().items()}
    facts = {
        "version": VERSION, "step": trainer.step, "identity": dict(identity), "optimizer": optimizer_facts,
        "schedule": updater.course.memory(trainer.step),
        "loss_scale": updater.scaler.state_dict(), "learning_rate_scale": trainer.control.learning_rate_scale,
        "companions": {type(companion).__name__: companion.memory() for companion in trainer.companions},
    }
    write_tensors(path, tensors, {HEADER: json.dumps(facts)}, checksum=True)


def keep_as_last_good(path: Path) -> None:
    """The state at `path` stays beside it, whatever is saved there now; one that was kept before is older, and stays instead.
    Raises DiskError."""
    kept = last_good_file(path)
    if not path.exists() or kept.exists():
        return
    try:
        os.link(path, kept)  # saving puts a new file in the place of the old one
    except OSError:  # a file system without links
        write_whole(kept, lambda: _pieces_of(path), precious=True)


def _pieces_of(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        while piece := file.read(_COPIED_AT_ONCE):
            yield piece


def forget_last_good(path: Path) -> None:
    """The state at `path` is a good one again; what cannot be removed harms nobody."""
    with suppress(OSError):
        last_good_file(path).unlink(missing_ok=True)


def ways_on(path: Path) -> str:
    """How to go on from what lies at `path` and beside it."""
    run, kept = run_of(path), last_good_file(path)
    if not path.exists():
        return "No state had been saved before: start again."
    if not kept.exists():
        return f"To go on from {_step_of(path)}, before it, write '{run}' into resume on the Train LoRA node."
    return (
        f"To go on from {_step_of(kept)}, before it, write '{run}{LAST_GOOD}' into resume on the Train LoRA node; "
        f"'{run}' alone goes on from {_step_of(path)}."
    )


def _step_of(path: Path) -> str:
    try:
        return f"step {read_facts(path)['step']}"
    except StateError:
        return "a state that cannot be read"


def saved_identity(path: Path) -> Mapping[str, Any]:
    """What the run whose state lies at `path` was trained on. Raises StateError when the file cannot be read."""
    return read_facts(path)["identity"]


def saved_schedule(path: Path) -> tuple[int, Mapping[str, Any] | None]:
    """The steps that are done, and what the learning rate's course was; None in states of before November 2026."""
    facts = read_facts(path)
    memory = facts.get("schedule")
    with as_data(path):
        if memory is not None and not all(math.isfinite(memory[name] or 0) for name in ("start", "level", "last")):
            raise ValueError("its learning rate is no number")
    return facts["step"], memory


def require_same_run(path: Path, order: Order, items: Sequence[Item], network: Network, *, are_readable: bool = True) -> None:
    """Raises StateError that names everything that is not as it was when the state at `path` was saved. Where it is not known yet
    whether the pictures of `items` can be read, the state says which could not then; one that does not is not asked about pictures."""
    facts = read_facts(path)
    saved = facts["identity"]
    with as_data(path):
        if facts["version"] > 1:
            found = changes(saved, order, items if are_readable or knows_left_out(saved) else None)
        else:
            found = changes_since_v1(saved, order, items, network) if are_readable else []
    if found:
        lines = "\n".join(f"  - {change}" for change in found)
        raise StateError(
            f"the run '{run_of(path)}' was trained with something else:\n{lines}\n"
            "Put it back as it was, or start a new run that takes over what this one has learned: set resume on Train LoRA to 'new', "
            "and put Start From LoRA, with the run's file, between LoRA Network and Train LoRA."
        )


def load_state(path: Path, trainer: Trainer) -> None:
    """Bring `trainer` to the step that was saved. Raises StateError when the file cannot be read, or is of other modules."""
    facts, tensors = read_facts(path), read_tensors(path)
    own, adapters = _adapter_tensors(trainer), _named(tensors, "adapter/")
    _require_same_modules(path, own, adapters)
    with as_data(path):
        fill(own, adapters)
        import_state(trainer.updater.optimizer, _named(tensors, "optimizer/"), facts["optimizer"])
        if trainer.updater.ema is not None:
            trainer.updater.ema.load_state_dict(_named(tensors, "ema/"))
        if trainer.updater.scaler.is_enabled() and facts["loss_scale"]:
            trainer.updater.scaler.load_state_dict(facts["loss_scale"])
        trainer.control.set_learning_rate_scale(facts["learning_rate_scale"])
        for companion in trainer.companions:
            companion.remember(facts["companions"].get(type(companion).__name__, []), facts["step"])
        if unsound := trainer.updater.unsound():
            raise ValueError(f"'{unsound[0]}' holds NaN or infinity")
    trainer.updater.doubt = partial(as_data, path)
    trainer.step = facts["step"]


def _require_same_modules(path: Path, own: Mapping[str, torch.Tensor], saved: Mapping[str, torch.Tensor]) -> None:
    more, fewer = sorted(saved.keys() - own.keys()), sorted(own.keys() - saved.keys())
    if not (more or fewer):
        return
    what = f"holds {len(more)} tensors of modules that are not" if more else f"lacks {len(fewer)} tensors of modules that are"
    raise StateError(
        f"the state of the run '{run_of(path)}' {what} trained now, the first is '{(more or fewer)[0]}': presets have changed for some "
        "models since it was saved. Start a new run; Start From LoRA takes over what was learned."
    )


def _adapter_tensors(trainer: Trainer) -> dict[str, torch.Tensor]:
    network = trainer.updater.network
    return {
        f"{network.file_keys[place]}.{name}": tensor
        for place, adapter in network.items()
        for name, tensor in adapter.state_dict().items()
    }


def _named(tensors: Mapping[str, torch.Tensor], prefix: str) -> dict[str, torch.Tensor]:
    return {name[len(prefix):]: tensor for name, tensor in tensors.items() if name.startswith(prefix)}
