"""One optimizer update from the losses of its micro-batches."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import torch
from torch import Tensor

from ..errors import NonFiniteError
from ..network.build import Network
from ..optim.ema import EMA
from ..optim.numerics import clip_gradients, require_finite_gradients
from ..optim.optimizers import optimizer_mode

MAX_OVERFLOWS = 20


class Updater:
    """`learning_rate_at(step)` is the schedule's multiplier; `base_rates` the rate of each of the optimizer's groups.

    With fp16 compute the loss is scaled, so that small gradients do not vanish (Micikevicius et al. 2018, section 3.2); an
    update that overflows is tried again at a lower scale, never skipped.
    """

    def __init__(
        self,
        *,
        network: Network,
        optimizer: torch.optim.Optimizer,
        learning_rate_at: Callable[[int], float],
        max_grad_norm: float,
        ema: EMA | None,
        scale_gradients: bool,
        device: torch.device,
    ):
        self.network = network
        self.optimizer = optimizer
        self.ema = ema
        self.mode = optimizer_mode(optimizer)
        self.scaler = torch.amp.GradScaler(device.type, init_scale=2.0**14, enabled=scale_gradients)
        self._learning_rate_at = learning_rate_at
        self._base_rates = [group["lr"] for group in optimizer.param_groups]
        self._max_grad_norm = max_grad_norm
        self._overflows = 0

    def set_learning_rates(self, step: int, scale: float) -> None:
        """Before the update with index `step` (from 0): schedule x `scale` (the user's, on the fly)."""
        multiplier = self._learning_rate_at(step) * scale
        for group, rate in zip(self.optimizer.param_groups, self._base_rates, strict=True):
            group["lr"] = rate * multiplier

    def learning_rates(self) -> Mapping[str, float]:
        """Group name -> its rate in force; a group split for LoRA+ shows its lower rate."""
        rates: dict[str, float] = {}
        for group in self.optimizer.param_groups:
            name = group.get("name", "diffusion_model")
            rates.setdefault(name, group["lr"])
        return rates

    def backward(self, loss: Tensor) -> None:
        self.scaler.scale(loss).backward()

    def zero_grad(self) -> None:
        self.optimizer.zero_grad(set_to_none=True)

    def update(self) -> float | None:
        """Clip and step; the gradient norm before clipping. None: fp16 overflowed, the scale was lowered, and the
        same micro-batches must be run again. Raises NonFiniteError before anything is changed."""
        self.scaler.unscale_(self.optimizer)
        parameters = [(name, p) for name, p in self.network.named_parameters() if p.grad is not None]
        norm = clip_gradients([p for _, p in parameters], self._max_grad_norm)
        if not torch.isfinite(torch.as_tensor(norm)):
            self._overflowed(parameters)
            return None
        self._overflows = 0
        self.scaler.step(self.optimizer)
        self.scaler.update()
        if self.ema is not None:
            self.ema.update()
        return float(norm)

    def _overflowed(self, parameters: list) -> None:
        self._overflows += 1
        if not self.scaler.is_enabled():
            require_finite_gradients(parameters)
            raise NonFiniteError("the norm of the gradient is not a finite number.")
        if self._overflows > MAX_OVERFLOWS:
            raise NonFiniteError(
                f"the gradient overflowed fp16 {MAX_OVERFLOWS} times in a row, down to a loss scale of "
                f"{self.scaler.get_scale():g}. Set precision to bf16 or fp32 on the Train LoRA node, or lower the learning rate."
            )
        self.scaler.update()
        self.zero_grad()
