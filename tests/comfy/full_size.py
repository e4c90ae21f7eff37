"""ComfyUI's own models at full size on the meta device: shapes and names without a byte of weights."""

from types import SimpleNamespace

from torch import device

from pack.tests.comfy.newer_configs import completed

META = device("meta")
UNET = {
    "use_checkpoint": False, "image_size": 32, "out_channels": 4, "use_spatial_transformer": True, "legacy": False, "in_channels": 4,
    "model_channels": 320, "use_temporal_attention": False, "use_temporal_resblock": False, "dtype": None,
}
SD15 = UNET | {
    "num_res_blocks": [2, 2, 2, 2], "channel_mult": [1, 2, 4, 4], "transformer_depth": [1, 1, 1, 1, 1, 1, 0, 0],
    "transformer_depth_middle": 1, "transformer_depth_output": [1, 1, 1, 1, 1, 1, 1, 1, 1, 0, 0, 0], "context_dim": 768,
    "use_linear_in_transformer": False, "adm_in_channels": None,
}
SD21 = SD15 | {"context_dim": 1024, "use_linear_in_transformer": True}
SDXL = UNET | {
    "num_classes": "sequential", "adm_in_channels": 2816, "num_res_blocks": [2, 2, 2], "channel_mult": [1, 2, 4],
    "transformer_depth": [0, 0, 2, 2, 10, 10], "transformer_depth_middle": 10,
    "transformer_depth_output": [0, 0, 0, 2, 2, 2, 10, 10, 10], "context_dim": 2048, "use_linear_in_transformer": True,
}
FLUX = {
    "image_model": "flux", "in_channels": 16, "out_channels": 16, "patch_size": 2, "vec_in_dim": 768, "context_in_dim": 4096,
    "hidden_size": 3072, "mlp_ratio": 4.0, "num_heads": 24, "depth": 19, "depth_single_blocks": 38, "axes_dim": [16, 56, 56],
    "theta": 10000, "qkv_bias": True, "guidance_embed": True, "dtype": None,
}
Z_IMAGE = {
    "image_model": "lumina2", "patch_size": 2, "in_channels": 16, "dim": 3840, "cap_feat_dim": 2560, "n_layers": 30, "qk_norm": True,
    "n_heads": 30, "n_kv_heads": 30, "axes_dims": [32, 48, 48], "axes_lens": [1536, 512, 512], "rope_theta": 256.0,
    "ffn_dim_multiplier": 8 / 3, "z_image_modulation": True, "time_scale": 1000.0, "pad_tokens_multiple": 32,
}
QWEN_IMAGE = {"image_model": "qwen_image", "in_channels": 64, "num_layers": 60}
WAN = {
    "image_model": "wan2.1", "model_type": "t2v", "in_dim": 16, "out_dim": 16, "dim": 5120, "ffn_dim": 13824, "num_heads": 40,
    "num_layers": 40, "patch_size": (1, 2, 2), "freq_dim": 256, "window_size": (-1, -1), "qk_norm": True, "cross_attn_norm": True,
    "eps": 1e-6,
}
CONFIGS = {"sd15": ("SD15", SD15), "sd2": ("SD20", SD21), "sdxl": ("SDXL", SDXL), "flux": ("Flux", FLUX),
           "z_image": ("ZImage", Z_IMAGE), "qwen_image": ("QwenImage", QWEN_IMAGE), "wan": ("WAN21_T2V", WAN)}


def patcher(comfy, family: str):
    """What stands for a MODEL: its `model` is ComfyUI's, all of its weights on meta."""
    name, unet_config = CONFIGS[family]
    config = getattr(comfy.module("comfy.supported_models"), name)(completed(comfy, unet_config))
    return SimpleNamespace(model=config.get_model({}, device=META), load_device=META)


def clip(comfy, family: str):
    """What stands for a CLIP."""
    return SimpleNamespace(cond_stage_model=_encoders(comfy, family), patcher=SimpleNamespace(load_device=META))


def _encoders(comfy, family: str):
    if family == "sdxl":
        return comfy.module("comfy.sdxl_clip").SDXLClipModel(device=META)
    if family == "flux":
        return comfy.module("comfy.text_encoders.flux").FluxClipModel(device=META)
    if family == "sd2":
        return comfy.module("comfy.text_encoders.sd2_clip").SD2ClipModel(device=META)
    return comfy.module("comfy.sd1_clip").SD1ClipModel(device=META)
