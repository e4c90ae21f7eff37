"""Parameters -> torch's parameter groups: one for each part, rate, weight decay and LoRA+ side.

Every group carries `name` (its part), `base_lr` (its rate before the schedule) and `parameter_names`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from torch import nn

from ..errors import SettingsError
from .kinds import WHERE
from .rules import GroupRule
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


def torch_groups(spec: OptimizerSpec, groups: Sequence[ParameterGroup]) -> list[dict[str, Any]]:
    """The groups for the optimizer's constructor, in order of first appearance. Parameters of rate 0 are left out.

    Raises SettingsError when nothing is left, when a rule matches nothing, or when LoRA+ finds no up weights.
    """
    _require_matches(spec, groups)
    gathered: dict[_Settings, list[tuple[str, nn.Parameter]]] = {}
    for group in groups:
        for name, parameter in group.parameters:
            settings = _settings(spec, group, name, parameter)
            if settings.lr and parameter.requires_grad:
                gathered.setdefault(settings, []).append((name, parameter))
    if not gathered:
        raise SettingsError(WHERE, ["every learning rate is 0, so nothing would be trained. Set learning_rate; 1e-4 is usual."])
    return [_torch_group(spec, settings, members) for settings, members in gathered.items()]


def is_up(name: str) -> bool:
    """Whether a parameter is an adapter's up matrix, the one that LoRA+ trains faster."""
    return name.rsplit(".", 1)[-1] in ("up", "lora_up")


def _settings(spec: OptimizerSpec, group: ParameterGroup, name: str, parameter: nn.Parameter) -> _Settings:
    chosen = {"lr": spec.rate_of(group.name), "lr_scale": 1.0, "weight_decay": spec.weight_decay}
    for rule in spec.rules:
        if rule.matches(group.name, name):
            chosen |= rule.settings
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


def _require_matches(spec: OptimizerSpec, groups: Sequence[ParameterGroup]) -> None:
    problems = [
        f"group_rules: '{rule.pattern}' matches no parameter. Parts here: {', '.join(group.name for group in groups)}; "
        f"a parameter is called for example '{groups[0].parameters[0][0]}'."
        for rule in spec.rules
        if not _matches_any(rule, groups)
    ]
    ratio_of = {group.name: spec.loraplus_of(group.name) for group in groups}
    problems += [
        f"LoRA+ has no up weights to speed up in {group.name}: it is for the 'lora' algorithm. Set its ratio to 1."
        for group in groups
        if ratio_of[group.name] != 1 and not any(is_up(name) for name, _ in group.parameters)
    ]
    if problems:
        raise SettingsError(WHERE, problems)


def _matches_any(rule: GroupRule, groups: Sequence[ParameterGroup]) -> bool:
    return any(rule.matches(group.name, name) for group in groups for name, _ in group.parameters)
