"""One step of the run on fake tensors, before anything is encoded or loaded: the run's own model, adapters and objective, its largest
bucket and batch. Every tensor has its shape, dtype and device, and no numbers. Where a model cannot run so: one real step."""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn

from ...data.batches import Draw
from ...data.items import Item
from ...memory.cheaply import cheaply
from ...memory.choice import CHEAP, NONE, MemoryChoice
from ...memory.cost.alike import Alike
from ...memory.cost.ledger import Ledger, Stretch
from ...memory.cost.optimizer import optimizer_cost
from ...memory.cost.plan import StepCost
from ...memory.cost.trace import BACKWARD, Trace, Watch
from ...network.assistant import build_assistant
from ...network.attach import attached
from ...network.build import build_network, prepare
from ...network.checkpointing import unit_name, units
from ...network.kinds.adapter import Change
from ...network.network import Network
from ...objective.objective import Noising, Objective
from ...optim.numerics import clip_gradients
from ...order import Order
from ...specs import BY_HAND
from .batch import Batch, Fakes, largest_batch

#: Of an objective, the adapters and what gives a batch as a Feed does: the step, draws -> losses (B,), differentiable.
Step = Callable[[Objective, Network, Any], Callable[[Sequence[Draw]], Tensor]]


def rehearsed(order: Order, items: Sequence[Item], step: Step) -> StepCost:
    """What a `step` on the largest of `items` costs. Raises whatever is raised by a model, or an encoder, that cannot run on fakes."""
    assert order.rehearsal is not None, "the host lends no fakes"
    objective = _Noised(order.recipe.objective, order.denoiser)
    with order.rehearsal(), _no_collections():
        network = _network(order)
        batch = largest_batch(order, network, items)
        draws = [Draw(item=0, repeat=0, epoch=0, seed=place) for place in range(batch.shape[0])]
        look = step(objective, network, Fakes(batch, order.denoiser.device))
        trace = _traced(order, network, lambda: look(draws), MemoryChoice(recompute=NONE), is_counted=True)
        cheap = _traced_cheaply(order, network, lambda: look(draws))
        return _aside(order, batch, replace(_cost(order, network, trace), picture=batch.picture, cheap=cheap))


def _aside(order: Order, batch: Batch, cost: StepCost) -> StepCost:
    """With what VAE and text encoders take, their weights included, at their own time."""
    vae, text_encoders = (order.encoders.get(name, 0) for name in ("VAE", "text encoders"))
    pictures = vae + min(batch.together, cost.pictures_at_once()) * batch.picture
    return replace(cost, encoding=max(pictures, text_encoders + batch.caption), preview=batch.preview and vae + batch.preview)


@contextmanager
def _no_collections() -> Iterator[None]:
    """Hundreds of thousands of small objects, and no circle among them."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()


def measured(order: Order, network: Network, losses: Callable[[], Tensor]) -> StepCost:
    """The same by one real step of the run's adapters, which stay as they are: of the run's choice, whatever is asked for."""
    with order.training():
        trace = _traced(order, network, losses, order.choice)
    for parameter in _trained(network):
        parameter.grad = None
    most = max(stretch.peak for stretch in trace.stretches)
    return replace(_cost(order, network, Trace([Stretch("", 0, most)], [], 0)), is_measured=True)


def _traced_cheaply(order: Order, network: Network, losses: Callable[[], Tensor]) -> Trace | None:
    """Only where it may be chosen: a step that computes norms and activation functions twice."""
    if order.recipe.run.memory == BY_HAND and order.choice.recompute != CHEAP:
        return None
    for parameter in _trained(network):
        parameter.grad = None
    return _traced(order, network, losses, MemoryChoice(recompute=CHEAP), is_counted=True)


def _traced(order: Order, network: Network, losses: Callable[[], Tensor], choice: MemoryChoice, *, is_counted: bool = False) -> Trace:
    """`is_counted`: only where tensors are fakes, and no block is computed twice; those that are like others are counted then."""
    ledger, parameters = Ledger(order.denoiser.device), _trained(network)
    blocks = {unit_name(part.name, path): unit for part in order.parts for path, unit in units(part.module)}
    watch = Watch(ledger, Alike(ledger, blocks, _changes_in(order, network, blocks)) if is_counted else None)
    with watch.around(blocks), attached(network, list(order.parts), checkpointing=choice.checkpointing), ledger:
        if order.most_pieces > 1:  # those of the micro-batches before
            for parameter in parameters:
                parameter.grad = torch.zeros_like(parameter)
        resident = ledger.now
        ledger.mark("forward")
        with cheaply() if choice.recompute == CHEAP else nullcontext():
            found = losses()
        watch.after_forward()
        ledger.mark("backward")
        (found.sum() / len(found)).backward()
        ledger.mark("clipping")
        clip_gradients(parameters, order.recipe.optimizer.max_grad_norm)
    if watch.alike is not None:
        watch.alike.settle(ledger.stretches, BACKWARD)
    return Trace(ledger.stretches, watch.passes, resident)


def _changes_in(order: Order, network: Network, blocks: Iterable[str]) -> dict[str, dict[str, Change]]:
    """Block -> what is trained or lies frozen in it, by its path in the block."""
    owners = [network, *([network.assistant] if network.assistant is not None else [])]
    placed = [(unit_name(part.name, path), f"{place}:", change) for part in order.parts for place, owner in enumerate(owners)
              for path, change in owner.adapters_of(part.name).items()]
    return {block: {kind + path.removeprefix(block): change for path, kind, change in placed if path.startswith(f"{block}.")}
            for block in blocks}


def _cost(order: Order, network: Network, trace: Trace) -> StepCost:
    parameters, recipe = _trained(network), order.recipe
    optimizer = optimizer_cost(recipe.optimizer, [tuple(parameter.shape) for parameter in parameters], order.denoiser.device)
    size = sum(parameter.nbytes for parameter in parameters)
    averages = size if recipe.optimizer.ema_decay else 0
    kept = size + averages if order.denoiser.device.type == "cpu" else 0
    return StepCost(
        trace=trace, weights=_bytes_of(part.module for part in order.parts), adapters=size, gradients=size, state=optimizer.state,
        update=optimizer.update, pages=optimizer.pages, kept=kept, averages=averages,
        assistant=network.assistant_bytes(), copies=order.copies,
    )


def _network(order: Order) -> Network:
    """As the run's, of fakes, each on the device of its part."""
    network = build_network(order.recipe.network, order.parts, seed=0, starts=order.starts)
    if order.recipe.run.assistant is not None and order.assistant is not None:
        network.assistant = build_assistant(order.recipe.run.assistant, order.assistant, order.parts)
    devices = {part.name: part.weights.device for part in order.parts}
    for (part, _), change in [*network.items(), *(network.assistant.items() if network.assistant else ())]:
        _move(change, devices[part])
    prepare(network, order.parts, order.starts)
    return network


def _move(change: nn.Module, device: torch.device) -> None:
    """Fake parameters do not let themselves be moved by `to`."""
    for module in change.modules():
        for name, own in module._parameters.items():
            if own is not None:
                module._parameters[name] = nn.Parameter(torch.empty_like(own, device=device), requires_grad=own.requires_grad)
        for name, own in module._buffers.items():
            module._buffers[name] = None if own is None else torch.empty_like(own, device=device)


def _trained(network: Network) -> list[nn.Parameter]:
    return [parameter for _, parameter in network.named_parameters() if parameter.requires_grad]


def _bytes_of(modules: Iterable[nn.Module]) -> int:
    """Of their weights, each counted once."""
    return sum({id(own): own.nbytes for module in modules for own in module.parameters()}.values())


class _Noised(Objective):
    """Every noise level is the same one: what is drawn changes no shape."""

    def noise(self, x0: Tensor, seeds: Sequence[int], strata: Sequence[tuple[int, int]] | None = None) -> Noising:
        generators = [torch.Generator().manual_seed(seed) for seed in seeds]
        return self._noise(x0, torch.full((len(seeds),), 0.5, dtype=torch.float64), generators, self.spec.noise)

    def noise_at_steps(self, x0: Tensor, seeds: Sequence[int]) -> Noising:
        return self.noise(x0, seeds)
