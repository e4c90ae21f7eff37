"""The base weights as they act in ComfyUI's forward: dequantised, moved to the device, patched as the graph asked.

Quantised weights come in two kinds: ComfyUI's own tensors, which ComfyUI casts, and those of the ComfyUI-GGUF pack, packed blocks
that only their layer can unpack.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any

import comfy.ops
import torch
from comfy.quant_ops import QuantizedTensor
from torch import nn

from ...training.network import fp8
from ...training.ops import PLAIN, Op, named_ops, op_of
from .. import compat

#: Marks a layer whose weights are pages of ComfyUI's dynamic VRAM.
PAGE = "_v"

#: Open while a layer computes: its weights are on the device then. Says whether they were brought, and may be gone afterwards.
AtHand = Callable[[nn.Module], AbstractContextManager[bool]]


def where_it_lies(module: nn.Module) -> AbstractContextManager[bool]:
    return nullcontext(False)


class ComfyWeights:
    """WeightAccess for one run: `device` computes, in `dtype`; with `quantized_backward` gradients are multiplied in fp8 where a
    weight can be. `at_hand` brings what lies in main memory (main_memory.py)."""

    def __init__(self, device: torch.device, dtype: torch.dtype, *, quantized_backward: bool = False, at_hand: AtHand = where_it_lies):
        self.device = device
        self.dtype = dtype
        self._at_hand = at_hand
        self._quantized_backward = quantized_backward

    def weight(self, module: nn.Module, dtype: torch.dtype) -> torch.Tensor:
        layer: Any = module
        if self._lies_as_it_acts(layer):
            return layer.weight.detach().to(dtype)  # what ComfyUI's cast would give, at a tenth of the host's time
        with self.at_hand(module) as brought:
            weight, _ = fetched(module, self.device, dtype, lent=brought)
            scale = _own_scale(module)
            return weight if scale is None else weight * scale.to(weight)

    def at_hand(self, module: nn.Module) -> AbstractContextManager[bool]:
        return self._at_hand(module)

    def bias(self, module: nn.Module, dtype: torch.dtype) -> torch.Tensor | None:
        bias = getattr(module, "bias", None)
        if bias is None:
            return None
        if not _is_plain(bias):
            return fetched(module, self.device, dtype)[1]
        # Without the weight, which the same fetch would bring along: kinds that need it ask in every forward.
        paged = getattr(module, "bias_lowvram_function", None)
        with torch.no_grad():
            bias = bias.to(self.device, dtype)
            for patch in (*([paged] if paged else []), *getattr(module, "bias_function", ())):
                bias = patch(bias)
            return bias

    @contextmanager
    def changed(self, module: nn.Module, changes: Mapping[str, Callable[[torch.Tensor], torch.Tensor]]) -> Iterator[None]:
        """While open, each of the module's own parameters that is named computes as what the function makes of it."""
        undo: list[Callable[[], None]] = []
        try:
            if changes and is_fetched(module, self.device):
                settle(module, self.device, undo)
            for name, change in changes.items():
                replace(module._parameters, name, change(module.get_parameter(name)), undo)
            yield
        finally:
            while undo:
                undo.pop()()

    def can_recast(self, module: nn.Module) -> bool:
        """Modules that are not ComfyUI's own (no cast machinery) multiply by the weight itself."""
        return hasattr(module, "comfy_cast_weights")

    def recasts(self, module: nn.Module) -> bool:
        """True where the forward multiplies by a copy of the stored weight."""
        layer: Any = module  # ComfyUI's, which has more than torch knows of
        weight = layer.weight
        return (
            not _is_plain(weight)
            or weight.dtype != self.dtype
            or weight.device != self.device
            or len(layer.weight_function) > 0
            or hasattr(layer, PAGE)
        )

    def _lies_as_it_acts(self, layer: Any) -> bool:
        """Whether the weight is a plain tensor on the device, with no patch on it."""
        return (
            _is_plain(layer.weight)
            and layer.weight.device == self.device
            and not getattr(layer, "weight_function", ())
            and getattr(layer, "weight_lowvram_function", None) is None
            and not hasattr(layer, PAGE)
            and _own_scale(layer) is None
            and not _unpacks_itself(layer)
        )

    def in_fp8(self, module: nn.Module) -> tuple[torch.Tensor, torch.Tensor] | None:
        op = op_of(module) if self._quantized_backward else None
        if op is None or not goes_back_in_fp8(module, op):
            return None
        return _stored_in_fp8(module, self.device, self.dtype) or fp8.rounded(self.weight(module, self.dtype))


def is_quantized(layer: nn.Module, op: Op) -> bool:
    """Whether it is a linear whose weight ComfyUI holds in fp8 or one of its quantised formats."""
    weight: Any = layer.weight
    stored = getattr(layer, "weight_comfy_model_dtype", None) or weight.dtype  # newer ComfyUI may cast it only when it is needed
    return op.is_linear and (isinstance(weight, QuantizedTensor) or stored in fp8.DTYPES)


def goes_back_in_fp8(layer: nn.Module, op: Op) -> bool:
    """Whether its gradient can be multiplied in fp8: by its sizes, and by what its file asks for (`full_precision_matrix_mult`)."""
    fits = op.out_features % fp8.MULTIPLE == 0 and op.in_features % fp8.MULTIPLE == 0
    return is_quantized(layer, op) and fits and not getattr(layer, "_full_precision_mm_config", False)


def exact_changes(model: nn.Module) -> list[compat.Change]:
    """For `borrow.attributes`: no narrow linear rounds what comes into it. Where it does, the loss is a staircase, which two points tell
    nothing of. Newer ComfyUI multiplies by a patched weight in full, so each gets a patch that changes nothing; 0.3.75 asks for no patch
    before its fp8 product, which is declined for all."""
    linears: list[Any] = [layer for _, layer, op in named_ops(model) if op.is_linear and hasattr(layer, "weight_function")]
    patches: list[compat.Change] = [
        (layer, "weight_function", [*layer.weight_function, _as_it_is])
        for layer in linears if not _is_plain(layer.weight) or layer.weight.itemsize == 1
    ]
    return patches + compat.where_known(comfy.ops, {"fp8_linear": _declined})


def _as_it_is(weight: torch.Tensor) -> torch.Tensor:
    return weight


def _declined(layer: nn.Module, x: torch.Tensor) -> None:
    """As ComfyUI's function answers for a layer that it cannot do: the layer multiplies in full."""


def fetched(
    module, device: torch.device, dtype: torch.dtype | None = None, *, lent: bool = False
) -> tuple[torch.Tensor, torch.Tensor | None]:
    """(weight, bias) of one of ComfyUI's layers as they act in its forward, ours to keep; `dtype` None leaves the stored one. `lent`:
    the weights that the module holds now are not.

    What the cast gives may lie in a buffer that ComfyUI uses again for the next layer, or in a page that it may take away
    (dynamic VRAM): that is copied before it is given back.
    """
    stored: torch.dtype = getattr(module.weight, "_model_dtype", module.weight.dtype)
    wanted = dtype or (stored if stored.is_floating_point else torch.float32)
    with torch.no_grad():
        if _unpacks_itself(module):
            return module.cast_bias_weight(dtype=wanted, device=device, bias_dtype=wanted)[:2]
        with _cast(module, device, wanted, wanted) as (weight, bias, theirs):
            lent = lent or theirs
            return _kept(weight, wanted, lent), None if bias is None else _kept(bias, wanted, lent)


def largest_copy(model: nn.Module, dtype: torch.dtype) -> int:
    """Bytes of the largest weight of `model` in `dtype`: a layer's backward computes with a copy of it (`fetched`), where ComfyUI may take
    it away."""
    layers: list[Any] = [layer for _, layer, _ in named_ops(model)]
    return max((math.prod(layer.weight.shape) * dtype.itemsize for layer in layers), default=0)


def _stored_in_fp8(module, device: torch.device, dtype: torch.dtype) -> tuple[torch.Tensor, torch.Tensor] | None:
    """(numbers, scale) of the weight as it is stored, on `device`; None where that is not fp8 with one scale, or the graph has put a
    patch on it."""
    if len(module.weight_function) > 0:
        return None
    with torch.no_grad(), _cast(module, device, getattr(module.weight, "_model_dtype", module.weight.dtype), dtype) as (weight, _, lent):
        held = compat.fp8_numbers(weight)
        if held is None:
            return None
        numbers, scale = (tensor.clone() if lent else tensor for tensor in held)
    own = _own_scale(module)
    return numbers, scale if own is None else scale * own.to(scale)


@contextmanager
def _cast(
    module, device: torch.device, dtype: torch.dtype, bias_dtype: torch.dtype
) -> Iterator[tuple[torch.Tensor, torch.Tensor | None, bool]]:
    """(weight, bias, whether they are ComfyUI's to use again) by ComfyUI's own cast."""
    weight, bias, held = comfy.ops.cast_bias_weight(module, device=device, dtype=dtype, bias_dtype=bias_dtype, offloadable=True)
    try:
        yield weight, bias, _is_lent(held)
    finally:
        comfy.ops.uncast_bias_weight(module, weight, bias, held)


def _own_scale(module) -> torch.Tensor | None:
    """What 0.3.75's layer for files of 2024 multiplies its weight by."""
    return getattr(module, "scale_weight", None)


def _unpacks_itself(module) -> bool:
    """Whether it is a layer of ComfyUI-GGUF with packed weights."""
    return getattr(module, "is_ggml_quantized", bool)()


def _kept(tensor: torch.Tensor, dtype: torch.dtype, lent: bool) -> torch.Tensor:
    if isinstance(tensor, QuantizedTensor):
        return tensor.dequantize().to(dtype)
    return tensor.clone() if lent else tensor.as_subclass(torch.Tensor)


def _is_plain(tensor: torch.Tensor) -> bool:
    return type(tensor) in PLAIN


def _is_lent(held: object) -> bool:
    """Whether a fetched weight is ComfyUI's to use again. `held` is what it wants back: a stream or None, in newer ComfyUI
    (stream, weight, bias), where in place of the weight stands a device when a page is held."""
    if isinstance(held, tuple):
        return held[0] is not None or not torch.is_tensor(held[1])
    return held is not None


def is_fetched(layer: nn.Module, device: torch.device) -> bool:
    """Whether autograd would keep a fetched weight of `layer`. An embedding's input has no gradient, so nothing is kept of it;
    ops fetch theirs anew in backward."""
    if not hasattr(layer, "comfy_cast_weights") or isinstance(layer, nn.Embedding) or op_of(layer) is not None:
        return False
    weight = getattr(layer, "weight", None)
    return weight is not None and (hasattr(layer, PAGE) or weight.device != device)


def settle(layer: nn.Module, device: torch.device, undo: list[Callable[[], None]]) -> None:
    """Put the layer's weights on `device`, with what the graph applied to them; `undo` gets what takes it back."""
    own = dict(zip(("weight", "bias"), fetched(layer, device), strict=True))
    for name, value in own.items():
        if value is not None:
            replace(layer._parameters, name, nn.Parameter(value, requires_grad=False), undo)
            # What the graph applied is in the value now.
            replace(vars(layer), f"{name}_function", [], undo)
    if PAGE in vars(layer):
        page = vars(layer).pop(PAGE)
        undo.append(lambda: vars(layer).__setitem__(PAGE, page))


def replace(table: dict, name: str, value: object, undo: list[Callable[[], None]]) -> None:
    """table[name] = value, until it is undone; what somebody else has put there meanwhile stays."""
    before = table.get(name, undo)  # `undo` itself stands for 'was not there'
    table[name] = value

    def put_back() -> None:
        if table.get(name, undo) is value:
            table.pop(name) if before is undo else table.__setitem__(name, before)

    undo.append(put_back)
