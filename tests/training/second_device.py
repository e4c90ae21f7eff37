"""A second device for machines that have none: its tensors hold numbers of the CPU, say that they lie elsewhere, and refuse to meet
others. What a run with two devices learns can so be compared, bit by bit, with what it learns on one."""

import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves, tree_map

HERE, ELSEWHERE = torch.device("cpu"), torch.device("maia:0")
_MAY_MOVE = {torch.ops.aten._to_copy.default, torch.ops.aten.copy_.default, torch.ops.aten._foreach_copy_.default}


class Elsewhere(torch.Tensor):
    """To autograd it is a meta tensor; to whoever asks, one of ELSEWHERE."""

    held: torch.Tensor
    __torch_function__ = torch._C._disabled_torch_function_impl

    @staticmethod
    def __new__(cls, held: torch.Tensor):
        made = torch.Tensor._make_wrapper_subclass(
            cls, held.size(), strides=held.stride(), storage_offset=held.storage_offset(), dtype=held.dtype, device="meta",
        )
        made.held = held
        return made

    @property
    def device(self) -> torch.device:
        return ELSEWHERE

    def tolist(self):
        return self.held.tolist()

    @classmethod
    def __torch_dispatch__(cls, func, types, args=(), kwargs=None):
        return _computed(func, args, kwargs or {})


class SecondDevice(TorchDispatchMode):
    """While it is open tensors can be made on ELSEWHERE and moved there."""

    def __enter__(self):
        torch._C._set_only_lift_cpu_tensors(True)  # torch.tensor(..., device=...) moves what it has made where this mode sees it
        return super().__enter__()

    def __exit__(self, *raised):
        torch._C._set_only_lift_cpu_tensors(False)
        return super().__exit__(*raised)

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        return _computed(func, args, kwargs or {})


def _computed(func, args, kwargs):
    tensors = [leaf for leaf in tree_leaves((args, kwargs)) if torch.is_tensor(leaf)]
    away = [tensor for tensor in tensors if isinstance(tensor, Elsewhere)]
    for met in _meeting(func, args, tensors):
        _require_one_device(func, met)
    goes_away = bool(away)
    if kwargs.get("device") is not None:
        goes_away = torch.device(kwargs["device"]).type in (ELSEWHERE.type, "meta")  # meta: of a tensor that is like another one
        kwargs = {**kwargs, "device": HERE if goes_away else kwargs["device"]}
    args, kwargs = tree_map(lambda leaf: leaf.held if isinstance(leaf, Elsewhere) else leaf, (args, kwargs))
    known = {id(tensor.held): tensor for tensor in away} | {id(tensor): tensor for tensor in tensors if not isinstance(tensor, Elsewhere)}
    return tree_map(lambda out: _there(out, known, goes_away), func(*args, **kwargs))


def _meeting(func, args, tensors) -> list[list[torch.Tensor]]:
    """The tensors that are computed with together: of lists, one of each, as torch does it where they lie on several devices."""
    lists = [arg for arg in args if isinstance(arg, (list, tuple))]
    return [list(met) for met in zip(*lists, strict=True)] if "_foreach_" in str(func) else [tensors]


def _require_one_device(func, tensors) -> None:
    away = [tensor for tensor in tensors if isinstance(tensor, Elsewhere)]
    met = [tensor for tensor in tensors if not isinstance(tensor, Elsewhere) and torch.is_tensor(tensor) and tensor.ndim]
    if away and met and func not in _MAY_MOVE:  # a number alone may come from the CPU, as on a real card
        raise RuntimeError(f"{func}: expected all tensors to be on the same device, but found {HERE} and {ELSEWHERE}")


def _there(out, known, goes_away: bool):
    if not torch.is_tensor(out):
        return out
    return known.get(id(out)) if id(out) in known else Elsewhere(out) if goes_away else out
