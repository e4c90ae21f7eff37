"""The independent oracle for SD models: diffusers' UNet and scheduler with peft's LoRA, on ComfyUI's weights."""

from dataclasses import dataclass

import torch
from torch import Tensor


def unet_like(comfy, patcher) -> torch.nn.Module:
    """diffusers' UNet2DConditionModel with the weights of a ComfyUI UNet."""
    from diffusers import UNet2DConditionModel

    config = patcher.model.model_config.unet_config
    levels = len(config["channel_mult"])
    depths = _depths(config)
    unet = UNet2DConditionModel(
        in_channels=4, out_channels=4, layers_per_block=config["num_res_blocks"][0],
        block_out_channels=tuple(config["model_channels"] * m for m in config["channel_mult"]),
        down_block_types=tuple("CrossAttnDownBlock2D" if d else "DownBlock2D" for d in depths),
        up_block_types=tuple("CrossAttnUpBlock2D" if d else "UpBlock2D" for d in reversed(depths)),
        mid_block_type="UNetMidBlock2DCrossAttn" if config.get("transformer_depth_middle", -2) >= 0 else None,
        transformer_layers_per_block=tuple(max(1, d) for d in depths),
        attention_head_dim=_heads(config), cross_attention_dim=config["context_dim"],
        use_linear_projection=config["use_linear_in_transformer"],
        addition_embed_type="text_time" if config.get("adm_in_channels") else None,
        addition_time_embed_dim=256 if config.get("adm_in_channels") else None,
        projection_class_embeddings_input_dim=config.get("adm_in_channels"),
        sample_size=8 * levels,
    )
    names = comfy.module("comfy.utils").unet_to_diffusers(config)
    theirs = patcher.model.diffusion_model.state_dict()
    own = unet.state_dict()
    weights = {name: theirs[native].clone().reshape(own[name].shape) for name, native in names.items() if name in own}
    missing = set(own) - set(weights)
    assert not missing, f"the oracle's weights are not all covered: {sorted(missing)[:5]}"
    unet.load_state_dict(weights)
    return unet.requires_grad_(False)


def _depths(config: dict) -> list[int]:
    per_level = config["num_res_blocks"][0]
    return config["transformer_depth"][::per_level]


def _heads(config: dict) -> int | tuple[int, ...]:
    """diffusers calls the number of heads attention_head_dim."""
    if config.get("num_head_channels", -1) > 0:
        return tuple(config["model_channels"] * m // config["num_head_channels"] for m in config["channel_mult"])
    return config["num_heads"]


@dataclass
class PeftGradients:
    """file key -> (gradient of lora_A, gradient of lora_B)."""

    by_key: dict[str, tuple[Tensor, Tensor]]


def with_peft(model: torch.nn.Module, network, part: str, key_prefix: str, *, rank: int, alpha: float) -> dict[str, object]:
    """peft's LoRA on the modules that `network` adapts, with its values. File key -> peft's layer."""
    from peft import LoraConfig, inject_adapter_in_model

    wanted = {network.file_keys[place]: adapter for place, adapter in network.items() if place[0] == part}
    paths = {key_prefix + name.replace(".", "_"): name for name, _ in model.named_modules()}
    assert wanted.keys() <= paths.keys(), sorted(wanted.keys() - paths.keys())[:5]
    config = LoraConfig(r=rank, lora_alpha=alpha, target_modules=[paths[key] for key in wanted], lora_dropout=0.0)
    model = inject_adapter_in_model(config, model)
    modules = dict(model.named_modules())
    layers = {}
    for key, adapter in wanted.items():
        layer = modules[paths[key]]
        a, b = layer.lora_A["default"].weight, layer.lora_B["default"].weight
        a.data.copy_(adapter.down.detach().reshape(a.shape))
        b.data.copy_(adapter.up.detach().reshape(b.shape))
        layers[key] = layer
    return layers


def relative_errors(network, part: str, layers: dict[str, object]) -> dict[str, float]:
    """Largest relative difference of each adapter's gradients to peft's, in the max norm."""
    errors = {}
    for place, adapter in network.items():
        if place[0] != part:
            continue
        layer = layers[network.file_keys[place]]
        for mine, theirs in ((adapter.down, layer.lora_A["default"].weight), (adapter.up, layer.lora_B["default"].weight)):
            difference = (mine.grad.reshape(theirs.shape) - theirs.grad).abs().max() / theirs.grad.abs().max()
            errors[network.file_keys[place]] = max(errors.get(network.file_keys[place], 0.0), float(difference))
    return errors
