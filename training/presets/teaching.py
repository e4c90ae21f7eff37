"""What kohya's settings of the objective are here: loss, noise levels, their weights, noise."""

from __future__ import annotations

from .config import Config
from .record import OBJECTIVE

_FLOW_MODULES = ("flux", "sd3", "lumina", "anima", "hunyuan_image")
_UNREAD_BY_FLOW = ("min_snr_gamma", "debiased_estimation_loss", "scale_v_pred_loss_like_noise_pred", "v_pred_like_loss", "noise_offset",
                   "multires_noise_iterations", "multires_noise_discount", "adaptive_noise_scale", "zero_terminal_snr")


def read_objective(config: Config) -> None:
    kind = (config.text("network_module") + config.text("LoRA_type")).lower()
    config.text("noise_offset_type")
    is_flow = any(name in kind for name in _FLOW_MODULES)
    _loss(config)
    if is_flow:
        _flow_levels(config)
        for key in _UNREAD_BY_FLOW:
            if config.is_on(key):
                config.refuse(key, "kohya does not read it for flow models")
    else:
        _weighting(config)
        _noise(config)
    config.same(OBJECTIVE, {"min_timestep": ("min_timestep", int), "max_timestep": ("max_timestep", int)})
    if config.is_on("ip_noise_gamma"):
        config.put(OBJECTIVE, "input_perturbation", config.number("ip_noise_gamma"), "ip_noise_gamma")


def _loss(config: Config) -> None:
    name = config.text("loss_type") or "l2"
    if name not in ("l2", "l1", "huber", "smooth_l1"):
        config.refuse("loss_type", "loss on Training Objective is l2, l1, huber, smooth_l1 or log_cosh")
        return
    config.put(OBJECTIVE, "loss", name, "loss_type")
    for key in ("huber_c", "huber_schedule"):
        if name not in ("huber", "smooth_l1"):
            config.text(key)  # the GUI names it whatever the loss
        elif config.is_on(key):
            config.put(OBJECTIVE, key, config.number(key) if key == "huber_c" else config.text(key), key)


def _weighting(config: Config) -> None:
    """One of four; kohya's default is none of them, ours is min_snr."""
    gamma = config.number("min_snr_gamma")
    chosen = [("min_snr", "min_snr_gamma")] if gamma and gamma > 0 else []
    chosen += [(name, key) for name, key in (("noise_pred_like", "scale_v_pred_loss_like_noise_pred"), ("v_pred_like", "v_pred_like_loss"),
                                             ("debiased", "debiased_estimation_loss")) if config.is_on(key)]
    for _, key in chosen[1:]:
        config.refuse(key, f"one weighting at a time: {chosen[0][0]} is taken")
    config.put(OBJECTIVE, "weighting", chosen[0][0] if chosen else "none", *(key for _, key in chosen[:1]))
    if chosen and chosen[0][0] == "min_snr":
        config.put(OBJECTIVE, "min_snr_gamma", gamma, "min_snr_gamma")
    if chosen and chosen[0][0] == "v_pred_like":
        config.put(OBJECTIVE, "v_pred_like_strength", config.number("v_pred_like_loss"), "v_pred_like_loss")


def _noise(config: Config) -> None:
    """The GUI keeps the numbers of both kinds of noise and says which counts."""
    kind = config.text("noise_offset_type").lower()
    unread = {"original": ("multires_noise_iterations", "multires_noise_discount"),
              "multires": ("noise_offset", "adaptive_noise_scale")}.get(kind, ())
    for key, widget in (("noise_offset", "noise_offset"), ("adaptive_noise_scale", "adaptive_offset"),
                        ("multires_noise_iterations", "multires_iterations"), ("multires_noise_discount", "multires_discount")):
        if key in unread:
            if config.is_on(key):
                config.refuse(key, f"noise_offset_type is {config.text('noise_offset_type')}, so that kohya does not read it")
        elif config.is_on(key):
            config.put(OBJECTIVE, widget, config.whole(key) if widget == "multires_iterations" else config.number(key), key)
    if config.is_on("zero_terminal_snr"):
        config.put(OBJECTIVE, "zero_terminal_snr", True, "zero_terminal_snr")
    if config.is_on("noise_offset_random_strength") or config.is_on("ip_noise_gamma_random_strength"):
        if config.is_on("noise_offset") or config.is_on("ip_noise_gamma"):
            config.put(OBJECTIVE, "random_strength", True, "noise_offset_random_strength", "ip_noise_gamma_random_strength")


def _flow_levels(config: Config) -> None:
    """sd-scripts' timestep_sampling; where it is sigma, its weighting_scheme says which. Its logit_mean counts from the noisy end."""
    sampling, scheme = config.text("timestep_sampling") or "sigma", config.text("weighting_scheme") or "uniform"
    scheme = {"none": "uniform", "sigma_sqrt": "uniform"}.get(scheme, scheme)
    name = scheme if sampling == "sigma" else sampling
    key = "weighting_scheme" if sampling == "sigma" and config.is_on("weighting_scheme") else "timestep_sampling"
    if name not in ("uniform", "sigmoid", "shift", "flux_shift", "logit_normal", "mode", "cosmap"):
        config.refuse(key, "no choice of noise levels here is called so; choose timesteps on Training Objective")
        return
    if config.text("weighting_scheme") == "sigma_sqrt":
        config.refuse("weighting_scheme", "weights by 1 / sigma squared are not there")
    config.put(OBJECTIVE, "timesteps", name, key)
    if name == "shift":
        config.put(OBJECTIVE, "shift", config.number("discrete_flow_shift") or 3.0, "discrete_flow_shift")
    elif config.is_on("discrete_flow_shift"):
        config.text("discrete_flow_shift") if config.number("discrete_flow_shift") == 1 else config.refuse(
            "discrete_flow_shift", f"only timestep_sampling shift reads it here; this is {name}")
    of = {"logit_normal": ("logit_mean", "logit_std"), "mode": ("mode_scale",)}.get(name, ())
    of = of or (("sigmoid_scale",) if name in ("sigmoid", "shift", "flux_shift") else ())
    for each in ("logit_mean", "logit_std", "mode_scale", "sigmoid_scale"):
        value = config.number(each)
        if each in of and value is not None:
            config.put(OBJECTIVE, each, -value if each == "logit_mean" else value, each)
    if "guidance_scale" in config:
        config.put(OBJECTIVE, "guidance", config.number("guidance_scale"), "guidance_scale")
