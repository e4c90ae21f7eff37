"""The adapters of a run, together."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext

import torch
from torch import Tensor, nn

from ..devices.copies import Copies
from ..parts import Place, Trainable
from .kinds.adapter import Change
from .kinds.dropout import Draws
from .spec import NetworkSpec


class Network:
    """`entries` are the adapters, and what is trained beside them, with their keys in the LoRA file, which `file_keys` holds,
    in the same order. A `part` is a Trainable's name. `assistant` lies frozen under them: it is part of the forward, and of
    nothing that is counted, trained or saved."""

    def __init__(self, entries: Mapping[Place, tuple[Change, str]], spec: NetworkSpec, draws: Draws | None = None):
        self.spec = spec
        self.draws = draws or Draws()
        self._adapters = {place: adapter for place, (adapter, _) in entries.items()}
        self.copies = Copies()
        for adapter in self._adapters.values():
            adapter.copies = self.copies
        self.file_keys = {place: key for place, (_, key) in entries.items()}
        self.assistant: Network | None = None
        self.resting: frozenset[Place] = frozenset()

    def __len__(self) -> int:
        return len(self._adapters)

    def items(self) -> Iterator[tuple[Place, Change]]:
        yield from self._adapters.items()

    def saved(self) -> dict[Place, Change]:
        """What a file holds: all but those that rest where they began, with a factor of zeros."""
        return {place: adapter for place, adapter in self._adapters.items() if place not in self.resting or adapter.changes_something()}

    def rest_all_but(self, trained: Collection[str]) -> None:
        """Only the parameters of these names, as in `named_parameters`, are trained."""
        self.resting = frozenset(
            place for place, adapter in self._adapters.items()
            if not any(f"{self.file_keys[place]}.{name}" in trained for name, _ in adapter.named_parameters())
        )

    def adapters_of(self, part: str) -> dict[str, Change]:
        return {path: adapter for (name, path), adapter in self._adapters.items() if name == part}

    def named_parameters(self, part: str | None = None) -> Iterator[tuple[str, nn.Parameter]]:
        """('<file key>.<parameter>', parameter), of one part or of all, in a fixed order."""
        for place, adapter in self._adapters.items():
            if part is None or place[0] == part:
                for name, parameter in adapter.named_parameters():
                    yield f"{self.file_keys[place]}.{name}", parameter

    def by_lr_scale(self, part: str) -> dict[float, list[tuple[str, nn.Parameter]]]:
        """Multiplier of the part's learning rate -> named parameters with it, in order of first appearance."""
        groups: dict[float, list[tuple[str, nn.Parameter]]] = {}
        for place, adapter in self._adapters.items():
            if place[0] == part:
                named = [(f"{self.file_keys[place]}.{name}", p) for name, p in adapter.named_parameters()]
                groups.setdefault(adapter.lr_scale, []).extend(named)
        return groups

    @property
    def needs_base(self) -> bool:
        """Whether `build.prepare` must be called before the first step."""
        return any(adapter.needs_base for adapter in self._adapters.values())

    def assistant_bytes(self) -> int:
        """What the assistant takes in memory."""
        adapters = self.assistant._adapters.values() if self.assistant is not None else ()
        return sum(parameter.nbytes for adapter in adapters for parameter in adapter.parameters())

    def tensors(self) -> Iterator[torch.Tensor]:
        """Everything of theirs and of the assistant's that lies in memory."""
        for adapter in self._adapters.values():
            yield from (*adapter.parameters(), *adapter.buffers())
        if self.assistant is not None:
            yield from self.assistant.tensors()

    def parameter_count(self) -> int:
        return sum(parameter.numel() for _, parameter in self.named_parameters() if parameter.requires_grad)

    def place(self, parts: Sequence[Trainable]) -> None:
        """Put every adapter, and what lies under it, on the device that its part computes on."""
        devices = {part.name: part.weights.device for part in parts}
        for (part, _), adapter in self._adapters.items():
            adapter.to(devices[part])
        if self.assistant is not None:
            self.assistant.place(parts)

    def begin(self, seed: int) -> None:
        """Before each micro-batch: what is dropped in it is a function of `seed`."""
        self.draws.begin(seed)

    def bound_norms(self) -> Tensor | None:
        """After an update: shrink every change whose norm is above `scale_weight_norms`; None when that is off. (2,): the mean norm of the
        changes then, and how many were shrunk; the host waits for none of it.

        As in kohya's scripts the change W is multiplied by min(n, max) / n with n = max(||W||, max / 2), LoRA's two
        factors by its square root each.
        """
        limit = self.spec.scale_weight_norms
        if not limit:
            return None
        measured = [(adapter, adapter.norm()) for adapter in self._adapters.values()]
        sums: list[Tensor] = []
        for device in dict.fromkeys(norm.device for _, norm in measured):
            near = [(adapter, norm) for adapter, norm in measured if norm.device == device]
            norms = torch.stack([norm for _, norm in near])
            ratios = norms.clamp(limit / 2, limit) / norms.clamp_min(limit / 2)
            for (adapter, _), ratio in zip(near, ratios.unbind(), strict=True):
                adapter.shrink(ratio)
            sums.append(torch.stack([(norms * ratios).sum() / len(measured), (ratios < 1).sum().to(norms)]))
        return torch.stack([each.to(sums[0].device) for each in sums]).sum(0)

    @contextmanager
    def disabled(self) -> Iterator[None]:
        """Without these adapters, for as long as it is open: the base model, with the assistant under it."""
        for adapter in self._adapters.values():
            adapter.enabled = False
        try:
            yield
        finally:
            for adapter in self._adapters.values():
                adapter.enabled = True

    @contextmanager
    def unassisted(self) -> Iterator[None]:
        """Without the assistant: the model that the saved file will meet. Not for a pass that is recomputed in backward, which
        would find the assistant back."""
        with nullcontext() if self.assistant is None else self.assistant.disabled():
            yield

    @contextmanager
    def at_strength(self, strength: float) -> Iterator[None]:
        """Everything the adapters add is multiplied by `strength` (previews)."""
        for adapter in self._adapters.values():
            adapter.strength = strength
        try:
            yield
        finally:
            for adapter in self._adapters.values():
                adapter.strength = 1.0
