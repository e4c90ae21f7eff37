"""Parameters -> torch's parameter groups: one for each part, rate, weight decay and LoRA+ side.

Every group carries `name` (its part), `base_lr` (its rate before the schedule) and `parameter_names`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from torch import nn

from ..errors import SettingsError, raise_problems
from .kinds import WHERE
from .rates import rates_of_nothing
from .rules import ModuleNames, matched
from .spec import OptimizerSpec


@dataclass(frozen=True)
class ParameterGroup:
    """A part of the model that has rates of its own. `name` is 'diffusion_model', 'clip_l', ...; `parameters`
    are (name in the file, parameter); `lr_scale` multiplies the part's rate."""

    name: str
    parameters: Sequence[tuple[str, nn.Parameter]]
    lr_scale: float = 1.0


@dataclass(frozen=True)
class _Settings:
    """Parameters of equal settings share a group."""

    part: str
    lr: float
    weight_decay: float
    is_matrix: bool


def torch_groups(
    spec: OptimizerSpec, groups: Sequence[ParameterGroup], names: ModuleNames | None = None
) -> list[dict[str, Any]]:
    """The groups for the optimizer's constructor, in order of first appearance. Parameters of rate 0 are left out.
    `names` are for rules that speak of modules.

    Raises SettingsError when nothing is left, when a rule or a rate matches nothing, or when LoRA+ finds no up weights.
    """
    ruled = _ruled(spec, groups, names or ModuleNames())
    gathered: dict[_Settings, list[tuple[str, nn.Parameter]]] = {}
    for group in groups:
        for name, parameter in group.parameters:
            settings = _settings(spec, group, name, parameter, ruled.get(name, {}))
            if settings.lr and parameter.requires_grad:
                gathered.setdefault(settings, []).append((name, parameter))
    if not gathered:
        raise SettingsError(WHERE, [_nothing_trained(spec, groups)])
    return [_torch_group(spec, settings, members) for settings, members in gathered.items()]


def _nothing_trained(spec: OptimizerSpec, groups: Sequence[ParameterGroup]) -> str:
    rates = {group.name: spec.rate_of(group.name) for group in groups}
    told = ", ".join(f"{part} {rate:g}" for part, rate in rates.items())
    set_to_0 = " group_rules or Block Weights make them 0 everywhere." if any(rates.values()) else ""
    unused = "" if len(rates) > 1 or not spec.text_encoder_lr else (
        f" text_encoder_lr is {spec.text_encoder_lr:g}, but LoRA Network puts nothing on a text encoder.")
    return f"nothing would be trained: the learning rates of what LoRA Network chose are {told}.{set_to_0}{unused} 1e-4 is a usual rate."


def is_up(name: str) -> bool:
    """Whether a parameter is an adapter's up matrix, the one that LoRA+ trains faster."""
    return name.rsplit(".", 1)[-1] in ("up", "lora_up")


def _settings(
    spec: OptimizerSpec, group: ParameterGroup, name: str, parameter: nn.Parameter, ruled: Mapping[str, float]
) -> _Settings:
    chosen = {"lr": spec.rate_of(group.name), "lr_scale": 1.0, "weight_decay": spec.weight_decay, **ruled}
    rate = chosen["lr"] * chosen["lr_scale"] * group.lr_scale
    if is_up(name):
        rate *= spec.loraplus_of(group.name)
    # Decay with a negative rate would blow weights up instead of shrinking them.
    return _Settings(group.name, rate, chosen["weight_decay"] if rate > 0 else 0.0, parameter.ndim >= 2)


def _torch_group(spec: OptimizerSpec, settings: _Settings, members: list[tuple[str, nn.Parameter]]) -> dict[str, Any]:
    group = {
        "params": [parameter for _, parameter in members],
        "parameter_names": [name for name, _ in members],
        "name": settings.part,
        "lr": settings.lr,
        "base_lr": settings.lr,
        "weight_decay": settings.weight_decay,
    }
    return {**group, "use_muon": settings.is_matrix} if spec.kind.by_matrix else group


def _ruled(spec: OptimizerSpec, groups: Sequence[ParameterGroup], names: ModuleNames) -> dict[str, dict[str, float]]:
    """What the rules set, by parameter. Raises SettingsError for rules and LoRA+ ratios that have nothing to work on."""
    parameters = {name: group.name for group in groups for name, _ in group.parameters}
    ruled: dict[str, dict[str, float]] = {}
    problems = []
    for rule in spec.group_rules:
        found, problem = matched(rule.pattern, parameters, names)
        problems += [] if found else [_no_match(rule.pattern, groups, problem if names.by_key else None)]
        for name in found:
            ruled.setdefault(name, {}).update(rule.settings)
    problems += rates_of_nothing(spec.text_encoder_rates, [group.name for group in groups if group.parameters])
    raise_problems(SettingsError, WHERE, problems + _loraplus_problems(spec, groups))
    return ruled


def _no_match(pattern: str, groups: Sequence[ParameterGroup], problem: str | None) -> str:
    return (
        f"group_rules: '{pattern}' matches no parameter. Parts here: {', '.join(dict.fromkeys(group.name for group in groups))}; "
        f"a parameter is called for example '{groups[0].parameters[0][0]}'." + (f" As a pattern of modules: {problem}" if problem else "")
    )


def _loraplus_problems(spec: OptimizerSpec, groups: Sequence[ParameterGroup]) -> list[str]:
    return [
        f"LoRA+ has no up weights to speed up in {group.name}: it is for the 'lora' algorithm. Set its ratio to 1."
        for group in groups
        if spec.loraplus_of(group.name) != 1 and not any(is_up(name) for name, _ in group.parameters)
    ]
