"""An optimizer's state as a flat dict of tensors and a JSON-ready dict, and back, bit by bit. Never a pickle.

torch's own load_state_dict casts state to the parameter's dtype, which is not what was saved; this puts every value back
as it was. Settings (rates, betas, weight decay ...) are not state: they are the new optimizer's.
"""

from __future__ import annotations

import inspect
import math
from collections import deque
from collections.abc import Callable, Mapping
from typing import Any, Protocol, cast

import torch
from torch import Tensor

from ..errors import StateError

VERSION = 1
# The pack's own, and what torch keeps on every optimizer.
_NOT_STATE = {"params", "parameter_names", "name", "lr", "base_lr", "weight_decay", "use_muon", "initial_lr"}
_SCALARS = (bool, int, float, str, type(None))


def export_state(
    optimizer: torch.optim.Optimizer, rests: Callable[[Tensor], bool] = lambda tensor: False
) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """(tensors, everything else). Parameters are known by the `parameter_names` of their groups. The tensors are the
    optimizer's own: write them before the next step. What `rests` in main memory is told as lying on the device: what a state
    holds does not depend on it.

    Raises StateError when the optimizer keeps something that is neither a tensor nor plain.
    """
    writer = _Writer(_class_name(optimizer), rests)
    settings = _settings_of(optimizer)
    groups = [
        {
            key: writer.encode(value, f"group.{i}.{key}", group["params"][0].device)
            for key, value in group.items()
            if key not in settings
        }
        for i, group in enumerate(optimizer.param_groups)
    ]
    parameters = {
        name: {key: writer.encode(value, f"{name}.{key}", parameter.device) for key, value in optimizer.state[parameter].items()}
        for name, parameter in _named_parameters(optimizer)
        if parameter in optimizer.state
    }
    cpu = torch.device("cpu")
    shared = {key: writer.encode(optimizer.state[key], f"shared.{key}", cpu) for key in optimizer.state if isinstance(key, str)}
    facts = {
        "version": VERSION,
        "class": _class_name(optimizer),
        "groups": groups,
        "parameters": parameters,
        "shared": shared,
        "attributes": _attributes(optimizer),
    }
    return writer.tensors, facts


@torch.no_grad()
def import_state(optimizer: torch.optim.Optimizer, tensors: Mapping[str, Tensor], facts: Mapping[str, Any]) -> None:
    """Put an exported state into a new optimizer over parameters of the same names. Raises StateError if it does not fit."""
    _require_fit(optimizer, facts)
    reader = _Reader(tensors)
    settings = _settings_of(optimizer)
    for group, saved in zip(optimizer.param_groups, facts["groups"], strict=True):
        device = group["params"][0].device
        group.update({key: reader.decode(value, device) for key, value in saved.items() if key not in settings})
    for group in optimizer.param_groups:
        for name, parameter in zip(group["parameter_names"], group["params"], strict=True):
            if name in facts["parameters"]:
                saved = _where_it_counts(group, facts["parameters"][name])
                state = {key: reader.decode(value, parameter.device) for key, value in saved.items()}
                optimizer.state[parameter] = _paged(optimizer, parameter, state)
    for key, value in facts["shared"].items():
        optimizer.state[key] = reader.decode(value, torch.device("cpu"))
    for key, value in facts["attributes"].items():
        if key in _attributes(optimizer) and isinstance(value, (int, float)):
            setattr(optimizer, key, value)


def put_back(optimizer: torch.optim.Optimizer, tensors: Mapping[str, Tensor], facts: Mapping[str, Any]) -> None:
    """An exported state into the very optimizer that it was exported from, which has gone on since: what came later is gone."""
    optimizer.state.clear()
    settings = _settings_of(optimizer)
    for group, saved in zip(optimizer.param_groups, facts["groups"], strict=True):
        for key in group.keys() - saved.keys() - settings:
            del group[key]
    import_state(optimizer, tensors, facts)


class _Writer:
    """Encodes values; tensors go into `tensors`, each once however often it is referred to."""

    def __init__(self, owner: str, rests: Callable[[Tensor], bool]):
        self.tensors: dict[str, Tensor] = {}
        self._owner, self._rests = owner, rests
        self._names: dict[int, str] = {}

    def encode(self, value: Any, name: str, home: torch.device) -> Any:
        """`home` is the parameter's device; what is kept on the CPU beside a GPU's parameter comes back there."""
        if isinstance(value, Tensor):
            order = _memory_order(value)
            kept = {"tensor": self._keep(value, name, order), "on_cpu": self._belongs_on_cpu(value, home)}
            return kept if order == sorted(order) else {**kept, "order": order}
        if isinstance(value, float) and not math.isfinite(value):
            return {"float": str(value)}
        if isinstance(value, _SCALARS):
            return value
        if isinstance(value, torch.dtype):
            return {"dtype": str(value).removeprefix("torch.")}
        if isinstance(value, (list, tuple, deque)):
            items = [self.encode(item, f"{name}.{i}", home) for i, item in enumerate(value)]
            extra = {"maxlen": value.maxlen} if isinstance(value, deque) else {}
            return {type(value).__name__: items, **extra}
        if isinstance(value, dict) and all(isinstance(key, (str, int, float)) for key in value):
            return {"dict": [[key, self.encode(item, f"{name}.{key}", home)] for key, item in value.items()]}
        raise StateError(
            f"the optimizer {self._owner} keeps a {type(value).__name__} in {name}, which a training state cannot hold. "
            "Choose another optimizer on the Optimizer node."
        )

    def _belongs_on_cpu(self, tensor: Tensor, home: torch.device) -> bool:
        # To torch, bitsandbytes' pages are memory of the CPU.
        return tensor.device.type == "cpu" != home.type and not (getattr(tensor, "is_paged", False) or self._rests(tensor))

    def _keep(self, tensor: Tensor, name: str, order: list[int]) -> str:
        if id(tensor) not in self._names:
            self._names[id(tensor)] = name
            self.tensors[name] = tensor.detach().permute(order)
        return self._names[id(tensor)]


class _Reader:
    """Decodes what _Writer encoded; references to one tensor become one tensor again."""

    def __init__(self, tensors: Mapping[str, Tensor]):
        self._tensors = tensors
        self._made: dict[tuple[str, str], Tensor] = {}

    def decode(self, value: Any, device: torch.device) -> Any:
        if not isinstance(value, dict):
            return value
        if "tensor" in value:
            return self._tensor(value, torch.device("cpu") if value["on_cpu"] else device)
        if "float" in value:
            return float(value["float"])
        if "dtype" in value:
            return _dtype(value["dtype"])
        if "dict" in value:
            return {key: self.decode(item, device) for key, item in value["dict"]}
        if "deque" in value:
            return deque((self.decode(item, device) for item in value["deque"]), maxlen=value["maxlen"])
        (kind, items), = value.items()
        made = [self.decode(item, device) for item in items]
        return tuple(made) if kind == "tuple" else made

    def _tensor(self, value: Mapping[str, Any], device: torch.device) -> Tensor:
        name = value["tensor"]
        key = (name, str(device))
        if key not in self._made:
            if name not in self._tensors:
                raise StateError(f"the training state lacks the tensor '{name}'. Start a new run, or resume another one.")
            tensor = self._tensors[name].to(device, copy=True)
            order = value.get("order", range(tensor.ndim))
            self._made[key] = tensor.permute([order.index(axis) for axis in range(tensor.ndim)])
        return self._made[key]


def _dtype(name: str) -> torch.dtype:
    found = getattr(torch, name, None)
    if not isinstance(found, torch.dtype):
        raise StateError(f"the training state names '{name}' as a type of numbers. Start a new run, or resume another one.")
    return found


def _memory_order(tensor: Tensor) -> list[int]:
    """The axes from the slowest to the fastest in memory. Matrix products round differently in another layout, so
    SOAP's column-major eigenvectors must come back column-major."""
    strides = tensor.stride()
    return sorted(range(tensor.ndim), key=lambda axis: strides[axis], reverse=True)


def _named_parameters(optimizer: torch.optim.Optimizer) -> list[tuple[str, Tensor]]:
    return [pair for group in optimizer.param_groups for pair in zip(group["parameter_names"], group["params"], strict=True)]


def _settings_of(optimizer: torch.optim.Optimizer) -> set[str]:
    """Group entries that are settings: the constructor's arguments and the pack's own."""
    return _NOT_STATE | set(inspect.signature(type(optimizer).__init__).parameters)


def _attributes(optimizer: torch.optim.Optimizer) -> dict[str, Any]:
    """Numbers that an optimizer keeps on itself instead of in its state (a counter, an earlier loss)."""
    settings = _settings_of(optimizer) | {"base_lrs"}
    return {
        key: value
        for key, value in vars(optimizer).items()
        if key not in settings and isinstance(value, (bool, int, float)) and not key.startswith("_")
    }


def _where_it_counts(group: Mapping[str, Any], saved: Mapping[str, Any]) -> Mapping[str, Any]:
    """torch's optimizers count steps beside the parameter where they compute fused, else on the CPU: what was saved either way goes on
    in the other."""
    if "fused" not in group or not isinstance(saved.get("step"), Mapping):
        return saved
    beside = bool(group["fused"] or group.get("capturable"))
    return {**saved, "step": {**saved["step"], "on_cpu": not beside}}


class _Paged(Protocol):
    """What bitsandbytes' optimizers have more than torch's."""

    is_paged: bool

    def get_state_buffer(self, p: Tensor, dtype: torch.dtype) -> Tensor: ...

    def _get_state_double_buffer(self, p: Tensor, dtype: torch.dtype) -> Tensor: ...


def page(optimizer: torch.optim.Optimizer) -> None:
    """From now on bitsandbytes lets the driver move the state of large parameters, 100,000 numbers and more, to main memory and
    back. It is the same optimizer, and so is the state that it keeps. On a CPU nothing changes."""
    paged = cast(_Paged, optimizer)
    if any(parameter.device.type != "cpu" for _, parameter in _named_parameters(optimizer)):
        paged.is_paged = True
    for _, parameter in _named_parameters(optimizer):
        if parameter in optimizer.state:
            optimizer.state[parameter] = _paged(optimizer, parameter, optimizer.state[parameter])


def can_page(optimizer: torch.optim.Optimizer) -> bool:
    """Whether it is one of bitsandbytes'."""
    return hasattr(optimizer, "is_paged")


def _paged(optimizer: torch.optim.Optimizer, parameter: Tensor, state: dict[str, Any]) -> dict[str, Any]:
    """The same state with large tensors in bitsandbytes' paged memory, for its paged optimizers on a GPU."""
    if not getattr(optimizer, "is_paged", False) or parameter.device.type == "cpu":
        return state
    paged = cast(_Paged, optimizer)
    for key in ("state1", "state2"):
        if key in state and not getattr(state[key], "is_paged", False):
            double = state[key].ndim > parameter.ndim
            make = paged._get_state_double_buffer if double else paged.get_state_buffer
            buffer = make(parameter, dtype=state[key].dtype)
            state[key] = buffer.copy_(state[key])
    return state


def _require_fit(optimizer: torch.optim.Optimizer, facts: Mapping[str, Any]) -> None:
    name = _class_name(optimizer)
    if facts.get("version") != VERSION or facts.get("class") != name:
        raise StateError(f"the saved state is of the optimizer {facts.get('class')}, but this run uses {name}. Choose the same one.")
    known = {name for name, _ in _named_parameters(optimizer)}
    if len(facts["groups"]) != len(optimizer.param_groups) or not set(facts["parameters"]) <= known:
        raise StateError(
            "the saved optimizer state has other parameters or groups than this run. Put the network, the text encoders' "
            "rate, LoRA+ and group_rules back as they were, or start a new run."
        )


def _class_name(optimizer: torch.optim.Optimizer) -> str:
    return f"{type(optimizer).__module__}.{type(optimizer).__qualname__}"
