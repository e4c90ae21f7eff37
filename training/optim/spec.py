"""OptimizerSpec: what a LORACANVAS_OPTIMIZER socket carries."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ..errors import SettingsError, raise_problems
from ..parts import DIFFUSION_MODEL
from ..registry import near_names
from ..settings import free
from .arguments import argument_problems
from .kinds import WHERE, OptimizerKind, optimizers
from .others import REFUSED
from .rehearsal import rehearsal_problems
from .rules import GroupRule
from .schedules import Constant, ConstantWithWarmup, Schedule, outside


@dataclass(frozen=True, kw_only=True, slots=True)
class OptimizerSpec:
    """Rates are per update; `learning_rate` is the diffusion model's, `text_encoder_lr` every text encoder's that has none in
    `text_encoder_rates`; 0 leaves that part as it is, a negative rate unlearns. `group_rules` override all, a later one an earlier one.

    `extra_arguments` are the optimizer's own. `loraplus_ratio` multiplies the rate of the up weights (arXiv:2402.12354); the two
    others override it for their part, 0 meaning "as loraplus_ratio". `max_grad_norm` 0 switches clipping off. `ema_decay` 0
    switches the average off. `stop_text_encoder_at` is in percent of the run, 100 never.
    """

    optimizer: str = "AdamW"
    learning_rate: float = free(1e-4)
    text_encoder_lr: float = free(0.0)
    weight_decay: float = 0.01
    max_grad_norm: float = 1.0
    extra_arguments: Mapping[str, Any] = field(default_factory=dict)
    group_rules: tuple[GroupRule, ...] = ()
    loraplus_ratio: float = 1.0
    loraplus_ratio_unet: float = 0.0
    loraplus_ratio_text_encoder: float = 0.0
    schedule: Schedule = free(default_factory=Schedule)
    ema_decay: float = 0.0
    stop_text_encoder_at: float = free(100.0)
    text_encoder_rates: Mapping[str, float] = free(default_factory=dict)

    def __post_init__(self) -> None:
        known = self.optimizer in optimizers
        problems = [] if known else [_unknown_optimizer(self.optimizer)]
        problems += [*self._range_problems(), *self.schedule.problems(), *self._rate_problems()]
        problems += [problem for rule in self.group_rules for problem in rule.problems()]
        # Only then is the optimizer's library imported.
        if self.extra_arguments and known:
            wrong = argument_problems(self.optimizer, self.kind.load(), self.extra_arguments)
            problems += wrong or rehearsal_problems(self.optimizer, self.kind, self.extra_arguments)
        raise_problems(SettingsError, WHERE, problems)

    @property
    def kind(self) -> OptimizerKind:
        return optimizers.get(self.optimizer)

    @property
    def trains_text_encoders(self) -> bool:
        """Whether a text encoder can have a rate at all; a rate below 0 unlearns."""
        return self.text_encoder_lr != 0 or any(self.text_encoder_rates.values())

    def rate_of(self, part: str) -> float:
        """The learning rate of a part before any rule: 'diffusion_model' or a text encoder."""
        if part == DIFFUSION_MODEL or self.kind.finds_rate:
            return self.learning_rate
        return self.text_encoder_rates.get(part, self.text_encoder_lr)

    def loraplus_of(self, part: str) -> float:
        """What the rate of a part's up weights is multiplied by."""
        own = self.loraplus_ratio_unet if part == DIFFUSION_MODEL else self.loraplus_ratio_text_encoder
        return own or self.loraplus_ratio

    def text_encoders_stop_at(self, total_steps: int) -> int:
        """The number of updates after which text encoders are no longer trained."""
        return round(total_steps * self.stop_text_encoder_at / 100)

    def warnings(self) -> list[str]:
        """What is allowed but rarely meant."""
        return [*self._rate_warnings(), *self._schedule_warnings(), *self._decay_warnings()]

    def _range_problems(self) -> list[str]:
        limits = (
            ("weight_decay", 0, 10), ("max_grad_norm", 0, 1e6), ("loraplus_ratio", 1e-3, 1000), ("loraplus_ratio_unet", 0, 1000),
            ("loraplus_ratio_text_encoder", 0, 1000), ("ema_decay", 0, 0.999999), ("stop_text_encoder_at", 0, 100),
        )  # fmt: skip
        return [problem for name, low, high in limits for problem in outside(name, getattr(self, name), low, high)]

    def _rate_problems(self) -> list[str]:
        found = []
        if self.learning_rate == 0 and not self.trains_text_encoders and not self.group_rules:
            found.append("learning_rate and text_encoder_lr are both 0, so nothing would be trained. 1e-4 is a usual rate.")
        if self.optimizer not in optimizers:
            return found
        if self.kind.finds_rate and self.learning_rate == 0 and self.trains_text_encoders:
            found.append(f"{self.optimizer} has one learning rate for everything, learning_rate, and that is 0; text_encoder_lr is "
                         "not used. Set learning_rate to 1.")
        if self.kind.finds_rate and self.text_encoder_rates:
            found.append(f"{self.optimizer} has one learning rate for everything, so text_encoder_rates cannot be used with it. Leave it "
                         "empty.")
        if not self.kind.can_unlearn and min(self.learning_rate, self.text_encoder_lr, *self.text_encoder_rates.values()) < 0:
            found.append(f"{self.optimizer} cannot use a negative learning rate. Choose AdamW to unlearn.")
        ratios = (self.loraplus_ratio, self.loraplus_ratio_unet or 1, self.loraplus_ratio_text_encoder or 1)
        if self.kind.finds_rate and any(ratio != 1 for ratio in ratios):
            found.append(f"{self.optimizer} has one learning rate for everything, so LoRA+ cannot be used with it. Set the ratios to 1.")
        if self.kind.finds_rate and any({"lr", "lr_scale"} & set(rule.settings) for rule in self.group_rules):
            found.append(f"{self.optimizer} has one learning rate for everything, so group_rules cannot set lr or lr_scale with it.")
        return found

    def _rate_warnings(self) -> list[str]:
        found = []
        rates = {"learning_rate": self.learning_rate, "text_encoder_lr": self.text_encoder_lr,
                 **{f"text_encoder_rates: {name}": rate for name, rate in self.text_encoder_rates.items()}}
        for name, rate in rates.items():
            if rate < 0:
                found.append(f"{name} is {rate:g}: below 0 the model unlearns your pictures. Weight decay is off for it.")
            elif not self.kind.finds_rate and rate > 100 * self.kind.usual_rate:
                found.append(f"{name} is {rate:g}, very high for {self.optimizer}: {self.kind.usual_rate:g} is a usual start.")
        if self.kind.finds_rate and not 0.1 <= self.learning_rate <= 10:
            found.append(f"{self.optimizer} finds its own learning rate and expects learning_rate 1, but it is {self.learning_rate:g}.")
        if self.kind.finds_rate and self.text_encoder_lr not in (0, self.learning_rate):
            found.append(f"{self.optimizer} has one learning rate for everything: text encoders are trained with learning_rate, "
                         "whatever text_encoder_lr is.")  # fmt: skip
        if self.extra_arguments.get("relative_step") is True:
            found.append(f"relative_step is on: {self.optimizer} takes its own rate (0.01 at first, then falling), and learning_rate, "
                         "text_encoder_lr and the scheduler are not used.")
        return found

    def _schedule_warnings(self) -> list[str]:
        found = self.schedule.warnings()
        curve = self.schedule.curve
        if self.kind.averages and not isinstance(curve, (Constant, ConstantWithWarmup)):
            found.append(f"{self.optimizer} needs no schedule: choose constant or constant_with_warmup instead of {curve.name}.")
        if self.kind.averages and self.ema_decay:
            found.append(f"{self.optimizer} already averages the weights: ema_decay adds little. Set it to 0.")
        return found

    def _decay_warnings(self) -> list[str]:
        takes_decay = "weight_decay" in inspect.signature(self.kind.load().__init__).parameters
        if self.weight_decay and not takes_decay:
            return [f"{self.optimizer} has no weight decay, so weight_decay {self.weight_decay:g} is not used."]
        return []


def _unknown_optimizer(name: str) -> str:
    if name.lower() in REFUSED:
        return f"the optimizer '{name}' cannot be used here: {REFUSED[name.lower()]}. AdamW is a safe choice."
    return f"unknown optimizer '{name}'. {near_names(name, optimizers.names())}"
