"""The independent oracle for SD models: diffusers' UNet on ComfyUI's weights."""

import torch


def unet_like(comfy, patcher) -> torch.nn.Module:
    """diffusers' UNet2DConditionModel with the weights of a ComfyUI UNet."""
    from diffusers import UNet2DConditionModel

    config = patcher.model.model_config.unet_config
    levels = len(config["channel_mult"])
    per_level = config["num_res_blocks"][0]
    depths, out_depths = config["transformer_depth"][::per_level], config["transformer_depth_output"][:: per_level + 1]
    unet = UNet2DConditionModel(
        in_channels=4, out_channels=4, layers_per_block=config["num_res_blocks"][0],
        block_out_channels=tuple(config["model_channels"] * m for m in config["channel_mult"]),
        down_block_types=tuple("CrossAttnDownBlock2D" if d else "DownBlock2D" for d in depths),
        up_block_types=tuple("CrossAttnUpBlock2D" if d else "UpBlock2D" for d in reversed(out_depths)),
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


def _heads(config: dict) -> int | tuple[int, ...]:
    """diffusers calls the number of heads attention_head_dim."""
    if config.get("num_head_channels", -1) > 0:
        return tuple(config["model_channels"] * m // config["num_head_channels"] for m in config["channel_mult"])
    return config["num_heads"]


def unet_module_paths(comfy, patcher) -> dict[str, str]:
    """ComfyUI's path below diffusion_model -> diffusers' path, for every weight."""
    names = comfy.module("comfy.utils").unet_to_diffusers(patcher.model.model_config.unet_config)
    ending = ".weight"
    return {native[: -len(ending)]: name[: -len(ending)] for name, native in names.items() if name.endswith(ending)}
