"""What an error that says 'out of memory' still holds, and giving it back: only then is there room for another try."""

from __future__ import annotations

import gc
import traceback
from collections.abc import Callable, Iterator
from typing import TypeVar

import torch

from ..errors import is_out_of_memory

Made = TypeVar("Made")


def let_go(error: BaseException) -> None:
    """The functions that `error`, and those that led to it, came through hold on to what they had computed, a whole graph of
    activations: their locals are cleared. What they were called with by those who still run stays."""
    for each in _with_causes(error):
        traceback.clear_frames(each.__traceback__)


def empty_caches(device: torch.device) -> None:
    """What nobody holds any more goes back to the device."""
    gc.collect()  # a graph may hang on a circle: an error that stands in a local of the function that it came through
    empty = getattr(getattr(torch, device.type, None), "empty_cache", None)
    if empty is not None:
        empty()


def twice(work: Callable[[], Made], device: torch.device) -> Made:
    """What `work` makes; when it runs out of memory, it is tried once more with all that nobody needs given back."""
    try:
        return work()
    except Exception as error:
        if not is_out_of_memory(error):
            raise
        let_go(error)
    empty_caches(device)
    return work()


def _with_causes(error: BaseException | None) -> Iterator[BaseException]:
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        yield error
        error = error.__cause__ or error.__context__
