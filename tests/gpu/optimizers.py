"""Every optimizer on the device: it moves, and goes on from its exported state bit by bit; 8-bit and paged ones among them."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from pack.training.optim.groups import ParameterGroup
from pack.training.optim.kinds import optimizers
from pack.training.optim.optimizers import build_optimizer
from pack.training.optim.others import OTHERS
from pack.training.optim.schedules import Constant, Schedule
from pack.training.optim.spec import OptimizerSpec
from pack.training.optim.state import export_state, import_state

from .findings import Findings

SHAPES = ((16, 8192), (8192, 16), (4, 64), (320,))


def every_one(comfy, options):
    """Three steps, then two more, here and from the exported state: the same weights."""
    found = Findings()
    values = [torch.randn(shape, generator=torch.Generator().manual_seed(i)) * 0.02 for i, shape in enumerate(SHAPES)]
    with torch.inference_mode(False), torch.enable_grad():
        for name in ("AdamW", "Prodigy") if options.tiny else [name for name in optimizers.names() if name not in OTHERS]:
            with found.trying(name):
                _goes_on(found, name, values, comfy.device)
    return found.row()


def _goes_on(found: Findings, name: str, values: Sequence[Tensor], device: torch.device) -> None:
    here, optimizer = _made(name, values, device)
    _step(here, optimizer, range(3))
    tensors, facts = export_state(optimizer)
    tensors = {key: value.detach().to("cpu", copy=True).contiguous() for key, value in tensors.items()}
    there, other = _made(name, [parameter.detach().cpu() for parameter in here], device)
    import_state(other, tensors, facts)
    for parameters, one in ((here, optimizer), (there, other)):
        _step(parameters, one, range(3, 5))
    states = [state for state in other.state.values() if isinstance(state, dict)]
    is_paged = any(getattr(value, "is_paged", False) for state in states for value in state.values())
    goes_on = all(torch.equal(a, b) for a, b in zip(here, there, strict=True))
    moves = any(not torch.equal(parameter.detach().cpu(), value) for parameter, value in zip(here, values, strict=True))
    text = name + (" (paged)" if is_paged else "") + ("" if goes_on else " drifts after resuming") + ("" if moves else " does not move")
    found.say(text, ok=goes_on and moves)


def _made(name: str, values: Sequence[Tensor], device: torch.device) -> tuple[list[Tensor], torch.optim.Optimizer]:
    named = [(f"k{i}.{'up' if i % 2 else 'down'}", torch.nn.Parameter(value.clone().to(device))) for i, value in enumerate(values)]
    spec = OptimizerSpec(optimizer=name, learning_rate=1e-3, schedule=Schedule(Constant()))
    return [parameter for _, parameter in named], build_optimizer(spec, [ParameterGroup("diffusion_model", named)], 100)


def _step(parameters: Sequence[Tensor], optimizer: torch.optim.Optimizer, numbers: range) -> None:
    for number in numbers:
        generator = torch.Generator().manual_seed(number)
        for parameter in parameters:
            parameter.grad = torch.randn(parameter.shape, generator=generator).to(parameter.device)
        optimizer.step()
