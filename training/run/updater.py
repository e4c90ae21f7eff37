"""One optimizer update from the losses of its micro-batches."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext

import torch
from torch import Tensor

from ..errors import NonFiniteError
from ..network.build import Network
from ..network.network import Norms
from ..optim.ema import EMA
from ..optim.numerics import clip_gradients, require_finite_gradients
from ..optim.optimizers import learning_rates, optimizer_mode
from ..parts import DIFFUSION_MODEL

MAX_OVERFLOWS = 20


class Updater:
    """`learning_rate_at(step)` is the schedule's multiplier; text encoders rest from step `text_encoders_stop_at` on.

    With fp16 compute the loss is scaled, so that small gradients do not vanish (Micikevicius et al. 2018, section 3.2); an
    update that overflows is tried again at a lower scale, never skipped.
    """

    def __init__(
        self,
        *,
        network: Network,
        optimizer: torch.optim.Optimizer,
        learning_rate_at: Callable[[int], float],
        text_encoders_stop_at: int,
        max_grad_norm: float,
        ema: EMA | None,
        scale_gradients: bool,
        device: torch.device,
    ):
        self.network = network
        self.optimizer = optimizer
        self.ema = ema
        self.scaler = torch.amp.GradScaler(device.type, init_scale=2.0**14, enabled=scale_gradients)
        self._mode = optimizer_mode(optimizer)
        self._learning_rate_at = learning_rate_at
        self._text_encoders_stop_at = text_encoders_stop_at
        self._max_grad_norm = max_grad_norm
        self._overflows = 0
        self.norms: Norms | None = None

    def set_rates(self, step: int, scale: float) -> None:
        """Before the update with index `step` (from 0): rates are schedule x `scale` (the user's, on the fly)."""
        multiplier = self._learning_rate_at(step) * scale
        for group in self.optimizer.param_groups:
            group["lr"] = group["base_lr"] * multiplier
            if group["name"] != DIFFUSION_MODEL and step >= self._text_encoders_stop_at:
                _freeze(group)

    def learning_rates(self) -> Mapping[str, float]:
        """Part -> its rate in force."""
        return learning_rates(self.optimizer)

    def backward(self, loss: Tensor) -> None:
        self.scaler.scale(loss).backward()

    def zero_grad(self) -> None:
        self.optimizer.zero_grad(set_to_none=True)

    def update(self) -> float | None:
        """Clip and step; the gradient norm before clipping. None: fp16 overflowed, the scale was lowered, and the
        same micro-batches must be run again. Raises NonFiniteError before anything is changed."""
        self.scaler.unscale_(self.optimizer)
        named = [(name, p) for name, p in self.network.named_parameters() if p.grad is not None]
        norm = clip_gradients([p for _, p in named], self._max_grad_norm)
        if not torch.isfinite(norm):
            self._overflowed(named)
            return None
        self._overflows = 0
        self.optimizer.step()
        self.scaler.update()
        self.norms = self.network.bound_norms()
        if self.ema is not None:
            self.ema.update()
        return float(norm)

    @contextmanager
    def as_saved(self) -> Iterator[None]:
        """What the saved file will be and meet: the adapters hold the weights that are meant to be used, averaged where the
        optimizer or EMA averages, and no assistant lies under them."""
        self._mode.eval()
        try:
            with self.network.unassisted(), nullcontext() if self.ema is None else self.ema.applied():
                yield
        finally:
            self._mode.train()

    def _overflowed(self, named: Sequence[tuple[str, Tensor]]) -> None:
        if not self.scaler.is_enabled():
            require_finite_gradients(named)
            raise NonFiniteError(
                "the norm of all gradients is not a finite number; nothing was updated. Lower the learning rate on the Optimizer node."
            )
        self._overflows += 1
        if self._overflows > MAX_OVERFLOWS:
            raise NonFiniteError(
                f"the gradient overflowed fp16 {MAX_OVERFLOWS} times in a row, down to a loss scale of "
                f"{self.scaler.get_scale():g}. Set precision to bf16 or fp32 on the Train LoRA node, or lower the learning rate."
            )
        self.scaler.update()
        self.zero_grad()


def _freeze(group: dict) -> None:
    """No gradient is asked for any more, so none is computed, and the optimizer passes the parameters by."""
    for parameter in group["params"]:
        parameter.requires_grad_(False)
        parameter.grad = None
