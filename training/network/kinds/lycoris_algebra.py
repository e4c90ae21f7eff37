"""lycoris-lora's functional algebra, imported when an algorithm first needs it.

Its plain torch bodies are used: they run on every device, and give the same numbers again when a block is recomputed.
"""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Callable
from functools import partial
from types import ModuleType
from typing import Any

import torch

from ...errors import MissingLibraryError


def functional(name: str, algorithm: str) -> ModuleType:
    """The module lycoris.functional.<name>. Raises MissingLibraryError without lycoris-lora."""
    try:
        return importlib.import_module(f"lycoris.functional.{name}")
    except ImportError as error:
        raise MissingLibraryError("lycoris-lora", f"The algorithm '{algorithm}' of the LoRA Network node") from error


def plain(function: Callable[..., Any]) -> Callable[..., Any]:
    """`function` without compiled or fused kernels, which versions from 4 on choose by themselves."""
    if "backend" in inspect.signature(function).parameters:
        return partial(function, backend="torch")
    return function


def drawn(make: Callable[..., Any], generator: torch.Generator, *args: Any, **options: Any) -> Any:
    """make(...) on the CPU as a function of `generator`'s seed: the library draws from torch's own generator, which is as it was
    afterwards. Those of other devices, the user's too, are left alone (`torch.manual_seed` would seed them all)."""
    shared = torch.default_generator
    before = shared.get_state()
    shared.manual_seed(generator.initial_seed())
    try:
        return make(*args, **options)
    finally:
        shared.set_state(before)
