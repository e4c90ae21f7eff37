"""The names of the choices, as the canvas and files show them, and the objective that the node's widgets describe."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ..errors import SettingsError, raise_problems
from ..registry import Registry, near_names
from . import loss, preservation, timesteps, weights
from .mask import MaskedLoss
from .noise import NoiseSpec
from .sampled import SampledSigmas
from .spec import WHERE, ObjectiveSpec
from .timesteps import Window
from .widget import Widget, settings_from, widgets_of

LOSSES: Registry[type[loss.Loss]] = Registry("loss", WHERE)
LOSSES.register("l2")(loss.L2)
LOSSES.register("l1")(loss.L1)
LOSSES.register("huber")(loss.Huber)
LOSSES.register("smooth_l1")(loss.SmoothL1)
LOSSES.register("log_cosh")(loss.LogCosh)

TIMESTEPS: Registry[type[timesteps.Timesteps]] = Registry("timesteps", WHERE)
TIMESTEPS.register("auto")(timesteps.AutoTimesteps)
TIMESTEPS.register("uniform")(timesteps.Uniform)
TIMESTEPS.register("sigmoid")(timesteps.Sigmoid)
TIMESTEPS.register("logit_normal")(timesteps.LogitNormal)
TIMESTEPS.register("shift")(timesteps.Shift)
TIMESTEPS.register("flux_shift")(timesteps.FluxShift)
TIMESTEPS.register("mode")(timesteps.Mode)
TIMESTEPS.register("cosmap")(timesteps.CosMap)
TIMESTEPS.register("model_table")(timesteps.ModelTable)

WEIGHTINGS: Registry[type[weights.Weighting]] = Registry("weighting", WHERE)
WEIGHTINGS.register("auto")(weights.AutoWeighting)
WEIGHTINGS.register("none")(weights.NoWeighting)
WEIGHTINGS.register("min_snr")(weights.MinSNR)
WEIGHTINGS.register("debiased")(weights.Debiased)
WEIGHTINGS.register("p2")(weights.P2)
WEIGHTINGS.register("v_pred_like")(weights.VPredLike)
WEIGHTINGS.register("noise_pred_like")(weights.NoisePredLike)
WEIGHTINGS.register("cosmap")(weights.CosMapWeighting)

PRESERVATIONS: Registry[type[preservation.Preservation] | None] = Registry("preservation", WHERE)
PRESERVATIONS.register("none")(None)
PRESERVATIONS.register("regularisation")(preservation.OnRegularisation)
PRESERVATIONS.register("outside_mask")(preservation.OutsideMask)
PRESERVATIONS.register("class")(preservation.SwappedCaption)
PRESERVATIONS.register("blank_caption")(preservation.BlankCaption)
FEW_STEPS = "few_steps"
PRESERVATIONS.register(FEW_STEPS)(preservation.FewSteps)

_MENUS: dict[str, Registry] = {"loss": LOSSES, "timesteps": TIMESTEPS, "weighting": WEIGHTINGS, "preservation": PRESERVATIONS}

#: The order in which saved workflows have the widgets' values; what is not named here is new, and comes behind.
_ORDER = (
    "loss", "timesteps", "weighting", "noise_offset", "huber_c", "huber_schedule", "min_snr_gamma", "p2_gamma", "v_pred_like_strength",
    "logit_mean", "logit_std", "sigmoid_scale", "shift", "mode_scale", "min_timestep", "max_timestep", "stratified", "adaptive_offset",
    "multires_iterations", "multires_discount", "input_perturbation", "random_strength", "unmasked_weight", "unmasked_probability",
    "normalise_mask", "prior_weight", "preservation", "preservation_weight", "preservation_trigger", "preservation_class",
    "zero_terminal_snr", "guidance",
)


def _choices() -> tuple[Widget, ...]:
    return (
        Widget("loss", "l2", options=tuple(LOSSES), basic=True,
            tooltip="How an error is counted. 'l2' is what every model was trained with. 'smooth_l1' or 'huber' forgive single odd "
                    "pictures or damaged regions; 'l1' and they learn more slowly. When in doubt: l2."),
        Widget("timesteps", "auto", options=tuple(TIMESTEPS), basic=True,
            tooltip="Which noise levels are practised most. High noise shapes composition, low noise shapes detail. 'auto': all equally "
                    "for SD1.5 and SDXL; for flow models the shift that the model is sampled with, a ModelSampling node's where there is "
                    "one; for FLUX.1 by resolution. 'sigmoid' and 'logit_normal' practise the middle; 'shift' more noise; 'model_table' "
                    "takes the levels of the model's own table. Leave it at 'auto' when sigmas is connected."),
        Widget("weighting", "auto", options=tuple(WEIGHTINGS), basic=True,
            tooltip="How much each noise level counts. 'auto': min-SNR with gamma 5 for SD1.5 and SDXL (learns faster and more evenly), "
                    "none for flow models. 'debiased' strengthens composition; 'p2' detail counts less; 'noise_pred_like' is for "
                    "v-prediction models."),
        Widget("preservation", "none", options=tuple(PRESERVATIONS),
            tooltip="Keeps what the base model can do, by comparing with itself without the LoRA; no second model is loaded. "
                    "'regularisation': on your regularisation pictures. 'outside_mask': around your masked subject. 'class': so that "
                    "'woman' does not turn into your person. 'blank_caption': without any prompt. 'few_steps': for Turbo and the like, "
                    "where the connected sigmas stop. The last three nearly double the time of a step."),
    )


def widgets() -> list[Widget]:
    """The node's widgets: the choices, and every setting of each of them, in the order of workflows."""
    kinds = [kind for menu in _MENUS.values() for kind in map(menu.get, menu) if kind is not None]
    settings = [widget for kind in (*kinds, Window, NoiseSpec, MaskedLoss, ObjectiveSpec) for _, widget in widgets_of(kind)]
    by_name = {widget.name: widget for widget in (*_choices(), *settings)}
    known = [by_name.pop(name) for name in _ORDER]
    return [*known, *by_name.values()]


def objective_from(values: Mapping[str, Any], sigmas: Sequence[float] | None = None) -> ObjectiveSpec:
    """The spec that the widgets describe; what is left out has its default. `sigmas`, where they are connected, stand for the
    choice of timesteps. Raises SettingsError that names every problem."""
    values = {widget.name: widget.default for widget in widgets()} | dict(values)
    raise_problems(SettingsError, WHERE, _unknown_names(values))
    chosen = {name: _made(menu.get(values[name]), values) for name, menu in _MENUS.items()}
    if sigmas is not None:
        if values["timesteps"] != "auto":
            problem = f"sigmas is connected, which says what is trained, but timesteps is '{values['timesteps']}'. Set timesteps to 'auto'."
            raise SettingsError(WHERE, [problem])
        chosen["timesteps"] = SampledSigmas(sigmas=tuple(float(sigma) for sigma in sigmas))
    own = settings_from(ObjectiveSpec, values)
    return ObjectiveSpec(**{
        **chosen, **own, "guidance": None if own["guidance"] == -1 else own["guidance"],
        "window": _made(Window, values), "noise": _made(NoiseSpec, values), "masked_loss": _made(MaskedLoss, values),
    })


def _made(kind: type | None, values: Mapping[str, Any]) -> Any:
    return None if kind is None else kind(**settings_from(kind, values))


def _unknown_names(values: Mapping[str, Any]) -> list[str]:
    return [
        f"unknown {name} '{values[name]}'. {near_names(values[name], menu.names())}"
        for name, menu in _MENUS.items()
        if values[name] not in menu
    ]
