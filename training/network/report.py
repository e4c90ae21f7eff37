"""What a network would train, block by block, as a table for people."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import torch

from ..parts import DIFFUSION_MODEL, Place, Section, Trainable
from .build import build_network
from .kinds.adapter import Adapter, Change
from .network import Network
from .offsets import DIFF_B, Offset
from .spec import NetworkSpec
from .start_from import Starts
from .targets import Names

_REST, _NORMS, _BIASES = "elsewhere", "norms", "biases"
_SHOWN = 4


@dataclass
class _Row:
    adapters: list[Change] = field(default_factory=list)
    names: list[str] = field(default_factory=list)

    def numbers(self) -> int:
        return sum(p.numel() for adapter in self.adapters for p in adapter.parameters() if p.requires_grad)

    def varied(self, name: str) -> str:
        """The value that all adapters of the row share, or its range; '-' where they have none."""
        values = [getattr(adapter, name) for adapter in self.adapters if hasattr(adapter, name)]
        if not values:
            return "-"
        low, high = min(values), max(values)
        return f"{low:g}" if low == high else f"{low:g}-{high:g}"


def network_report(spec: NetworkSpec, parts: Sequence[Trainable], title: str, starts: Starts | None = None) -> str:
    """One line a block, then one for norms and one for biases: layers, rank, alpha, learning rate, trained numbers and an
    example; then the sum and the file's size.

    Raises what building the network raises. Nothing is allocated: the adapters are made on the meta device.
    """
    with torch.device("meta"):
        network = build_network(spec, parts, seed=0, starts=starts)
    names = Names(parts, with_norms=spec.train_norms)
    rows: dict[str, _Row] = {}
    for (part, path), adapter in network.items():
        row = rows.setdefault(_offsets(adapter) or _block(part, path, names.sections), _Row())
        row.adapters.append(adapter)
        row.names.append(path)
    lines = [f"{title}, {spec.algorithm}: {_adapted(network)} layers, {network.parameter_count():,} trained numbers"]
    lines.append(f"{'block':<16}{'layers':>7}{'rank':>8}{'alpha':>8}{'lr x':>8}{'numbers':>13}  first layer")
    for block, row in rows.items():
        rank, alpha, rate = (row.varied(name) for name in ("rank", "alpha", "lr_scale"))
        lines.append(f"{block:<16}{len(row.adapters):>7}{rank:>8}{alpha:>8}{rate:>8}{row.numbers():>13,}  {row.names[0]}")
    lines += _rules(spec, names, {place for place, _ in network.items()})
    lines.append(f"{_untrained(parts, network)} The file in fp16: {_size(network)}.")
    return "\n".join(lines)


def _offsets(change: Change) -> str | None:
    """The row of what is trained beside adapters."""
    if not isinstance(change, Offset):
        return None
    return _BIASES if DIFF_B in change.file_tensors() else _NORMS


def _adapted(network: Network) -> int:
    return sum(isinstance(change, Adapter) for _, change in network.items())


def _block(part: str, path: str, sections: Sequence[Section]) -> str:
    if part != DIFFUSION_MODEL:
        return part
    for section in sections:
        number = section.number(path)
        if number is not None:
            return f"{section.name} {number}"
    return _REST


def _rules(spec: NetworkSpec, names: Names, trained: set[Place]) -> list[str]:
    """Which layers each rule of the Block Weights node is about, those that it switches off included."""
    lines = []
    for rule in spec.block_weights.rules if spec.block_weights else ():
        matched, _ = names.matching(rule.where)
        found = [name for name in names.all if name in matched]
        kept = sum(names.places[name] in trained for name in found)
        shown = ", ".join(found[:_SHOWN]) + (f" and {len(found) - _SHOWN} more" if len(found) > _SHOWN else "")
        lines.append(f"'{rule.where}' matches {len(found)} layers, {kept} of them trained: {shown}")
    return lines


def _untrained(parts: Sequence[Trainable], network: Network) -> str:
    total = sum(len(part.ops) for part in parts)
    return f"{total - _adapted(network)} other layers stay as they are."


def _size(network: Network) -> str:
    tensors = (tensor for _, adapter in network.items() for tensor in adapter.file_tensors().values())
    return f"{sum(2 * tensor.numel() for tensor in tensors) / 2**20:.1f} MiB"
