"""Whether a spec's choices fit its kind of adapter."""

from __future__ import annotations

from ..errors import SettingsError, raise_problems
from .kinds.adapter import Adapter
from .kinds.initial import PISSA
from .kinds.menu import KINDS, adapters
from .kinds.options import Options
from .spec import WHERE, NetworkSpec


def kind_of(spec: NetworkSpec) -> type[Adapter]:
    """The adapter class of `spec`. Raises SettingsError for an unknown algorithm, and for settings it cannot follow."""
    kind = adapters.get(spec.algorithm)
    raise_problems(SettingsError, WHERE, problems(kind, spec))
    return kind


def problems(kind: type[Adapter], spec: NetworkSpec) -> list[str]:
    """Settings of `spec` that would have no effect on `kind`, or that it refuses."""
    found = []
    if spec.init not in kind.inits:
        fitting = [other.algorithm for other in KINDS if spec.init in other.inits]
        found.append(
            f"init '{spec.init}' does not go with algorithm '{spec.algorithm}', which knows {', '.join(kind.inits)}. "
            f"Algorithms with it: {', '.join(fitting) or 'none'}."
        )
    if not kind.drops_hidden:
        found += [
            f"{name} has no effect on '{spec.algorithm}', which has no inner value to drop. Set it to 0; module_dropout works."
            for name in ("dropout", "rank_dropout")
            if getattr(spec, name)
        ]
    if spec.scale_weight_norms and not kind.has_norm:
        bounded = ", ".join(other.algorithm for other in KINDS if other.has_norm)
        found.append(f"scale_weight_norms cannot bound '{spec.algorithm}'. Set it to 0, or use one of {bounded}.")
    if spec.scale_weight_norms and spec.init == PISSA:
        found.append("scale_weight_norms cannot bound a network that starts as PiSSA. Set it to 0, or init to default.")
    if spec.start_from is not None and spec.init == PISSA:
        found.append("init 'pissa' starts from the base weight, so it cannot go on from a LoRA. Set init to default.")
    options = spec.options
    if options is not None and type(options) is not kind.options_type:
        wanted = "none" if kind.options_type is Options else kind.options_type.__name__
        found.append(
            f"the options are {type(options).__name__}, but algorithm '{spec.algorithm}' takes {wanted}. "
            "Disconnect the options node, or choose its algorithm."
        )
    elif options is not None:
        found += options.problems()
    return found


def warnings(spec: NetworkSpec) -> list[str]:
    """What is allowed but rarely meant, or has no effect."""
    kind = adapters.get(spec.algorithm)
    found = spec.warnings() if kind.uses_alpha else []
    if not kind.uses_rank:
        found.append(f"rank has no effect on '{spec.algorithm}': it trains one number a channel.")
    if not kind.uses_alpha and spec.alpha != spec.rank:
        found.append(f"alpha has no effect on '{spec.algorithm}'.")
    return found
