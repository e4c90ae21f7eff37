"""A state file as it lies on disk. It may come from anywhere, and a disk may have damaged it: whatever is in it is data.

Nothing in it is believed before its type was looked at, and whatever does not fit becomes one sentence.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from ...errors import StateError, TrainingError, is_out_of_memory
from ...files.tensors import LARGEST, is_intact, is_plausible

READABLE = (1, 2)
HEADER = "lora_canvas_state"

#: What every state says of its run.
_FACTS: dict[str, type | tuple[type, ...]] = {
    "version": int, "step": int, "identity": dict, "optimizer": dict, "loss_scale": dict, "learning_rate_scale": (int, float),
    "companions": dict,
}
_WAY_ON = "Start a new run, or resume another one; Start From LoRA takes over what the last checkpoint has learned."


def run_of(path: Path) -> str:
    """The name of the run whose state lies at `path`."""
    return path.parent.parent.name


@contextmanager
def as_data(path: Path) -> Iterator[None]:
    """Whatever the content of the state at `path` does to the code in here becomes a StateError. Errors of the pack, and a lack of
    memory, stay what they are."""
    try:
        yield
    except TrainingError:
        raise
    except OSError as error:
        raise StateError(f"the state of the run '{run_of(path)}' cannot be read ({error.strerror or error}). {_WAY_ON}") from error
    except (SafetensorError, ArithmeticError, AttributeError, LookupError, RuntimeError, TypeError, ValueError) as error:
        if is_out_of_memory(error):
            raise
        reason = " ".join(f"{type(error).__name__}: {error}".split())[:300]
        raise StateError(
            f"the state of the run '{run_of(path)}' cannot be read: it is damaged, or was not written by LoRA Canvas ({reason}). {_WAY_ON}"
        ) from error


def require_intact(path: Path) -> None:
    """Read the whole file once. Raises StateError when a byte of it is not as it was written; states of before November 2026
    have no checksum."""
    with as_data(path):
        intact = is_intact(path)
    if intact is False:
        raise StateError(
            f"the state of the run '{run_of(path)}' is damaged: its bytes are not those that were written. Look after the disk. {_WAY_ON}"
        )


def read_facts(path: Path) -> dict[str, Any]:
    """What is in the header. Raises StateError when it is not that of a state that this version knows."""
    with as_data(path):
        with safe_open(path, framework="pt") as file:
            facts = json.loads((file.metadata() or {}).get(HEADER, "null"))
        if not isinstance(facts, dict) or facts.get("version") not in READABLE:
            raise ValueError("its header is not that of a state which this version reads")
        for name, kind in _FACTS.items():
            if not isinstance(facts.get(name), kind) or isinstance(facts[name], bool):
                raise ValueError(f"its '{name}' is {facts.get(name)!r:.40}")
        if facts["step"] < 0 or not 0 <= facts["learning_rate_scale"] < math.inf:
            raise ValueError(f"it says step {facts['step']} and learning rate x {facts['learning_rate_scale']}")
    return facts


def read_tensors(path: Path) -> dict[str, Tensor]:
    """All its tensors by name, mapped rather than copied."""
    with as_data(path), safe_open(path, framework="pt") as file:
        return {name: file.get_tensor(name) for name in file.keys()}


def fill(own: dict[str, Tensor], saved: dict[str, Tensor]) -> None:
    """Copy each saved tensor into that of its name. Raises ValueError where one is of another shape or type, or holds what no
    weight of an adapter is."""
    for name, tensor in saved.items():
        mine = own[name]
        if tensor.shape != mine.shape or tensor.dtype != mine.dtype:
            raise ValueError(f"'{name}' is {tensor.dtype} of {list(tensor.shape)} instead of {mine.dtype} of {list(mine.shape)}")
        if tensor.is_floating_point() and not is_plausible(tensor):
            raise ValueError(f"'{name}' holds NaN, or numbers beyond {LARGEST:g}")
    with torch.no_grad():
        for name, tensor in saved.items():
            own[name].copy_(tensor)
