"""diffusers' own pipelines load the files: the weights they merge are the weights that ComfyUI merges."""

import pytest
import torch

from pack.tests.comfy import full_size
from pack.tests.comfy.diffusers_flux import transformer_like
from pack.tests.comfy.diffusers_unet import unet_like
from pack.tests.comfy.parts import load, network_for, session_of
from pack.training.errors import SettingsError
from pack.training.lora_file.file import TrainedLora
from pack.training.lora_file.peft import Rows, peft_tensors
from pack.training.network.files import to_tensors
from pack.training.network.spec import NetworkSpec

KOHYA, PEFT = "ComfyUI, A1111, Forge (kohya)", "diffusers (PEFT)"


@pytest.fixture(scope="module")
def sd15(comfy, sd15_checkpoint):
    return load(comfy, sd15_checkpoint)


@pytest.fixture(scope="module")
def flux(comfy, flux_checkpoint):
    return load(comfy, flux_checkpoint, dtype=torch.float32)


def trained(loaded, *, clip=None, **settings) -> TrainedLora:
    """What Train LoRA hands on, with values as large as the weights, so that every change counts."""
    from pack.host.lora.peft_names import peft_rows

    session = session_of(loaded, clip=clip)
    network = network_for(session.parts(), NetworkSpec(**{"rank": 4, "alpha": 2.0, **settings}))
    lora = TrainedLora(to_tensors(network), {})
    lora.rows = peft_rows(loaded.model, loaded.clip, session.parts())
    return lora


def saved(lora, form: str, name: str) -> str:
    from pack.host.lora.save import SaveSpec, save_lora

    return str(save_lora(lora, SaveSpec(filename=f"diffusers/{name}", dtype="fp32", format=form)).path)


def unpatched(comfy, loaded):
    """The MODEL as it was loaded, whatever was merged into its weights since."""
    comfy.model_management.load_models_gpu([loaded.model])
    return loaded.model


def merged_by_comfyui(comfy, loaded, lora):
    """The MODEL with the LoRA merged into its weights."""
    model, _ = comfy.module("comfy.sd").load_lora_for_models(loaded.model, None, dict(lora), 1.0, 1.0)
    comfy.model_management.load_models_gpu([model])
    return model


def largest_difference(one: dict, other: dict) -> float:
    assert one.keys() == other.keys()
    return max(float((one[name] - other[name]).abs().max()) for name in one)


def fused(module) -> dict:
    """The module's weights with its LoRA merged, under their plain names."""
    module.fuse_lora()
    return {
        name.replace(".base_layer", ""): tensor for name, tensor in module.state_dict().items() if "lora_" not in name
    }


@pytest.mark.parametrize("form", [KOHYA, PEFT])
@pytest.mark.parametrize("conv_rank", [0, 2])
def test_sd15_unet(comfy, sd15, form, conv_rank):
    from diffusers import StableDiffusionPipeline

    lora = trained(sd15, conv_rank=conv_rank, conv_alpha=1.0 if conv_rank else 0.0)
    unet = unet_like(comfy, unpatched(comfy, sd15))
    before = {name: tensor.clone() for name, tensor in unet.state_dict().items()}
    state, alphas = StableDiffusionPipeline.lora_state_dict(saved(lora, form, f"unet{conv_rank}"), unet_config=unet.config)
    StableDiffusionPipeline.load_lora_into_unet(state, alphas, unet, adapter_name="x")
    model = merged_by_comfyui(comfy, sd15, lora)
    theirs, ours = fused(unet), unet_like(comfy, model).state_dict()
    assert largest_difference(before, ours) > 1e-3
    assert largest_difference(theirs, ours) < 1e-5


@pytest.mark.parametrize("form", [KOHYA, PEFT])
def test_sd15_text_encoder(comfy, sd15, form):
    from diffusers import StableDiffusionPipeline
    from transformers import CLIPTextConfig, CLIPTextModel

    lora = trained(sd15, clip=sd15.clip)
    assert sum(name.startswith("lora_te_") for name in lora) == 72 * 3
    encoder = CLIPTextModel(
        CLIPTextConfig(hidden_size=768, intermediate_size=3072, num_hidden_layers=12, num_attention_heads=12, projection_dim=768)
    )
    names = comfy.module("comfy.lora").model_lora_keys_clip(sd15.clip.cond_stage_model, {})
    patches = comfy.module("comfy.lora").load_lora(dict(lora), names, log_missing=False)
    state, alphas = StableDiffusionPipeline.lora_state_dict(saved(lora, form, "text"))
    StableDiffusionPipeline.load_lora_into_text_encoder(state, alphas, encoder, prefix="text_encoder", adapter_name="x")
    layers = {name: module for name, module in encoder.named_modules() if hasattr(module, "lora_A")}
    assert len(layers) == 72
    for name, layer in layers.items():
        patch = patches[f"clip_l.transformer.text_model.{name.removeprefix('text_model.')}.weight"]
        theirs = layer.scaling["x"] * layer.lora_B["x"].weight @ layer.lora_A["x"].weight
        ours = comfy.module("comfy.lora").calculate_weight([(1.0, patch, 1.0, None, None)], torch.zeros_like(theirs), name)
        assert ours.abs().max() > 1e-4
        torch.testing.assert_close(theirs, ours, atol=1e-7, rtol=1e-5)


@pytest.mark.slow
@pytest.mark.parametrize("form", [KOHYA, PEFT])
def test_flux(comfy, flux, form):
    from diffusers import FluxPipeline

    lora = trained(flux)
    transformer = transformer_like(comfy, unpatched(comfy, flux))
    before = {name: tensor.clone() for name, tensor in transformer.state_dict().items()}
    given = FluxPipeline.lora_state_dict(saved(lora, form, "flux"), return_alphas=True)
    state, alphas = given[0], given[1]
    FluxPipeline.load_lora_into_transformer(state, alphas, transformer, adapter_name="x")
    model = merged_by_comfyui(comfy, flux, lora)
    theirs, ours = fused(transformer), transformer_like(comfy, model).state_dict()
    assert largest_difference(before, ours) > 1e-3
    assert largest_difference(theirs, ours) < 1e-5


@pytest.fixture(scope="module")
def sdxl_names(comfy):
    """Every module of the full-size SDXL that kohya trains: file key -> (Op, diffusers' names)."""
    from pack.host.lora.peft_names import peft_rows
    from pack.host.model.parts import trainable_parts
    from pack.training.families import FAMILIES
    from pack.training.network.slots import slots_for

    patcher = full_size.patcher(comfy, "sdxl")
    (part,) = trainable_parts(patcher, None, FAMILIES["sdxl"], torch.float32)
    slots = slots_for(NetworkSpec(rank=1, alpha=1.0, conv_rank=1, conv_alpha=1.0), [part])
    rows = peft_rows(patcher, None, [part])
    return {part.file_keys[path]: (slot.op, rows[part.file_keys[path]]) for (_, path), slot in slots.items()}


def test_sdxl_at_full_size(sdxl_names):
    """All 788 modules: what diffusers makes of kohya's keys are the names that we write in its own format, and its UNet has
    every one of them."""
    from diffusers import StableDiffusionXLPipeline, UNet2DConditionModel
    from diffusers.utils import convert_unet_state_dict_to_peft

    tensors = {}
    for index, (key, (op, _)) in enumerate(sdxl_names.items()):
        ones = [1] * len(op.kernel)
        tensors[f"{key}.lora_up.weight"] = torch.full((op.out_features, 1, *ones), float(index))
        tensors[f"{key}.lora_down.weight"] = torch.zeros(1, op.in_features, *op.kernel)
        tensors[f"{key}.alpha"] = torch.tensor(1.0)
    with torch.device("meta"):
        unet = UNet2DConditionModel(
            down_block_types=("DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"),
            up_block_types=("CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"),
            block_out_channels=(320, 640, 1280), transformer_layers_per_block=(1, 2, 10), attention_head_dim=(5, 10, 20),
            cross_attention_dim=2048, use_linear_projection=True, addition_embed_type="text_time",
            addition_time_embed_dim=256, projection_class_embeddings_input_dim=2816,
        )
    theirs, _ = StableDiffusionXLPipeline.lora_state_dict(dict(tensors), unet_config=unet.config)
    ours = peft_tensors(tensors, {key: rows for key, (_, rows) in sdxl_names.items()})
    assert len(ours) == 2 * 788
    plain = convert_unet_state_dict_to_peft(theirs)
    assert plain.keys() == ours.keys()
    assert all(torch.equal(plain[name], tensor) for name, tensor in ours.items())
    modules = dict(unet.named_modules())
    assert {name.split(".lora_")[0].removeprefix("unet.") for name in ours} <= modules.keys()


def test_alpha_is_multiplied_in_and_rows_are_cut():
    tensors = {"m.lora_up.weight": torch.arange(6.0).view(6, 1), "m.lora_down.weight": torch.ones(1, 2), "m.alpha": torch.tensor(0.5)}
    made = peft_tensors(tensors, {"m": [Rows("a.to_q", 0, 2), Rows("a.to_k", 2, 3), Rows("a.rest", 5)]})
    assert made["a.to_k.lora_B.weight"].flatten().tolist() == [1.0, 1.5, 2.0]
    assert made["a.rest.lora_B.weight"].flatten().tolist() == [2.5]
    assert torch.equal(made["a.to_q.lora_A.weight"], torch.ones(1, 2))


def test_what_diffusers_cannot_hold(sd15):
    with pytest.raises(SettingsError, match="only plain LoRAs"):
        saved(trained(sd15, algorithm="loha"), PEFT, "loha")
    plain = TrainedLora(dict(trained(sd15)), {})
    with pytest.raises(SettingsError, match="have no name in diffusers.*Connect the lora output of Train LoRA"):
        saved(plain, PEFT, "nameless")
