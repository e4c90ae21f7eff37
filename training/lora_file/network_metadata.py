"""ss_* entries of the network: which program's module would make it, and with which arguments."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Any

from ..network.kinds.initial import DEFAULT
from ..network.kinds.menu import adapters
from ..network.kinds.options import Options
from ..network.spec import NetworkSpec


def network_entries(spec: NetworkSpec) -> dict[str, Any]:
    elsewhere = adapters.get(spec.algorithm).elsewhere
    return {
        "ss_network_module": elsewhere.module,
        "ss_network_dim": spec.rank,
        "ss_network_alpha": spec.alpha,
        "ss_network_dropout": spec.dropout or None,
        "ss_network_args": json.dumps({**elsewhere.arguments, **_arguments(spec)}),
        "ss_scale_weight_norms": spec.scale_weight_norms or None,
    }


def _arguments(spec: NetworkSpec) -> dict[str, Any]:
    """Only what was chosen."""
    arguments: dict[str, Any] = {"conv_dim": spec.conv_rank, "conv_alpha": spec.conv_alpha} if spec.conv_rank else {}
    arguments |= {name: getattr(spec, name) for name in ("dropout", "rank_dropout", "module_dropout") if getattr(spec, name)}
    arguments |= {name: value for name, value in asdict(spec.options or Options()).items() if value}
    arguments["preset"] = spec.targets.preset
    arguments |= {name: list(getattr(spec.targets, name)) for name in ("include", "exclude") if getattr(spec.targets, name)}
    if spec.train_norms:
        arguments["train_norm"] = True  # as LyCORIS calls it
    if spec.train_biases:
        arguments["train_bias"] = True
    if spec.init != DEFAULT:
        arguments["init"] = spec.init
    weights = spec.block_weights
    if weights is not None:
        lists = {"block_lr_weight": weights.lr, "block_dims": weights.ranks, "block_alphas": weights.alphas}
        arguments |= {name: ",".join(f"{value:g}" for value in values) for name, values in lists.items() if values}
        if weights.rules:
            arguments["block_rules"] = [{key: value for key, value in asdict(rule).items() if value is not None} for rule in weights.rules]
    return arguments

