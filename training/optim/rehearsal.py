"""Two updates of a few numbers: a value that the optimizer cannot compute with is found on the canvas, and a device before a run."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from ..inputs import shown
from .kinds import OptimizerKind

if TYPE_CHECKING:
    import torch

_STEPS = 2
#: Optimizers in 8 bits keep tensors of less than 4096 numbers in 32.
_LARGE = (64, 128)


def rehearsal_problems(name: str, kind: OptimizerKind, arguments: Mapping[str, Any]) -> list[str]:
    """Why the optimizer `name` fails with these extra arguments, naming those that make it fail alone.

    () where it fails without them too: then the reason is this machine (8-bit optimizers of older libraries need a GPU).
    """
    failure = _failure(kind, arguments)
    if failure is None or _failure(kind, {}) is not None:
        return []
    guilty = [argument for argument in arguments if _failure(kind, {argument: arguments[argument]})]
    said = " ".join(f"{argument}={shown(repr(arguments[argument]))}" for argument in guilty or arguments)
    return [
        f"extra_arguments: {name} refuses its settings, it cannot compute with {said} ({failure}). Give another value, or leave it out."
    ]


def failure_on(device: "torch.device", kind: OptimizerKind, arguments: Mapping[str, Any]) -> str | None:
    """What it raises there, in short: its library may have been written for cards of one maker, or for numbers of 64 bits."""
    return _failure(kind, arguments, device, _LARGE)


def _failure(
    kind: OptimizerKind, arguments: Mapping[str, Any], device: "torch.device | str" = "cpu", shape: tuple[int, int] = (4, 8)
) -> str | None:
    """What the optimizer raises while it is made and takes its first updates, in short."""
    import torch

    with torch.inference_mode(False), torch.enable_grad():
        matrices = [_parameter(torch.Size(sides), device) for sides in (shape, shape[::-1])]
        vector = _parameter(torch.Size((8,)), device)
        groups = [
            {"params": members, "lr": kind.usual_rate, "weight_decay": 0.0, **({"use_muon": is_matrix} if kind.by_matrix else {})}
            for members, is_matrix in ((matrices, True), ([vector], False))
        ]
        try:
            optimizer = kind.made(groups, arguments, lr=kind.usual_rate, weight_decay=0.0, total_steps=100)
            for _ in range(_STEPS):
                for parameter in (*matrices, vector):
                    parameter.grad = torch.linspace(0.5, -1, parameter.numel(), device=device).reshape(parameter.shape)
                optimizer.step()
        except Exception as error:  # noqa: BLE001 - whatever a library raises for a value it was not made for
            first_line = str(error).strip().partition("\n")[0]
            return f"{type(error).__name__}: {shown(first_line)}"
    return None


def _parameter(shape: "torch.Size", device: "torch.device | str") -> "torch.nn.Parameter":
    import torch

    return torch.nn.Parameter(torch.linspace(-1, 1, shape.numel(), device=device).reshape(shape))
