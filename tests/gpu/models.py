"""Models with random weights: the pack's own tiny ones, and SD1.5, SDXL and FLUX at full size; and what is left of them afterwards."""

from __future__ import annotations

import gc
import hashlib
import importlib
from collections.abc import Iterator
from contextlib import contextmanager
from types import SimpleNamespace

import torch

from pack.tests.comfy import full_size
from pack.tests.comfy.newer_configs import completed
from pack.tests.comfy.tiny import model as tiny_models

GROUND = SimpleNamespace(module=importlib.import_module)
_SMALL_UNET = {"num_res_blocks": [1, 1], "channel_mult": [1, 1], "model_channels": 64, "transformer_depth": [1, 1],
               "transformer_depth_output": [1, 1, 1, 1], "transformer_depth_middle": 1}
_SMALL = {"sd15": _SMALL_UNET, "sdxl": _SMALL_UNET, "flux": {"depth": 1, "depth_single_blocks": 1, "hidden_size": 256, "num_heads": 2}}


def patcher_of(comfy, model, device=None, offload=None):
    """A MODEL on the run's device, offloaded to the CPU."""
    kind = getattr(comfy.model_patcher, "CoreModelPatcher", comfy.model_patcher.ModelPatcher)
    return kind(model, load_device=device or comfy.device, offload_device=offload or torch.device("cpu"))


def tiny_patcher(comfy, tiny, device=None, seed=0):
    """One of the pack's own tiny instances, fp32."""
    with torch.inference_mode(), tiny_models._shrunk(GROUND, tiny), filled_at_once():
        model = tiny_models._model(GROUND, tiny)
        tiny_models.fill(model.diffusion_model, seed)
        return patcher_of(comfy, model, device)


@contextmanager
def filled_at_once() -> Iterator[None]:
    """Layers get weights when they are made, as without dynamic VRAM, which waits for a file's."""
    try:
        memory = importlib.import_module("comfy.memory_management")
    except ImportError:
        yield
        return
    before = getattr(memory, "aimdo_enabled", False)
    memory.aimdo_enabled = False
    try:
        yield
    finally:
        memory.aimdo_enabled = before


def full_model(comfy, family: str, stored, manual, tiny: bool):
    """Random weights made on the device, moved to main memory: what a loader leaves behind. `tiny`: of the same kind, small."""
    name, config = full_size.CONFIGS[family]
    config = {**config, **(_SMALL[family] if tiny else {})}
    with torch.inference_mode(), filled_at_once():
        made = getattr(comfy.supported_models, name)(completed(GROUND, config))
        made.set_inference_dtype(stored, None if manual == stored else manual)
        model = made.get_model({}, device=comfy.device)
        fill_on_device(model.diffusion_model)
        model.to("cpu")
        model.device = torch.device("cpu")
    return model


def fill_on_device(module) -> None:
    """Seeded weights of the size that keeps activations alive; linear maps ~ 1/sqrt(fan in), norms 1, biases 0."""
    generator = torch.Generator(next(module.parameters()).device).manual_seed(0)
    for name, parameter in module.named_parameters():
        if parameter.ndim > 1:
            dtype = torch.float32 if parameter.numel() < 1 << 20 else torch.bfloat16
            value = torch.empty(parameter.shape, device=parameter.device, dtype=dtype)
            value.normal_(0, max(parameter[0].numel(), 1) ** -0.5, generator=generator)
            parameter.copy_(value.to(parameter.dtype))
        else:
            value = 1.0 if name.endswith(("weight", "scale")) else 0.0
            parameter.copy_(torch.full(parameter.shape, value, device=parameter.device).to(parameter.dtype))


def text_of(family: str, config, generator):
    """What the text encoders would give for one caption."""
    width = config["context_in_dim" if family == "flux" else "context_dim"]
    found = {"cond": torch.randn(1, 512 if family == "flux" else 77, width, generator=generator)}
    pooled = {"flux": 768, "sdxl": 1280}.get(family)
    return found | ({"pooled_output": torch.randn(1, pooled, generator=generator)} if pooled else {})


def digest_of(comfy, model) -> str:
    """Every weight and buffer, byte by byte, once ComfyUI has taken everything back to main memory."""
    free_all(comfy)
    found = hashlib.sha256()
    with torch.inference_mode():
        for name, value in sorted(model.state_dict().items()):
            found.update(name.encode())
            if value.is_meta:
                continue
            if type(value) not in (torch.Tensor, torch.nn.Parameter):
                value = value.dequantize()
            with torch.inference_mode(False):
                plain = torch.empty(value.shape, dtype=value.dtype)
            plain.copy_(value.detach())
            with torch.inference_mode(False):
                found.update(plain.reshape(-1).view(torch.uint8).numpy().tobytes())
    return found.hexdigest()


def free_all(comfy) -> None:
    comfy.model_management.unload_all_models()
    comfy.model_management.current_loaded_models.clear()
    gc.collect()
    comfy.model_management.soft_empty_cache()
