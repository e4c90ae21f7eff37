"""Full-size models of today's families: the presets choose the modules that their other trainers train (musubi-tuner's
networks, for Anima sd-scripts'), every key is one that ComfyUI loads, and diffusers has a name for each."""

from types import SimpleNamespace

import pytest
import torch

from pack.tests.comfy.newer_configs import completed
from pack.tests.comfy.true_files.make import META
from pack.tests.comfy.true_files.sizes import DIFFUSION
from pack.training.network.slots import slots_for
from pack.training.network.spec import NetworkSpec, TargetSpec

#: Family -> (its file in true_files.sizes, its true depth, modules of each preset).
FULL = {
    "z_image": ("z_image_bf16.safetensors", {"n_layers": 30}, {"attention + feed-forward": 30 * 5, "attention": 30 * 2}),
    "flux2": ("flux-2-klein-base-4b.safetensors", {"depth": 5, "depth_single_blocks": 20}, {"attention + feed-forward": 5 * 8 + 20 * 2}),
    "qwen_image": ("qwen_image_2512_fp8_e4m3fn.safetensors", {"num_layers": 60},
                   {"attention + feed-forward": 60 * 12, "attention": 60 * 8}),
    "krea2": ("raw.safetensors", {"layers": 28}, {"all linear": 264, "attention + feed-forward": 28 * 8 + 4 * 8}),
    "anima": ("anima-base-v1.0.safetensors", {"num_blocks": 28}, {"attention + feed-forward": 28 * 10, "attention": 28 * 8}),
    "wan": ("wan2.2_t2v_low_noise_14B_fp8_scaled.safetensors", {"num_layers": 40},
            {"attention + feed-forward": 40 * 10, "attention": 40 * 8}),
}


@pytest.mark.parametrize("name", FULL)
def test_presets_names_and_keys(comfy, name):
    from pack.host.lora.peft_names import peft_rows
    from pack.host.model.family import family_of
    from pack.host.model.parts import trainable_parts

    file, depth, counts = FULL[name]
    kind = getattr(comfy.module("comfy.supported_models"), DIFFUSION[file].kind, None)
    if kind is None:
        pytest.skip(f"this ComfyUI has no {DIFFUSION[file].kind}")
    config = kind(completed(comfy, {**DIFFUSION[file].true, **depth}))
    patcher = SimpleNamespace(model=config.get_model({}, device=META), load_device=META)
    family = family_of(patcher)
    assert family.name == name
    [part] = trainable_parts(patcher, None, family, torch.float32)
    known = comfy.module("comfy.lora").model_lora_keys_unet(patcher.model, {})
    named = peft_rows(patcher, None, [part])
    for preset, count in counts.items():
        slots = slots_for(NetworkSpec(rank=1, alpha=1.0, targets=TargetSpec(preset=preset)), [part])
        assert len(slots) == count
        for _, path in slots:
            key = part.file_keys[path]
            assert known[key] == f"diffusion_model.{path}.weight"
            assert preset == "all linear" or named[key]
