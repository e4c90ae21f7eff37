"""Time over memory: whole steps of full-size SD1.5 at 256 x 256 in fp32 with kohya's 192 layers, ours in each way and kohya's own
modules (its UNet and networks.lora, of a checkout of sd-scripts), in turn in one process and on the very same weights.

    COMFYUI_PATH=... KOHYA_PATH=... python benchmarks/curve.py [rounds] [shared]

The first round follows every way operation by operation: the most bytes that are alive beside the model at once, oneDNN's copies among
them. The others are timed by the processor, since others may share its cores. With `shared` layers of one shape share one weight, in both
models alike: 0.7 GB instead of 3.3, where others need the rest.
"""

from __future__ import annotations

import importlib
import os
import statistics
import sys
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from functools import partial
from pathlib import Path

import torch
from torch import nn

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks import workload

ROOMS = (380, 295)
"""MiB beside the model that ours is given to choose by."""
Step = Callable[[AbstractContextManager], None]


def main(rounds: int, *, shared: bool) -> None:
    workload.start_comfyui()
    from pack.host.session import Session

    session = Session(shared_patcher() if shared else workload.sd15_patcher(), precision="fp32")
    session.load()
    with session.training():
        theirs = kohya(session.parts()[0].module)
    compare({**theirs, **ours(session)}, rounds)


def shared_patcher():
    """A MODEL as the workload's, but for the weights of layers of one shape, which are one."""
    from comfy import model_base, model_patcher, supported_models

    cpu, generator = torch.device("cpu"), torch.Generator().manual_seed(0)
    made: dict[torch.Size, torch.Tensor] = {}
    with torch.inference_mode():
        config = supported_models.SD15(dict(workload.UNET_CONFIG))
        config.set_inference_dtype(torch.float32, None)
        model = model_base.BaseModel(config, device=torch.device("meta"))
        for module in model.diffusion_model.modules():
            for name, own in module._parameters.items():
                if own is not None and own.shape not in made:
                    drawn = torch.randn(own.shape, generator=generator).mul_(own[0].numel() ** -0.5)
                    made[own.shape] = drawn if own.ndim > 1 else torch.ones(own.shape)
                module._parameters[name] = None if own is None else nn.Parameter(made[own.shape], requires_grad=False)
        return model_patcher.ModelPatcher(model, load_device=cpu, offload_device=cpu)


def compare(ways: dict[str, tuple[Step, int]], rounds: int) -> None:
    """`ways` with the bytes of their adapters and of the optimizer's state, which are there before a step begins."""
    from pack.training.memory.cost.ledger import Ledger

    taken: dict[str, list[float]] = {name: [] for name in ways}
    for number in range(rounds + 1):
        for name, (step, own) in ways.items():
            began, ledger = time.process_time(), None if number else Ledger(torch.device("cpu"))
            step(ledger or nullcontext())
            if ledger is not None:
                print(f"{name:24} {(ledger.peak + own) / 2**20:.0f} MiB, {own / 2**20:.0f} of them adapters and state", flush=True)
            else:
                taken[name].append(time.process_time() - began)
                print(f"{name:24} {taken[name][-1]:.2f} s", flush=True)
    first = statistics.median(taken["kohya"])
    for name, seconds in taken.items():
        print(f"{name:24} {statistics.median(seconds):.2f} s, {statistics.median(seconds) / first:.2f} x kohya")


def ours(session) -> dict[str, tuple[Step, int]]:
    from pack.training.memory.cheaply import cheaply
    from pack.training.memory.choice import ALL, CHEAP, NONE, MemoryChoice
    from pack.training.memory.choose import Costs, choose
    from pack.training.network.attach import attached
    from pack.training.network.build import build_network
    from pack.training.network.spec import NetworkSpec, TargetSpec
    from pack.training.optim.numerics import clip_gradients

    part = session.parts()[0]
    network = build_network(NetworkSpec(rank=workload.RANK, targets=TargetSpec(preset=workload.KOHYA_LAYERS)), [part], seed=0)
    parameters = [parameter for _, parameter in network.named_parameters()]
    given = torch.tensor([500.0]), workload.text()
    learn = Learner(lambda x: part.module(x, *given), parameters, partial(clip_gradients, parameters, 1.0), fused=True)

    def step(choice: MemoryChoice, watched: AbstractContextManager) -> None:
        around = cheaply if choice.recompute == CHEAP else nullcontext
        with session.training(), attached(network, [part], checkpointing=choice.checkpointing), watched:
            learn(around)

    trace, own = traced(session, network, learn), 3 * sum(parameter.nbytes for parameter in parameters)
    costs = Costs(beside=lambda choice: trace.peak(choice) + own, saves=trace.saved(), flops=trace.flops(), main_memory=False)
    chosen = {
        "ours": MemoryChoice(recompute=NONE), "ours, cheap": MemoryChoice(recompute=CHEAP),
        **{f"ours, at most {room} MiB": choose(costs, room << 20).choice for room in ROOMS},
        "ours, all recomputed": MemoryChoice(recompute=ALL),
    }
    for name, choice in chosen.items():
        blocks = choice.recompute if isinstance(choice.recompute, str) else f"{len(choice.recompute)} of {len(costs.saves)} blocks"
        print(f"{name:24} recomputed: {blocks}", flush=True)
    return {name: (partial(step, choice), own) for name, choice in chosen.items()}


def traced(session, network, learn):
    """One step of ours without recomputing, followed operation by operation."""
    from pack.training.memory.cost.ledger import Ledger
    from pack.training.memory.cost.trace import Trace, Watch
    from pack.training.network.attach import attached
    from pack.training.network.checkpointing import unit_name, units

    part, ledger = session.parts()[0], Ledger(torch.device("cpu"))
    watch = Watch(ledger)
    blocks = {unit_name(part.name, path): unit for path, unit in units(part.module)}
    with session.training(), watch.around(blocks), attached(network, [part], checkpointing=False), ledger:
        learn(nullcontext, watch)
    return Trace(ledger.stretches, watch.passes, 0)


def kohya(model) -> dict[str, tuple[Step, int]]:
    importlib.import_module("pack.tests.gpu.boot").stand_in("diffusers", "cv2")
    sys.path.insert(0, os.environ["KOHYA_PATH"])
    with torch.device("meta"):
        unet = importlib.import_module("library.original_unet").UNet2DConditionModel(
            sample_size=64, attention_head_dim=8, cross_attention_dim=768, use_linear_projection=False, upcast_attention=False,
        )
    lent(unet, model)
    unet.set_use_sdpa(True)
    unet.train()
    network = importlib.import_module("networks.lora").create_network(1.0, workload.RANK, float(workload.RANK), None, [], unet)
    network.apply_to([], unet, False, True)
    parameters = [parameter for parameter in network.parameters() if parameter.requires_grad]
    given = torch.tensor([500]), workload.text()
    clip = partial(torch.nn.utils.clip_grad_norm_, parameters, 1.0)
    learn = Learner(lambda x: getattr(made := unet(x, *given), "sample", made), parameters, clip, fused=False)

    def step(checkpointing: bool, watched: AbstractContextManager) -> None:
        (unet.enable_gradient_checkpointing if checkpointing else unet.disable_gradient_checkpointing)()
        with watched:
            learn(nullcontext)

    own = 3 * sum(parameter.nbytes for parameter in parameters)
    return {"kohya": (partial(step, False), own), "kohya, checkpointing": (partial(step, True), own)}


def lent(unet: nn.Module, model: nn.Module) -> None:
    """Each of its weights is one of the model's of the same shape: which one, no time depends on."""
    found = {tuple(weight.shape): weight for weight in model.parameters()}
    for module in unet.modules():
        for name, weight in list(module._parameters.items()):
            if weight is not None:
                module._parameters[name] = nn.Parameter(found[tuple(weight.shape)].detach(), requires_grad=False)


class Learner:
    """Calling it is a step on `parameters`, whose forward runs inside of `around()`."""

    def __init__(self, forward: Callable, parameters, clip: Callable[[], object], *, fused: bool):
        self._forward, self._clip = forward, clip
        self._optimizer = torch.optim.AdamW(parameters, lr=workload.LEARNING_RATE, fused=fused)
        self._latent = workload.latent()
        for parameter in parameters:
            parameter.grad = torch.zeros_like(parameter)
        self._end()  # the optimizer's state is there now

    def __call__(self, around, watch=None) -> None:
        noise = torch.randn_like(self._latent)
        with around():
            loss = (self._forward(self._latent + noise) - noise).square().mean()
        if watch is not None:
            watch.after_forward()
            watch.ledger.mark("backward")
        loss.backward()
        self._clip()
        if not loss.isfinite():
            raise ArithmeticError("the loss is not finite")
        self._end()

    def _end(self) -> None:
        self._optimizer.step()
        self._optimizer.zero_grad(set_to_none=True)


if __name__ == "__main__":
    numbers = [int(word) for word in sys.argv[1:] if word.isdigit()]
    main(*numbers or [3], shared="shared" in sys.argv)
