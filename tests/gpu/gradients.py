"""Gradients on tiny models: the device against the CPU, for every kind of model and adapter, and for whatever is stored and computed in."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

import torch

from pack.host.session import Session
from pack.tests.comfy import tiny_models
from pack.tests.comfy.newer_configs import completed
from pack.training.network.attach import attached
from pack.training.network.build import build_network, prepare
from pack.training.network.network import Network
from pack.training.network.spec import NetworkSpec, TargetSpec
from pack.training.objective.objective import Objective
from pack.training.objective.spec import ObjectiveSpec
from pack.training.protocols import Condition, PixelGeometry, TextCondition

from . import models
from .findings import SKIPPED, Findings
from .measure import relative

LIMIT = {"fp32": 3e-3, "bf16": 8e-2, "fp16": 2e-2}
"""Relative error of all gradients together against fp32 on the CPU, with whatever the device multiplies fp32 in."""

CPU = torch.device("cpu")
ALGORITHMS = ("lora", "rslora", "lora_fa", "dylora", "dora", "loha", "lokr", "glora", "ia3", "oft", "boft")
ALL = NetworkSpec(rank=2, alpha=2.0, targets=TargetSpec(preset="all linear + convolution"))
_START_AT_ZERO = ("up", "hada_w1_a", "lokr_w2_b", "oft_blocks", "weight", "lokr_w2")


def exact_fp32(comfy, options):
    """fp32 with TF32 off: the device should agree with the CPU to rounding."""
    found, switches = Findings(), (torch.backends.cudnn, torch.backends.cuda.matmul)
    before = [switch.allow_tf32 for switch in switches]
    for switch in switches:
        switch.allow_tf32 = False
    try:
        for tiny in _three(comfy, options):
            found.near(tiny.name, relative(gradient(comfy, tiny)[1], gradient(comfy, tiny, CPU)[1]), 1e-4)
    finally:
        for switch, value in zip(switches, before, strict=True):
            switch.allow_tf32 = value
    return found.row()


def precisions(comfy, options):
    """SD1.5, SDXL and FLUX in fp32, bf16 and fp16, checkpointing on and off."""
    found = Findings()
    for tiny in _three(comfy, options):
        expected = gradient(comfy, tiny, CPU)[1]
        for precision, limit in LIMIT.items():
            for on in (False, True):
                error = relative(gradient(comfy, tiny, precision=precision, checkpointing=on)[1], expected)
                found.near(f"{tiny.name} {precision} checkpointing {on}", error, limit)
    return found.row()


def families(comfy, options):
    """Every kind of model of the pack's own list, fp32, checkpointing; the base untouched."""
    found, began = Findings(), time.monotonic()
    for tiny in _three(comfy, options) if options.tiny else _known(comfy):
        if time.monotonic() - began > options.seconds - 5:
            break
        with found.trying(tiny.name):
            reference, patcher = models.tiny_patcher(comfy, tiny, CPU), models.tiny_patcher(comfy, tiny)
            with torch.inference_mode():  # some buffers (SD3's pos_embed) are left as the memory was
                for mine, theirs in zip(patcher.model.buffers(), reference.model.buffers(), strict=True):
                    mine.copy_(theirs)
            before = models.digest_of(comfy, patcher.model)
            error = relative(gradient_of(patcher, tiny, checkpointing=True)[1], gradient_of(reference, tiny)[1])
            found.near(tiny.name, error, LIMIT["fp32"])
            if models.digest_of(comfy, patcher.model) != before:
                found.say(f"{tiny.name}: the base changed", ok=False)
    return found.row()


def kinds(comfy, options):
    """Every algorithm of the LoRA Network node."""
    found, (tiny, *_) = Findings(), _three(comfy, options)
    for algorithm in ALGORITHMS[::5] if options.tiny else ALGORITHMS:
        targets = TargetSpec() if algorithm in ("oft", "boft") else ALL.targets
        spec = NetworkSpec(algorithm=algorithm, rank=4, alpha=2.0, targets=targets)
        with found.trying(algorithm):
            expected = gradient(comfy, tiny, CPU, spec=spec)[1]
            found.near(algorithm, relative(gradient(comfy, tiny, spec=spec, checkpointing=True)[1], expected), 5e-3)
    spec = replace(ALL, dropout=0.1, rank_dropout=0.1, module_dropout=0.1)
    with found.trying("dropout"):  # drawn on the device: only that it runs, and gives the same again
        a, b = (gradient(comfy, tiny, spec=spec, checkpointing=on)[1] for on in (False, True))
        found.near("dropout again", relative(a, b), 1e-3)
    return found.row()


def partly_loaded(comfy, options):
    """Some of the weights in main memory (streams, pinned memory, cast buffers), a LoRA of the graph on top: the gradients of the
    wholly loaded model."""
    if comfy.device.type != "cuda":
        return SKIPPED
    found = Findings()
    for tiny in _three(comfy, options):
        for stored in (torch.float32, torch.float16, torch.float8_e4m3fn):
            results = {}
            for share in (1.0, 0.4, 0.0):
                patcher = _stored_in(models.tiny_patcher(comfy, tiny), stored)
                with _room_for(comfy, patcher, share):
                    for on in (False, True):
                        models.free_all(comfy)
                        results[share, on] = gradient_of(patcher, tiny, checkpointing=on)[1]
                    loaded = patcher.loaded_size() / patcher.model_size()
                if share < 1 and loaded > 0.95 and not comfy.dynamic:
                    found.say(f"{tiny.name} {stored} {share}: {loaded:.0%} is loaded, nothing was offloaded", ok=False)
                label = f"{tiny.name} {str(stored)[6:]} loaded {loaded:.0%}"
                found.near(label, max(relative(results[share, on], results[1.0, on]) for on in (False, True)), 2e-3)
    return found.row()


def fast_fp8(comfy, options):
    """fp8 weights with fp8 products (fp8_e4m3fn_fast): the gradients are near those of the cast."""
    if not comfy.model_management.supports_fp8_compute(comfy.device):
        return SKIPPED
    found = Findings()
    for tiny in (tiny for tiny in _three(comfy, options) if tiny.name != "SDXL"):
        for on in (False, True):
            with found.trying(f"{tiny.name} checkpointing {on}"):
                models_of_it = [_in_fp8(comfy, tiny, fast=fast) for fast in (True, False)]
                fast, cast = (gradient_of(model, tiny, precision="bf16", checkpointing=on)[1] for model in models_of_it)
                found.near(f"{tiny.name} checkpointing {on}", relative(fast, cast), 0.2)
    return found.row()


def gradient(comfy, tiny, device=None, **how) -> tuple[float, dict[str, torch.Tensor]]:
    return gradient_of(models.tiny_patcher(comfy, tiny, device), tiny, **how)


def gradient_of(patcher, tiny, *, precision="fp32", checkpointing=False, spec=ALL, seed=3) -> tuple[float, dict[str, torch.Tensor]]:
    """(loss, gradients by name on the CPU) of one step over two samples, all of the adapters' own values alive."""
    with torch.inference_mode(False), torch.enable_grad():
        session = Session(patcher, precision=precision)
        parts = session.parts()
        network = _alive(build_network(spec, parts, seed=seed), seed)
        network.place(parts)
        with session.training():
            prepare(network, parts)
        raw = torch.randn(2, *tiny.latent, generator=torch.Generator().manual_seed(5)).to(session.device)
        x0 = session.denoiser.to_model_space(raw)
        geometry = PixelGeometry(original=(96, 80), crop=(2, 0), target=(64, 64))
        texts = [TextCondition(tensors=tiny_models.text_tensors(tiny, number)) for number in (1, 2)]
        objective = Objective(ObjectiveSpec(), session.denoiser)
        noising = objective.noise(x0, [11, 12])
        with session.training(), attached(network, parts, checkpointing=checkpointing):
            network.begin(7)
            conditions = [Condition(text=text, geometry=geometry) for text in texts]
            losses = objective.losses(session.denoiser.denoise(noising.x_t, noising.sigma, conditions), x0, noising)
            losses.mean().backward()
        found = {name: p.grad.detach().cpu() for name, p in network.named_parameters() if p.grad is not None}
        return float(losses.detach().mean()), found


def _alive(network: Network, seed: int) -> Network:
    generator = torch.Generator().manual_seed(seed)
    for name, parameter in network.named_parameters():
        if name.rsplit(".", 1)[-1] in _START_AT_ZERO:
            parameter.data.normal_(0, 0.02, generator=generator)
    return network


def _known(comfy) -> list[tiny_models.Tiny]:
    return [tiny for tiny in tiny_models.TRAINED if hasattr(comfy.supported_models, tiny.kind)]


def _three(comfy, options) -> list[tiny_models.Tiny]:
    """SD1.5, SDXL and FLUX; in a dry run the first and the last."""
    wanted = ("SD15", "Flux") if options.tiny else ("SD15", "SDXL", "Flux")
    by_name = {tiny.name: tiny for tiny in _known(comfy)}
    return [by_name[name] for name in wanted]


def _stored_in(patcher, dtype: torch.dtype):
    with torch.inference_mode():
        for module in patcher.model.diffusion_model.modules():
            if hasattr(module, "comfy_cast_weights") and getattr(module, "weight", None) is not None and module.weight.ndim > 1:
                module.weight = torch.nn.Parameter(module.weight.to(dtype), requires_grad=False)
                module.comfy_cast_weights = True
    if dtype is not torch.float8_e4m3fn:  # wholly loaded, ComfyUI rounds a patched weight to fp8 again
        weights = patcher.model_state_dict()
        key = next(key for key in weights if key.endswith(("attn1.to_q.weight", "img_attn.qkv.weight")))
        patcher.add_patches({key: (torch.randn(weights[key].shape, generator=torch.Generator().manual_seed(9)) * 0.02,)}, 1.0)
    return patcher


@contextmanager
def _room_for(comfy, patcher, share: float) -> Iterator[None]:
    """ComfyUI believes that the device has room for this share of the model."""
    management = comfy.model_management
    real, room = management.get_free_memory, 40 * 2**30
    if share < 1:
        room = management.minimum_inference_memory() + share * patcher.model_size()

    def free(dev=None, torch_free_too=False):
        left = max(0, room - patcher.loaded_size())
        return (left, 0) if torch_free_too else left

    management.get_free_memory = free
    try:
        yield
    finally:
        management.get_free_memory = real


def _in_fp8(comfy, tiny, *, fast: bool):
    with torch.inference_mode(), models.filled_at_once():
        config = getattr(comfy.supported_models, tiny.kind)(completed(models.GROUND, tiny.config))
        config.optimizations = {**config.optimizations, "fp8": fast}
        config.set_inference_dtype(torch.float8_e4m3fn, torch.bfloat16)
        model = config.get_model(tiny.weights(), "", device=CPU)
        models.fill_on_device(model.diffusion_model)
        return models.patcher_of(comfy, model)
