"""One optimizer update from the losses of its micro-batches."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from ..errors import NonFiniteError, SettingsError
from ..memory.choice import MAIN_MEMORY, PAGED
from ..memory.lane import Lane
from ..memory.states import Resting
from ..network.build import Network
from ..optim.course import Course
from ..optim.ema import EMA
from ..optim.loss_scale import LossScale
from ..optim.numerics import clip_gradients, not_finite, require_finite_gradients, total_norm
from ..optim.optimizers import learning_rates, optimizer_mode
from ..optim.state import can_page, export_state, page
from ..optim.undo import BeforeUpdate, held_bytes
from ..parts import DIFFUSION_MODEL

MAX_OVERFLOWS = 20
ROOM_FOR_UPDATE = 2
"""What an update may take for a moment, times the weights and what the optimizer keeps of them."""


@dataclass(frozen=True)
class Reading:
    """What the host learns of an update before it is made. `rows` are what was asked for, `grad_norm` is before clipping;
    `is_sound`: the update before it left finite weights. `bounds`, with scale_weight_norms, are the mean norm of the changes that the
    update before left, and how many it had shrunk."""

    rows: list[list[float]]
    grad_norm: float
    is_sound: bool
    bounds: tuple[float, int] | None = None


class Updater:
    """`course(step)` is what the rates are multiplied by; text encoders rest from step `text_encoders_stop_at` on; `each_by_itself`:
    what the optimizer does to a parameter depends on no other one.

    With fp16 compute the loss is scaled; an update that overflows is tried again at a lower scale, never skipped.

    The first update, in which the optimizer makes its state, and every one for which there is hardly any memory `in_hand` (bytes)
    can be undone; it is then kept what was before.
    """

    def __init__(
        self,
        *,
        network: Network,
        optimizer: torch.optim.Optimizer,
        course: Course,
        text_encoders_stop_at: int,
        max_grad_norm: float,
        ema: EMA | None,
        scale_gradients: bool,
        in_hand: Callable[[], int] = lambda: 2**63,
        each_by_itself: bool = False,
    ):
        self.network = network
        self.optimizer = optimizer
        self.ema = ema
        self.scaler = LossScale(enabled=scale_gradients)
        self._resting, self._each_by_itself = Resting(), each_by_itself
        self._mode = optimizer_mode(optimizer)
        self.course = course
        self._text_encoders_stop_at = text_encoders_stop_at
        self._max_grad_norm = max_grad_norm
        self._overflows = 0
        self._in_hand = in_hand
        self._held: int | None = None
        self._before: BeforeUpdate | None = None
        #: Whether an update was cut short and what was before it is not known: nothing of it may be saved.
        self.is_half_made = False
        self._weights_norm: Tensor | None = None
        self._bounds: Tensor | None = None
        self._rates: Mapping[str, float] = {}
        #: Around the next step of the optimizer: after a resume only that tells whether its state is what it takes it for.
        self.doubt: Callable[[], AbstractContextManager[None]] = nullcontext

    def lay_state(self, place: str, lane: Lane | None) -> None:
        """From now on the optimizer's state and the averages lie in `place` (`MemoryChoice.state`) between updates; `lane` leads to main
        memory, None where there is no other. Raises SettingsError for pages, where the optimizer has none."""
        if place == PAGED and not can_page(self.optimizer):
            raise SettingsError("Train LoRA", [f"the state of {type(self.optimizer).__name__} cannot lie in pages: only that of "
                                               "bitsandbytes' optimizers can, those whose name ends with 8bit."])
        self._resting.wake(self._state())
        self._resting = Resting(lane if place == MAIN_MEMORY else None)
        if place == PAGED:
            page(self.optimizer)
        self._resting.lay_down(self._state())

    def exported_state(self) -> tuple[dict[str, Tensor], dict[str, Any]]:
        """The optimizer's, as `export_state` gives it."""
        self._resting.finish()
        return export_state(self.optimizer, self._resting.holds)

    def set_rates(self, step: int, scale: float) -> None:
        """Before the update with index `step` (from 0): rates are schedule x `scale` (the user's, on the fly)."""
        multiplier = self.course(step) * scale
        for group in self.optimizer.param_groups:
            group["lr"] = group["base_lr"] * multiplier
            if group["name"] != DIFFUSION_MODEL and step >= self._text_encoders_stop_at:
                _freeze(group)

    def learning_rates(self) -> Mapping[str, float]:
        """Part -> the rate that the last update acted with: what estimates its rate makes a new one in every update."""
        return self._rates

    def backward(self, loss: Tensor) -> None:
        """The gradients of one micro-batch, added to those of the others."""
        try:
            self.scaler.scale(loss).backward()
        finally:
            self.network.copies.forget()

    def trained(self) -> list[torch.nn.Parameter]:
        """What may have a gradient."""
        return [parameter for _, parameter in self.network.named_parameters() if parameter.requires_grad]

    def zero_grad(self) -> None:
        self.optimizer.zero_grad(set_to_none=True)

    def measure(self, rows: Tensor) -> Reading:
        """Clip the gradients, and read `rows` (the losses), their norm and what the update before left together: the one time in a
        step that the host waits for the device."""
        trained = [parameter for _, parameter in self._with_gradient()]
        self.scaler.unscale(trained)
        norm = clip_gradients(trained, self._max_grad_norm)
        weights = self._norm_of_weights() if self._weights_norm is None else self._weights_norm
        checks = [norm[None], weights[None], *([] if self._bounds is None else [self._bounds])]
        found = torch.cat([rows.flatten(), *(each.to(rows.device) for each in checks)]).tolist()
        size, length = rows.numel(), rows.shape[1]
        grad_norm, weights_norm, *bounds = found[size:]
        return Reading(
            rows=[found[i : i + length] for i in range(0, size, length)], grad_norm=grad_norm, is_sound=math.isfinite(weights_norm),
            bounds=(bounds[0], round(bounds[1])) if bounds else None,
        )

    def update(self, grad_norm: float) -> bool:
        """Step. False: fp16 overflowed, the scale was lowered, and the same micro-batches must be run again. Raises
        NonFiniteError before anything is changed."""
        if not math.isfinite(grad_norm):
            self._overflowed(self._with_gradient())
            return False
        self._overflows = 0
        self._rates = learning_rates(self.optimizer)
        self._before = BeforeUpdate(self.optimizer, self.ema, self.exported_state()) if self._may_fail() else None
        self.is_half_made = True
        with self.doubt():
            self._resting.step(self.optimizer, each_by_itself=self._each_by_itself)
        self.doubt = nullcontext
        bounds = self.network.bound_norms()
        self._weights_norm = self._norm_of_weights()
        if self.ema is not None:
            with self._resting.awake(self.ema.averages):
                self.ema.update()
        self.scaler.update(overflowed=False)
        self.is_half_made, self._before, self._bounds = False, None, bounds
        if self._held is None:
            self._held = held_bytes(self.optimizer)
        return True

    def undo(self) -> None:
        """Forget the step that was cut short, wherever it was: everything is as it was after the update before, where that is known."""
        self.zero_grad()
        if self._before is not None:
            self._before.restore()
            self._resting.lay_down(self._state())
            self.is_half_made, self._before, self._weights_norm = False, None, None

    def _may_fail(self) -> bool:
        return self._held is None or self._in_hand() < ROOM_FOR_UPDATE * self._held

    def unsound(self) -> list[str]:
        """The names of what is not finite, of all that a state holds: weights, averages, what the optimizer keeps."""
        averages = self.ema.state_dict() if self.ema is not None else {}
        named = [*self.network.named_parameters(), *averages.items(), *self.exported_state()[0].items()]
        floating = [(name, tensor.detach()) for name, tensor in named if tensor.is_floating_point()]
        return [] if math.isfinite(total_norm(tensor for _, tensor in floating)) else not_finite(floating)

    def _state(self) -> list[Any]:
        """All that the choice of a place moves."""
        own = [kept for parameter, kept in self.optimizer.state.items() if isinstance(parameter, Tensor)]
        return [own, self.ema.averages if self.ema is not None else []]

    def _norm_of_weights(self) -> Tensor:
        return total_norm(parameter for _, parameter in self.network.named_parameters())

    def _with_gradient(self) -> list[tuple[str, Tensor]]:
        return [(name, p) for name, p in self.network.named_parameters() if p.grad is not None]

    @contextmanager
    def as_saved(self) -> Iterator[None]:
        """What the saved file will be and meet: the adapters hold the weights that are meant to be used, averaged where the
        optimizer or EMA averages, and no assistant lies under them."""
        self._resting.finish()
        try:
            with self._resting.awake(self._state() if self._mode.switches else []):
                self._mode.eval()
            with self.network.unassisted(), nullcontext() if self.ema is None else self.ema.applied():
                yield
        finally:
            with self._resting.awake(self._state() if self._mode.switches else []):
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
        self.scaler.update(overflowed=True)
        self.zero_grad()


def _freeze(group: dict) -> None:
    """No gradient is asked for any more, so none is computed, and the optimizer passes the parameters by."""
    for parameter in group["params"]:
        parameter.requires_grad_(False)
        parameter.grad = None
