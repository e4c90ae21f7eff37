"""The names of the choices, as the canvas and files show them, and how each is made from the node's widgets."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from ..errors import SettingsError, raise_problems
from ..registry import Registry, near_names
from . import loss, preservation, timesteps, weights
from .mask import MaskedLoss
from .noise import NoiseSpec
from .spec import ObjectiveSpec

WHERE = "Training Objective"


@dataclass(frozen=True, kw_only=True, slots=True)
class Knobs:
    """The node's widgets under their own names; which of them count depends on the choices."""

    loss: str = "l2"
    timesteps: str = "auto"
    weighting: str = "auto"
    noise_offset: float = 0.0
    huber_c: float = 0.1
    huber_schedule: str = "snr"
    min_snr_gamma: float = 5.0
    p2_gamma: float = 1.0
    v_pred_like_strength: float = 0.1
    logit_mean: float = 0.0
    logit_std: float = 1.0
    sigmoid_scale: float = 1.0
    shift: float = 3.0
    mode_scale: float = 1.29
    min_timestep: int = 0
    max_timestep: int = 1000
    stratified: bool = False
    adaptive_offset: float = 0.0
    multires_iterations: int = 0
    multires_discount: float = 0.3
    input_perturbation: float = 0.0
    random_strength: bool = False
    unmasked_weight: float = 0.0
    unmasked_probability: float = 0.0
    normalise_mask: bool = True
    prior_weight: float = 1.0
    preservation: str = "none"
    preservation_weight: float = 1.0
    preservation_trigger: str = ""
    preservation_class: str = ""
    zero_terminal_snr: bool = False
    guidance: float = -1.0


LOSSES: Registry[Callable[[Knobs], loss.Loss]] = Registry("loss", WHERE)
LOSSES.register("l2")(lambda k: loss.L2())
LOSSES.register("l1")(lambda k: loss.L1())
LOSSES.register("huber")(lambda k: loss.Huber(c=k.huber_c, schedule=k.huber_schedule))
LOSSES.register("smooth_l1")(lambda k: loss.SmoothL1(c=k.huber_c, schedule=k.huber_schedule))
LOSSES.register("log_cosh")(lambda k: loss.LogCosh(c=k.huber_c, schedule=k.huber_schedule))

TIMESTEPS: Registry[Callable[[Knobs], timesteps.Timesteps]] = Registry("timesteps", WHERE)
TIMESTEPS.register("auto")(lambda k: timesteps.AutoTimesteps())
TIMESTEPS.register("uniform")(lambda k: timesteps.Uniform())
TIMESTEPS.register("sigmoid")(lambda k: timesteps.Sigmoid(scale=k.sigmoid_scale))
TIMESTEPS.register("logit_normal")(lambda k: timesteps.LogitNormal(mean=k.logit_mean, std=k.logit_std))
TIMESTEPS.register("shift")(lambda k: timesteps.Shift(k=k.shift, scale=k.sigmoid_scale))
TIMESTEPS.register("flux_shift")(lambda k: timesteps.FluxShift(scale=k.sigmoid_scale))
TIMESTEPS.register("mode")(lambda k: timesteps.Mode(scale=k.mode_scale))
TIMESTEPS.register("cosmap")(lambda k: timesteps.CosMap())
TIMESTEPS.register("model_table")(lambda k: timesteps.ModelTable())

WEIGHTINGS: Registry[Callable[[Knobs], weights.Weighting]] = Registry("weighting", WHERE)
WEIGHTINGS.register("auto")(lambda k: weights.AutoWeighting())
WEIGHTINGS.register("none")(lambda k: weights.NoWeighting())
WEIGHTINGS.register("min_snr")(lambda k: weights.MinSNR(gamma=k.min_snr_gamma))
WEIGHTINGS.register("debiased")(lambda k: weights.Debiased())
WEIGHTINGS.register("p2")(lambda k: weights.P2(gamma=k.p2_gamma))
WEIGHTINGS.register("v_pred_like")(lambda k: weights.VPredLike(strength=k.v_pred_like_strength))
WEIGHTINGS.register("noise_pred_like")(lambda k: weights.NoisePredLike())
WEIGHTINGS.register("cosmap")(lambda k: weights.CosMapWeighting())

PRESERVATIONS: Registry[Callable[[Knobs], preservation.Preservation | None]] = Registry("preservation", WHERE)
PRESERVATIONS.register("none")(lambda k: None)
PRESERVATIONS.register("regularisation")(lambda k: preservation.OnRegularisation(weight=k.preservation_weight))
PRESERVATIONS.register("outside_mask")(lambda k: preservation.OutsideMask(weight=k.preservation_weight))
PRESERVATIONS.register("class")(
    lambda k: preservation.SwappedCaption(
        trigger=k.preservation_trigger, class_words=k.preservation_class, weight=k.preservation_weight
    )
)
PRESERVATIONS.register("blank_caption")(lambda k: preservation.BlankCaption(weight=k.preservation_weight))

_MENUS = {"loss": LOSSES, "timesteps": TIMESTEPS, "weighting": WEIGHTINGS, "preservation": PRESERVATIONS}


def objective_from(knobs: Knobs) -> ObjectiveSpec:
    """The spec that the widgets describe. Raises SettingsError that names every problem."""
    raise_problems(SettingsError, WHERE, _unknown_names(knobs))
    chosen: dict[str, Any] = {name: menu.get(getattr(knobs, name))(knobs) for name, menu in _MENUS.items()}
    return ObjectiveSpec(
        **chosen,
        window=timesteps.Window(minimum=knobs.min_timestep, maximum=knobs.max_timestep),
        stratified=knobs.stratified,
        noise=NoiseSpec(
            offset=knobs.noise_offset,
            adaptive_offset=knobs.adaptive_offset,
            multires_iterations=knobs.multires_iterations,
            multires_discount=knobs.multires_discount,
            input_perturbation=knobs.input_perturbation,
            random_strength=knobs.random_strength,
        ),
        masked_loss=MaskedLoss(
            unmasked_weight=knobs.unmasked_weight,
            unmasked_probability=knobs.unmasked_probability,
            normalise=knobs.normalise_mask,
        ),
        prior_weight=knobs.prior_weight,
        zero_terminal_snr=knobs.zero_terminal_snr,
        guidance=None if knobs.guidance == -1 else knobs.guidance,
    )


def _unknown_names(knobs: Knobs) -> list[str]:
    return [
        f"unknown {name} '{getattr(knobs, name)}'. {near_names(getattr(knobs, name), menu.names())}"
        for name, menu in _MENUS.items()
        if getattr(knobs, name) not in menu
    ]
