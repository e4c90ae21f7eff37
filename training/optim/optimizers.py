"""OptimizerSpec + parameters -> torch.optim.Optimizer; and which weights it means to be used."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol, cast

import torch
from torch import Tensor

from ..errors import SettingsError
from .groups import ParameterGroup, torch_groups
from .kinds import WHERE
from .rehearsal import failure_on
from .rules import ModuleNames
from .spec import OptimizerSpec


def build_optimizer(
    spec: OptimizerSpec, groups: Sequence[ParameterGroup], total_steps: int | None = None, names: ModuleNames | None = None
) -> torch.optim.Optimizer:
    """The optimizer over all `groups`. `total_steps` is the run's length, for optimizers that warm something up; `names`
    are the modules', for rules that speak of them.

    Raises SettingsError for settings that the optimizer refuses, and for parameters on several devices where it needs them on one;
    MissingLibraryError without its library.
    """
    chosen = torch_groups(spec, groups, names)
    _require_one_device(spec, chosen)
    try:
        return spec.kind.made(
            chosen, spec.extra_arguments, lr=spec.learning_rate, weight_decay=spec.weight_decay, total_steps=total_steps
        )
    except (TypeError, ValueError, AssertionError) as error:
        raise SettingsError(
            WHERE, [f"{spec.optimizer} refuses its settings: {error}. Check extra_arguments, weight_decay and learning_rate."]
        ) from error


def _require_one_device(spec: OptimizerSpec, groups: Sequence[Mapping[str, Any]]) -> None:
    devices = {group["name"]: str(group["params"][0].device) for group in groups}
    if spec.kind.one_device and len(set(devices.values())) > 1:
        told = ", ".join(f"{part} on {device}" for part, device in devices.items())
        raise SettingsError(WHERE, [
            f"{spec.optimizer} can only train what lies on one device, but the LoRA is {told}. Choose another optimizer such as AdamW, set "
            "text_encoder_lr to 0, or have ComfyUI put the CLIP on the same device (`device` on its loader; no --lowvram)."
        ])


def require_device(spec: OptimizerSpec, device: torch.device) -> None:
    """Raises SettingsError for an optimizer that does not compute on `device`, MissingLibraryError without its library: before anything
    is encoded for it."""
    spec.kind.load()
    failure = None if device.type == "cpu" else failure_on(device, spec.kind, spec.extra_arguments)
    if failure is not None:
        raise SettingsError(WHERE, [f"{spec.optimizer} does not compute on '{device.type}' ({failure}). Choose AdamW, or another one."])


class _Switching(Protocol):
    """What schedule-free optimizers have more than torch's."""

    def eval(self) -> None: ...

    def train(self) -> None: ...


class OptimizerMode:
    """Switches between the weights to train on and the weights to use; they differ for schedule-free optimizers only.

    `eval()` puts the averaged weights in place, `train()` brings the others back bit by bit (computing them back, as the
    libraries do, would make a saved run drift from one that was not saved). Both may be called twice.
    """

    def __init__(self, optimizer: torch.optim.Optimizer):
        self._optimizer = optimizer
        switches = hasattr(optimizer, "train") and hasattr(optimizer, "eval")
        self._switching = cast(_Switching, optimizer) if switches else None
        self._kept: list[Tensor] | None = None

    @property
    def switches(self) -> bool:
        """Whether there is anything to switch; then its state is read."""
        return self._switching is not None

    def eval(self) -> None:
        if self._switching is not None and self._kept is None:
            # In main memory: a card that is full must not keep a run from being saved.
            self._kept = [parameter.detach().to("cpu", copy=True) for parameter in self._parameters()]
            with torch.no_grad():
                self._switching.eval()

    def train(self) -> None:
        if self._switching is None or self._kept is None:
            return
        with torch.no_grad():
            self._switching.train()
            for parameter, kept in zip(self._parameters(), self._kept, strict=True):
                parameter.copy_(kept)
        self._kept = None

    def _parameters(self) -> list[Tensor]:
        return [parameter for group in self._optimizer.param_groups for parameter in group["params"]]


def optimizer_mode(optimizer: torch.optim.Optimizer) -> OptimizerMode:
    return OptimizerMode(optimizer)


def _relative_step(group: Mapping[str, Any]) -> float:
    """arXiv:1804.04235, section 8: it takes no notice of any learning rate."""
    step = group.get("step", 0) + 1
    return min(1e-6 * step if group.get("warmup_init") else 1e-2, step**-0.5)


def learning_rates(optimizer: torch.optim.Optimizer) -> dict[str, float]:
    """Part -> the rate that the next update acts with; the lowest where LoRA+ or rules split it. Prodigy and D-Adaptation: with
    their estimate (DAdaptSGD divides it by the norm of its first gradient). Adafactor's relative step: that, before scale_parameter."""
    rates: dict[str, float] = {}
    first_norm = next((group["g0_norm"] for group in optimizer.param_groups if group.get("g0_norm")), 1.0)  # one group holds that of all
    for group in optimizer.param_groups:
        estimated = float(group["lr"]) * float(group.get("d", 1.0)) / first_norm
        rate = _relative_step(group) if group.get("relative_step") else estimated
        name = group["name"]
        rates[name] = min(rates.get(name, rate), rate, key=abs)
    return rates
