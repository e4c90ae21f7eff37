"""The same work by others: ComfyUI's own TrainLoraNode, and kohya's modules (its UNet, its LoRA) in a bare loop."""

from __future__ import annotations

import importlib
import inspect
import math
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import torch

from . import boot, models
from .findings import Findings
from .measure import Clock
from .orders import drop_models

WORK = (("sd15", 512, True), ("sd15", 512, False), ("sdxl", 1024, True), ("sdxl", 1024, False))


def core(comfy, options):
    """TrainLoraNode as its executor calls it, on the very same random model."""
    yield from _each(comfy, options, "core", WORK[:3], _core)


def kohya(comfy, options):
    """sd-scripts' own UNets and networks.lora in a loop as its trainer's: base in bf16, autocast, SDPA, clipping, AdamW. Its UNets
    come in one size only."""
    if not options.kohya:
        yield {"ok": None, "say": "skipped: not carried"}
        return
    sys.path.insert(0, options.kohya)
    boot.stand_in("diffusers", "cv2")
    yield from _each(comfy, options, "kohya", WORK[:1] if options.tiny else WORK, _kohya)


def _each(comfy, options, who: str, works, run) -> Iterator[dict]:
    for family, side, on in works:
        drop_models(comfy)
        found = Findings()
        with found.trying(f"{who} {family} checkpointing {on}"):
            row = run(comfy, options, family, 64 if options.tiny else side, on, 3 if options.tiny else 8)
            row = {"who": who, "family": family, "side": side, "ckpt": on, **row}
            told = f"{row['s_step']:.3f} s/step, peak {row['peak_gib']:.2f} GiB"
            yield {"ok": True, "say": f"{who} {family} {side} checkpointing {on}: {told}", "row": row}
        if found.bad:
            yield {"ok": None, "say": found.bad[0]}


def _core(comfy, options, family: str, side: int, on: bool, steps: int) -> dict:
    train = importlib.import_module("comfy_extras.nodes_train").TrainLoraNode
    model = models.full_model(comfy, family, torch.float16, torch.bfloat16, options.tiny)
    text = models.text_of(family, model.model_config.unet_config, torch.Generator().manual_seed(1))
    condition = [[text["cond"], {name: value for name, value in text.items() if name != "cond"}]]
    with torch.inference_mode():
        latents = [{"samples": torch.randn(1, model.latent_format.latent_channels, side // 8, side // 8)} for _ in range(2)]
    given = {
        "model": [models.patcher_of(comfy, model)], "latents": latents, "positive": [condition] * 2, "batch_size": [1], "steps": [steps],
        "grad_accumulation_steps": [1], "learning_rate": [1e-4], "rank": [16], "optimizer": ["AdamW"], "loss_function": ["MSE"],
        "seed": [0], "training_dtype": ["bf16"], "lora_dtype": ["fp32"], "algorithm": ["LoRA"], "gradient_checkpointing": [on],
        "existing_lora": ["[None]"],
    }
    defaults = {one.id: one.default for one in train.define_schema().inputs if hasattr(one, "default")}
    for name in inspect.signature(train.execute).parameters:
        if name not in given and name in defaults:
            given[name] = [defaults[name]]
    clock = Clock(comfy)
    with torch.inference_mode(), _stepping(clock):
        clock.start()
        train.execute(**given)
    return {"s_step": clock.seconds(2), **clock.peaks()}


@contextmanager
def _stepping(clock: Clock) -> Iterator[None]:
    """ComfyUI's progress bar moves after each step."""
    utils = importlib.import_module("comfy.utils")
    before = utils.PROGRESS_BAR_HOOK
    utils.set_progress_bar_global_hook(lambda *_, **__: clock.step())
    try:
        yield
    finally:
        utils.set_progress_bar_global_hook(before)


def _kohya(comfy, options, family: str, side: int, on: bool, steps: int) -> dict:
    device = comfy.device
    with torch.inference_mode(False), torch.enable_grad():
        unet = _kohya_s_unet(family, device)
        if on:
            unet.enable_gradient_checkpointing()
        network = importlib.import_module("networks.lora").create_network(1.0, 16, 16.0, None, [], unet)
        network.apply_to([], unet, False, True)
        parameters = [parameter for parameter in network.to(device).parameters() if parameter.requires_grad]
        optimizer = torch.optim.AdamW(parameters, lr=1e-4)
        latent = torch.randn(1, 4, side // 8, side // 8, device=device)
        text = torch.randn(1, 77, 768 if family == "sd15" else 2048, device=device, dtype=torch.bfloat16)
        more = () if family == "sd15" else (torch.randn(1, 2816, device=device, dtype=torch.bfloat16),)
        clock = Clock(comfy)
        clock.start()
        for _ in range(steps):
            noise = torch.randn_like(latent)
            with torch.autocast(device.type, torch.bfloat16):
                out = unet(latent + noise, torch.randint(0, 1000, (1,), device=device), text, *more)
            loss = (getattr(out, "sample", out).float() - noise).square().mean()
            loss.backward()
            torch.nn.utils.clip_grad_norm_(parameters, 1.0)
            optimizer.step()
            optimizer.zero_grad(set_to_none=True)
            value = loss.item()
            clock.step()
        assert math.isfinite(value), value
        return {"s_step": clock.seconds(min(2, steps - 1)), **clock.peaks()}


def _kohya_s_unet(family: str, device: torch.device):
    with torch.device(device):
        if family == "sd15":
            unet = importlib.import_module("library.original_unet").UNet2DConditionModel(
                sample_size=64, attention_head_dim=8, cross_attention_dim=768, use_linear_projection=False, upcast_attention=False,
            )
        else:
            unet = importlib.import_module("library.sdxl_original_unet").SdxlUNet2DConditionModel()
    with torch.no_grad():
        models.fill_on_device(unet)
    unet.to(torch.bfloat16).requires_grad_(False)
    unet.set_use_sdpa(True)
    return unet.train()
