"""Weights of partly loaded models, fetched from main memory ahead of the layers that compute with them (`training/memory/ahead.py`).

ComfyUI fetches such a layer's weights when the layer asks, and the device waits. Here they are on the device by then, in the bytes
that they are stored in, and stand in the layer's own place while it computes: ComfyUI finds them loaded and does the rest (casts,
dequantising, the graph's patches) as for any loaded layer, so that every bit is as it was.

Left to ComfyUI: pages of dynamic VRAM, of which only it knows which are on the device at the moment, and which it may take away;
layers that are no ops (embeddings; norms lie on the device, `paged.py`); and devices on which it copies on no streams of its own.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from functools import partial
from itertools import takewhile
from typing import Any

import comfy.model_management as model_management
import torch
from torch import nn

from ...training.memory.ahead import Ahead
from ...training.memory.foresight import Foresight
from ...training.memory.streamed import StreamMover
from ...training.network.checkpointing import units
from ...training.ops import op_of
from .. import compat
from .stored import moved, parts_of
from .weights import PAGE, replace

#: Copies have room for the largest block and this many of the largest weights: one computes while the next is on its way. But they
#: get no more than this share of the device, which is better used by weights that stay.
BESIDE, SHARE = 2, 1 / 8

#: Bytes from which on pinning pays: smaller copies from any memory return at once.
WORTH_PINNING = 1 << 16

Copied = dict[str, torch.Tensor]


class MainMemory:
    """`models` with the device that each computes on."""

    def __init__(self, models: Sequence[tuple[nn.Module, torch.device]]):
        self._rings = [_Ring(model, device) for model, device in models]

    def bytes_needed(self) -> int:
        """What the copies take on the devices at most when the models are partly loaded."""
        return sum(ring.bytes_needed() for ring in self._rings)

    def holds_some(self) -> bool:
        """Whether any layer that can be fetched ahead lies in main memory now."""
        return any(ring.in_main_memory() for ring in self._rings)

    @contextmanager
    def open(self) -> Iterator[None]:
        """While open, what lies in main memory now is fetched ahead. Open it when the weights are lent (`borrowed`)."""
        with ExitStack() as stack:
            for ring in self._rings:
                stack.enter_context(ring.open())
            yield

    def at_hand(self, layer: nn.Module) -> AbstractContextManager[bool]:
        """While open, the weights of `layer` are on the device, where they lay in main memory and there is room. It says whether they
        were brought: they may be gone afterwards."""
        for ring in self._rings:
            if layer in ring.layers:
                return ring.at_hand(layer)
        return nullcontext(False)


class _Ring:
    """One model's; while it is open, `layers` are those that are fetched."""

    def __init__(self, model: nn.Module, device: torch.device):
        self.layers: Collection[nn.Module] = ()
        self._model = model
        self._device = device
        self._foresight: Foresight[nn.Module] = Foresight()
        self._ahead: Ahead | None = None

    def bytes_needed(self) -> int:
        """Room for the layers of a whole block, so that what recomputing it has fetched is still there for its backward, and BESIDE."""
        sizes = {layer: _bytes_of(layer) for layer in self._model.modules() if can_be_fetched(layer)}
        block = max((sum(sizes.get(layer, 0) for layer in unit.modules()) for _, unit in units(self._model)), default=0)
        beside = BESIDE * max(sizes.values(), default=0)
        most = round(SHARE * model_management.get_total_memory(self._device))
        return min(block + beside, max(beside, most), sum(sizes.values()))

    def in_main_memory(self) -> list[nn.Module]:
        if compat.streams(self._device) is None:
            return []
        return [layer for layer in self._model.modules() if can_be_fetched(layer) and _lies_elsewhere(layer, self._device)]

    @contextmanager
    def open(self) -> Iterator[None]:
        streams, layers = compat.streams(self._device), self.in_main_memory()
        if streams is None or not layers:
            yield
            return
        mover = StreamMover(streams, partial(_copied, device=self._device), _bytes_of, (model_management.OOM_EXCEPTION,))
        self._ahead = Ahead(mover, min(self.bytes_needed(), sum(map(_bytes_of, layers))), self._foresight)
        with _pinned(layers):
            self.layers = frozenset(layers)
            try:
                yield
            finally:
                self.layers = ()
                self._ahead.close()
                streams.copying.synchronize()  # what it still reads may be given back now

    @contextmanager
    def at_hand(self, layer: nn.Module) -> Iterator[bool]:
        if self._ahead is None or not _lies_elsewhere(layer, self._device):  # inside another `at_hand`, or loaded meanwhile
            yield False
            return
        undo: list[Callable[[], None]] = []
        with self._ahead.use(layer) as copy:
            try:
                for name, tensor in copy.value.items() if copy is not None else ():
                    replace(layer._parameters, name, tensor, undo)
                yield copy is not None
            finally:
                while undo:
                    undo.pop()()


def can_be_fetched(layer: nn.Module) -> bool:
    """Whether it is one of ComfyUI's ops, whose weights are not pages of dynamic VRAM."""
    return hasattr(layer, "comfy_cast_weights") and not hasattr(layer, PAGE) and op_of(layer) is not None


def _lies_elsewhere(layer: Any, device: torch.device) -> bool:
    return layer.weight.device != device


def _copied(layer: nn.Module, device: torch.device) -> Copied:
    """Of all that it holds outside of `device`, queued on the stream that is current."""
    non_blocking = model_management.device_supports_non_blocking(device)
    with torch.inference_mode(False), torch.no_grad():
        return {name: moved(tensor, device, non_blocking=non_blocking) for name, tensor in _tensors_of(layer) if tensor.device != device}


def _tensors_of(layer: nn.Module) -> list[tuple[str, torch.Tensor]]:
    return [(name, tensor) for name, tensor in layer._parameters.items() if tensor is not None]


def _bytes_of(layer: nn.Module) -> int:
    return sum(part.nbytes for _, tensor in _tensors_of(layer) for part in parts_of(tensor))


@contextmanager
def _pinned(layers: Collection[nn.Module]) -> Iterator[None]:
    """While open, their memory is pinned, as far as ComfyUI pins memory here. It has done most itself: what is left are the numbers
    inside of quantised and packed weights. It is asked until it says no, as it does when there is too much."""
    # ComfyUI's function pins parameters only.
    parts = (nn.Parameter(part, requires_grad=False) for layer in layers for _, tensor in _tensors_of(layer) for part in parts_of(tensor)
             if part.device.type == "cpu" and part.nbytes >= WORTH_PINNING and not part.is_pinned())
    pinned: list[nn.Parameter] = []
    try:
        pinned += takewhile(model_management.pin_memory, parts)
        yield
    finally:
        for part in pinned:
            model_management.unpin_memory(part)
