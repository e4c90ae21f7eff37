"""diffusers' own pipelines load the LoRAs of today's families, as we save them for ComfyUI and as we save them for diffusers.

The transformer that they are loaded into has our model's weights, brought there by diffusers' converter of original
checkpoints, which reads every key and leaves none over: that the tiny model is laid out as the true one is shown by it.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from pack.tests.comfy import tiny_models
from pack.tests.comfy.parts import network_for, session_of
from pack.tests.comfy.test_diffusers_loads import KOHYA, PEFT, fused, largest_difference, merged_by_comfyui, saved
from pack.tests.comfy.tiny_models import Tiny
from pack.tests.comfy.true_files.sizes import DIFFUSION, TEXT
from pack.training.lora_file.file import TrainedLora
from pack.training.network.files import to_tensors
from pack.training.network.spec import NetworkSpec

COMFYUI = KOHYA


@dataclass(frozen=True)
class InDiffusers:
    """`file` is ours (true_files.sizes), `converter` the name of diffusers' function (None: the keys are the same). `ours` are
    sizes that differ because diffusers fixes some; `forms` those of a LoRA that diffusers 0.42 reads right. Of ComfyUI's form it
    refuses Krea 2's and gets part of FLUX.2's and Z-Image's wrong, which is what the other form is for."""

    file: str
    pipeline: str
    transformer: str
    settings: dict[str, Any]
    converter: str | None
    ours: dict[str, Any] = field(default_factory=dict)
    forms: tuple[str, ...] = (COMFYUI, PEFT)


FAMILIES = [
    InDiffusers("z_image_bf16.safetensors", "ZImagePipeline", "ZImageTransformer2DModel", {
        "dim": 1056, "n_layers": 1, "n_refiner_layers": 1, "n_heads": 33, "n_kv_heads": 33, "cap_feat_dim": TEXT,
        "axes_dims": [8, 12, 12], "axes_lens": [64, 64, 64],
    }, "convert_z_image_transformer_checkpoint_to_diffusers",
        {"dim": 1056, "n_heads": 33, "n_kv_heads": 33, "n_layers": 1, "n_refiner_layers": 1}, (PEFT,)),
    InDiffusers("flux-2-klein-base-4b.safetensors", "Flux2KleinPipeline", "Flux2Transformer2DModel", {
        "num_layers": 2, "num_single_layers": 2, "attention_head_dim": 32, "num_attention_heads": 2, "joint_attention_dim": 3 * TEXT,
        "axes_dims_rope": (8, 8, 8, 8), "guidance_embeds": False,
    }, "convert_flux2_transformer_checkpoint_to_diffusers", forms=(PEFT,)),
    InDiffusers("qwen_image_2512_fp8_e4m3fn.safetensors", "QwenImagePipeline", "QwenImageTransformer2DModel", {
        "num_layers": 2, "attention_head_dim": 32, "num_attention_heads": 2, "joint_attention_dim": TEXT, "axes_dims_rope": (8, 12, 12),
    }, None),
    InDiffusers("wan2.2_t2v_low_noise_14B_fp8_scaled.safetensors", "WanPipeline", "WanTransformer3DModel", {
        "num_attention_heads": 2, "attention_head_dim": 32, "text_dim": TEXT, "freq_dim": 32, "ffn_dim": 96, "num_layers": 2,
    }, "convert_wan_transformer_to_diffusers"),
    InDiffusers("raw.safetensors", "Krea2Pipeline", "Krea2Transformer2DModel", {
        "num_layers": 2, "attention_head_dim": 32, "num_attention_heads": 2, "num_key_value_heads": 1, "intermediate_size": 256,
        "timestep_embed_dim": 32, "text_hidden_dim": TEXT, "text_num_attention_heads": 2, "text_num_key_value_heads": 2,
        "text_intermediate_size": 256, "axes_dims_rope": (8, 12, 12),
    }, "convert_krea2_transformer_checkpoint_to_diffusers", forms=(PEFT,)),
]


@pytest.fixture(scope="module", params=FAMILIES, ids=lambda family: family.transformer)
def family(request, comfy):
    here = DIFFUSION[request.param.file]
    if not hasattr(comfy.module("comfy.supported_models"), here.kind):
        pytest.skip(f"this ComfyUI has no {here.kind}")
    patcher = tiny_models.patcher(comfy, Tiny(here.kind, {**here.true, **here.shrunk, **request.param.ours}))
    return request.param, SimpleNamespace(model=patcher, clip=None)


def lora_of(loaded) -> TrainedLora:
    """What Train LoRA hands on, with values as large as the weights, so that every change counts."""
    from pack.host.lora.peft_names import peft_rows

    session = session_of(loaded)
    network = network_for(session.parts(), NetworkSpec(rank=4, alpha=2.0))
    lora = TrainedLora(to_tensors(network), {})
    lora.rows = peft_rows(loaded.model, None, session.parts())
    return lora


def converted(family: InDiffusers, patcher) -> dict[str, torch.Tensor]:
    """The model's weights under diffusers' names."""
    from diffusers.loaders import single_file_utils

    weights = {name: tensor.detach().clone() for name, tensor in patcher.model.diffusion_model.state_dict().items()}
    convert: Callable = getattr(single_file_utils, family.converter) if family.converter else lambda checkpoint: checkpoint
    return convert(weights)


@pytest.mark.parametrize("form", [COMFYUI, PEFT])
def test_loads_and_means_the_same(comfy, family, form):
    import diffusers

    family, loaded = family
    if form not in family.forms:
        pytest.skip(f"{family.pipeline} reads no LoRA of this form right")
    pipeline = getattr(diffusers, family.pipeline)
    comfy.model_management.load_models_gpu([loaded.model])
    lora, before = lora_of(loaded), converted(family, loaded.model)
    transformer = getattr(diffusers, family.transformer)(**family.settings)
    transformer.load_state_dict(before)
    given = pipeline.lora_state_dict(saved(lora, form, family.transformer), return_alphas=True)
    state, alphas = given if isinstance(given, tuple) else (given, None)
    more = {"network_alphas": alphas} if alphas else {}
    pipeline.load_lora_into_transformer(state, transformer=transformer.requires_grad_(False), adapter_name="x", **more)
    ours, theirs = converted(family, merged_by_comfyui(comfy, loaded, lora)), fused(transformer)
    assert largest_difference(before, ours) > 1e-3
    assert largest_difference(theirs, ours) < 1e-5


def test_anima_s_names_are_those_that_diffusers_makes_of_ours():
    """Its transformer in diffusers is Cosmos', whose converter does not know it; the names of a LoRA are compared."""
    from diffusers.loaders.lora_conversion_utils import _convert_non_diffusers_anima_lora_to_diffusers

    from pack.training.families import FAMILIES as OURS

    modules = [f"blocks.0.{attention}.{x}" for attention in ("self_attn", "cross_attn")
               for x in ("q_proj", "k_proj", "v_proj", "output_proj")] + ["blocks.27.mlp.layer1", "blocks.27.mlp.layer2"]
    theirs = _convert_non_diffusers_anima_lora_to_diffusers({f"diffusion_model.{module}": module for module in modules})
    assert {f"transformer.{name}" for module in modules for name in OURS["anima"].diffusers_names(module)} == theirs.keys()
