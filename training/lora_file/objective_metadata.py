"""ss_* entries of the objective: noise, timesteps, loss and its weights, under kohya's names."""

from __future__ import annotations

from typing import Any

from ..families import Family
from ..objective import timesteps, weights
from ..objective.loss import Thresholded
from ..objective.menu import LOSSES
from ..objective.noise import NoiseSpec
from ..objective.sampled import SampledSigmas
from ..objective.spec import ObjectiveSpec, resolve


def objective_entries(spec: ObjectiveSpec, parametrisation: str, family: Family, own_shift: float | None = None) -> dict[str, Any]:
    """Only what was chosen; automatic choices as they were made for this model."""
    chosen = resolve(spec, parametrisation, own_shift)
    sampled = chosen.timesteps.sigmas if isinstance(chosen.timesteps, SampledSigmas) else ()
    return {
        **_loss(chosen), **_weighting(chosen), **_noise(chosen.noise),
        "ss_prior_loss_weight": chosen.prior_weight,
        "ss_zero_terminal_snr": chosen.zero_terminal_snr,
        "ss_sigmas": " ".join(f"{sigma:.6g}" for sigma in sampled),
        **(_flow(chosen, family) if parametrisation == "flow" else {}),
    }


def _loss(spec: ObjectiveSpec) -> dict[str, Any]:
    entries: dict[str, Any] = {"ss_loss_type": next(name for name in LOSSES if LOSSES.get(name) is type(spec.loss))}
    if isinstance(spec.loss, Thresholded):
        entries |= {"ss_huber_c": spec.loss.c, "ss_huber_schedule": spec.loss.schedule, "ss_huber_scale": 1.0}
    return entries


def _weighting(spec: ObjectiveSpec) -> dict[str, Any]:
    weighting = spec.weighting
    return {
        "ss_min_snr_gamma": weighting.gamma if isinstance(weighting, weights.MinSNR) else None,
        "ss_debiased_estimation": isinstance(weighting, weights.Debiased),
    }


def _noise(noise: NoiseSpec) -> dict[str, Any]:
    return {
        "ss_noise_offset": noise.offset or None,
        "ss_adaptive_noise_scale": noise.adaptive_offset or None,
        "ss_multires_noise_iterations": noise.multires_iterations or None,
        "ss_multires_noise_discount": noise.multires_discount if noise.multires_iterations else None,
        "ss_ip_noise_gamma": noise.input_perturbation or None,
        "ss_noise_offset_random_strength": noise.random_strength if noise.offset else None,
        "ss_ip_noise_gamma_random_strength": noise.random_strength if noise.input_perturbation else None,
    }


def _flow(spec: ObjectiveSpec, family: Family) -> dict[str, Any]:
    """What kohya's scripts add for FLUX. Predictions are used as they are, so model_prediction_type is raw."""
    chosen = spec.timesteps
    kind = {timesteps.Uniform: "uniform", timesteps.Sigmoid: "sigmoid", timesteps.Shift: "shift", timesteps.FluxShift: "flux_shift"}
    scheme = {timesteps.LogitNormal: "logit_normal", timesteps.Mode: "mode"}
    if isinstance(spec.weighting, weights.CosMapWeighting):
        weighting = "cosmap"
    else:
        weighting = scheme.get(type(chosen), "none")
    return {
        "ss_timestep_sampling": kind.get(type(chosen), "sigma"),
        "ss_sigmoid_scale": getattr(chosen, "scale", None) if type(chosen) in kind else None,
        "ss_discrete_flow_shift": chosen.k if isinstance(chosen, timesteps.Shift) else None,
        "ss_weighting_scheme": weighting,
        "ss_logit_mean": chosen.mean if isinstance(chosen, timesteps.LogitNormal) else None,
        "ss_logit_std": chosen.std if isinstance(chosen, timesteps.LogitNormal) else None,
        "ss_mode_scale": chosen.scale if isinstance(chosen, timesteps.Mode) else None,
        "ss_model_prediction_type": "raw",
        "ss_guidance_scale": family.guidance_default if spec.guidance is None else spec.guidance,
        "ss_apply_t5_attn_mask": family.t5_attention_mask,
    }
