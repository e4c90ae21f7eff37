"""The smallest instance of every image model that ComfyUI knows, made from its own configuration classes.

No file and no detection: `unet_config` is what detection would have read from a file's shapes, with small numbers.
What detection fixes (head widths, axes of rotary positions) stays in proportion.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import torch

from pack.tests.comfy.newer_configs import completed

CPU = torch.device("cpu")
TOKENS = 7


@dataclass(frozen=True)
class Tiny:
    """`kind` is the class in comfy.supported_models; `latent` the shape of one latent (C, [T,] H, W); `text` the shapes
    of what the model's text encoders give, by name; names with 'mask' are attention masks, whose last two tokens are off
    where the encoders fill captions up (`padded`).
    `weights` makes what get_model reads from the file beside the diffusion model's own weights.
    """

    kind: str
    config: Mapping[str, Any]
    latent: tuple[int, ...] = (4, 8, 8)
    text: Mapping[str, tuple[int, ...]] = field(default_factory=dict)
    padded: bool = False
    weights: Callable[[], dict] = dict
    variant: str = ""

    @property
    def name(self) -> str:
        return f"{self.kind} ({self.variant})" if self.variant else self.kind


def patcher(comfy, tiny: Tiny, seed: int = 0):
    """A MODEL with random weights, loaded as ComfyUI's executor would: under inference mode."""
    with torch.inference_mode():
        config = getattr(comfy.module("comfy.supported_models"), tiny.kind)(completed(comfy, tiny.config))
        config.set_inference_dtype(torch.float32, None)
        model = config.get_model(tiny.weights(), "", device=CPU)
        fill(model.diffusion_model, seed)
        return comfy.module("comfy.model_patcher").ModelPatcher(model, load_device=CPU, offload_device=CPU)


def fill(module: torch.nn.Module, seed: int) -> None:
    """Seeded weights: matrices keep the size of what goes through them, all else is near one (weights) or zero. A table of
    positions that a checkpoint would bring is as the memory was: it gets values too."""
    generator = torch.Generator().manual_seed(seed)
    for name, buffer in module.named_buffers():
        if name == "pos_embed":
            buffer.normal_(0, 0.05, generator=generator)
    for name, parameter in module.named_parameters():
        if parameter.ndim > 1:
            parameter.normal_(0, max(parameter[0].numel(), 1) ** -0.5, generator=generator)
        else:
            parameter.normal_(1.0 if name.endswith(("weight", "scale")) else 0.0, 0.05, generator=generator)


def text_tensors(tiny: Tiny, seed: int) -> dict[str, torch.Tensor]:
    """What an encoder would give for one caption."""
    generator = torch.Generator().manual_seed(seed)
    tensors = {}
    for name, shape in tiny.text.items():
        if "mask" in name:
            tensors[name] = torch.ones(shape, dtype=torch.int64)
            if tiny.padded:
                tensors[name][:, -2:] = 0
        else:
            tensors[name] = torch.randn(shape, generator=generator)
    return tensors


def cond(width: int, *, pooled: int | None = None, tokens: int = TOKENS, **more: tuple[int, ...]) -> dict[str, tuple[int, ...]]:
    shapes = {"cond": (1, tokens, width), **more}
    return shapes | ({"pooled_output": (1, pooled)} if pooled else {})


def unet(**changes) -> dict:
    return {
        "image_size": 32, "in_channels": 4, "out_channels": 4, "model_channels": 64, "num_res_blocks": [1, 1], "channel_mult": [1, 2],
        "transformer_depth": [1, 1], "transformer_depth_output": [1, 1, 1, 1], "transformer_depth_middle": 1, "context_dim": 32,
        "use_spatial_transformer": True, "use_linear_in_transformer": True, "use_temporal_attention": False, "adm_in_channels": None,
        "legacy": False, **changes,
    }


def _adm(channels: int, **changes) -> dict:
    return unet(num_classes="sequential", adm_in_channels=channels, **changes)


SIZES = 6 * 256  # SDXL's six numbers, embedded
_SD = {"text": cond(32)}
_XL = {"text": cond(32, pooled=16)}

UNETS = (
    Tiny("SD15", unet(use_linear_in_transformer=False), **_SD),
    Tiny("SD15", unet(use_linear_in_transformer=False, in_channels=9), variant="inpainting", **_SD),
    Tiny("SD20", unet(), **_SD),
    Tiny("SD21UnclipL", _adm(1536), **_SD),
    Tiny("SD21UnclipH", _adm(2048), **_SD),
    Tiny("SDXL", _adm(16 + SIZES), **_XL),
    Tiny("SDXL", _adm(16 + SIZES, in_channels=9), variant="inpainting", **_XL),
    Tiny("SDXL", _adm(16 + SIZES), weights=lambda: {"v_pred": torch.tensor([])}, variant="v-prediction", **_XL),
    Tiny("SDXL", _adm(16 + SIZES), weights=lambda: {"edm_vpred.sigma_max": torch.tensor(120.0)}, variant="CosXL", **_XL),
    Tiny("SDXL", _adm(16 + SIZES), weights=lambda: {"edm_mean": torch.zeros(4), "edm_std": torch.ones(4)},
         variant="Playground 2.5", **_XL),
    Tiny("SDXLRefiner", _adm(16 + 5 * 256), **_XL),
    Tiny("SSD1B", _adm(16 + SIZES), **_XL),
    Tiny("Segmind_Vega", _adm(16 + SIZES), **_XL),
    Tiny("KOALA_700M", _adm(16 + SIZES), **_XL),
    Tiny("KOALA_1B", _adm(16 + SIZES), **_XL),
    Tiny("Stable_Cascade_C", {
        "stable_cascade_stage": "c", "c_cond": 32, "c_hidden": [32, 32], "nhead": [2, 2], "blocks": [[1, 1], [1, 1]],
        "c_clip_text": 24, "c_clip_text_pooled": 16}, latent=(16, 6, 6), text=cond(24, pooled=16)),
)

FLUX = {
    "image_model": "flux", "in_channels": 16, "out_channels": 16, "patch_size": 2, "vec_in_dim": 16, "context_in_dim": 24,
    "hidden_size": 64, "mlp_ratio": 4.0, "num_heads": 2, "depth": 2, "depth_single_blocks": 2, "axes_dim": [8, 12, 12], "theta": 10000,
    "qkv_bias": True, "guidance_embed": True,
}
_FLUX_TEXT = cond(24, pooled=16)
_CHROMA = {
    **{key: FLUX[key] for key in FLUX if key not in ("vec_in_dim", "guidance_embed")},
    "image_model": "chroma", "in_channels": 64, "out_channels": 64, "in_dim": 64, "out_dim": 64, "hidden_dim": 80, "n_layers": 2,
}
_RADIANCE = {
    **_CHROMA, "image_model": "chroma_radiance", "in_channels": 3, "out_channels": 3, "patch_size": 16, "nerf_hidden_size": 16,
    "nerf_mlp_ratio": 2, "nerf_depth": 2, "nerf_max_freqs": 4, "nerf_tile_size": 2, "nerf_final_head_type": "conv",
    "nerf_embedder_dtype": torch.float32,
}

FLUXES = (
    Tiny("Flux", FLUX, latent=(16, 8, 8), text=_FLUX_TEXT),
    Tiny("FluxSchnell", FLUX | {"guidance_embed": False}, latent=(16, 8, 8), text=_FLUX_TEXT),
    Tiny("FluxInpaint", FLUX | {"in_channels": 96}, latent=(16, 8, 8), text=_FLUX_TEXT),
    Tiny("Flux2", FLUX | {
        "image_model": "flux2", "in_channels": 128, "out_channels": 128, "patch_size": 1, "axes_dim": [8, 8, 8, 8], "mlp_ratio": 3.0,
        "theta": 2000, "global_modulation": True, "vec_in_dim": None, "mlp_silu_act": True, "qkv_bias": False, "ops_bias": False,
        "default_ref_method": "index", "ref_index_scale": 10.0}, latent=(128, 4, 4), text=cond(24, tokens=12)),
    Tiny("Chroma", _CHROMA, latent=(16, 8, 8), text=_FLUX_TEXT),
    Tiny("ChromaRadiance", _RADIANCE, latent=(3, 64, 64), text=_FLUX_TEXT),
)

_LUMINA = {
    "image_model": "lumina2", "patch_size": 2, "in_channels": 16, "dim": 96, "cap_feat_dim": 24, "n_layers": 2, "qk_norm": True,
    "n_heads": 4, "n_kv_heads": 2, "axes_dims": [8, 8, 8], "axes_lens": [300, 512, 512], "rope_theta": 10000.0,
    "ffn_dim_multiplier": 4.0, "n_refiner_layers": 1,
}
_MASKED = {"attention_mask": (1, TOKENS)}

TRANSFORMERS = (
    Tiny("SD3", {
        "in_channels": 16, "out_channels": 16, "patch_size": 2, "depth": 2, "input_size": None, "adm_in_channels": 16,
        "context_embedder_config": {"target": "torch.nn.Linear", "params": {"in_features": 24, "out_features": 128}},
        "num_patches": 64, "pos_embed_max_size": 8, "qk_norm": "rms", "pos_embed_scaling_factor": None,
        "x_block_self_attn_layers": [0]}, latent=(16, 8, 8), text=cond(24, pooled=16)),
    Tiny("AuraFlow", {"max_seq": 64, "cond_seq_dim": 24, "n_double_layers": 1, "n_layers": 2, "dim": 64, "n_heads": 2,
                      "global_conddim": 64}, text=cond(24)),
    Tiny("PixArtAlpha", {
        "image_model": "pixart_alpha", "num_heads": 2, "patch_size": 2, "hidden_size": 72, "in_channels": 4, "depth": 2,
        "caption_channels": 24, "model_max_length": TOKENS, "micro_condition": True, "pe_interpolation": 1}, latent=(4, 40, 40),
        text=cond(24)),
    Tiny("PixArtSigma", {
        "image_model": "pixart_sigma", "num_heads": 2, "patch_size": 2, "hidden_size": 72, "in_channels": 4, "depth": 2,
        "caption_channels": 24, "model_max_length": TOKENS, "micro_condition": False, "pe_interpolation": 1}, latent=(4, 40, 40),
        text=cond(24)),
    Tiny("HunyuanDiT", {
        "image_model": "hydit", "depth": 4, "hidden_size": 64, "num_heads": 2, "text_states_dim": 24, "text_states_dim_t5": 32,
        "text_len": TOKENS, "text_len_t5": 9},
        text=cond(24, conditioning_mt5xl=(1, 9, 32), attention_mask_mt5xl=(1, 9), **_MASKED), padded=True),
    Tiny("HunyuanDiT1", {
        "image_model": "hydit1", "depth": 4, "hidden_size": 64, "num_heads": 2, "text_states_dim": 24, "text_states_dim_t5": 32,
        "text_len": TOKENS, "text_len_t5": 9, "size_cond": True, "use_style_cond": True},
        text=cond(24, conditioning_mt5xl=(1, 9, 32), attention_mask_mt5xl=(1, 9), **_MASKED), padded=True),
    Tiny("Lumina2", _LUMINA, latent=(16, 8, 8), text=cond(24, **_MASKED)),
    Tiny("ZImage", _LUMINA | {"dim": 256, "n_heads": 8, "n_kv_heads": 8, "axes_dims": [8, 12, 12],
                              "axes_lens": [1536, 512, 512], "rope_theta": 256.0, "z_image_modulation": True,
                              "time_scale": 1000.0, "pad_tokens_multiple": 32}, latent=(16, 8, 8), text=cond(24, **_MASKED)),
    Tiny("QwenImage", {
        "image_model": "qwen_image", "in_channels": 64, "num_layers": 2, "attention_head_dim": 32, "num_attention_heads": 2,
        "joint_attention_dim": 24, "axes_dims_rope": (8, 12, 12)}, latent=(16, 1, 8, 8), text=cond(24, **_MASKED)),
    Tiny("HiDream", {
        "image_model": "hidream", "attention_head_dim": 32, "axes_dims_rope": [16, 8, 8], "caption_channels": [24, 20],
        "max_resolution": [16, 16], "in_channels": 16, "llama_layers": [0, 1], "num_attention_heads": 2, "num_routed_experts": 4,
        "num_activated_experts": 2, "num_layers": 1, "num_single_layers": 1, "out_channels": 16, "patch_size": 2, "text_emb_dim": 16},
        latent=(16, 8, 8), text=cond(24, pooled=16, conditioning_llama3=(1, 2, 5, 20))),
    Tiny("Omnigen2", {
        "image_model": "omnigen2", "axes_dim_rope": [8, 12, 12], "axes_lens": [64, 64, 64], "ffn_dim_multiplier": None,
        "hidden_size": 64, "in_channels": 16, "multiple_of": 32, "norm_eps": 1e-5, "num_attention_heads": 2, "num_kv_heads": 1,
        "num_layers": 2, "num_refiner_layers": 1, "out_channels": None, "patch_size": 2, "text_feat_dim": 24, "timestep_scale": 1000.0},
        latent=(16, 8, 8), text=cond(24, **_MASKED)),
)

_HUNYUAN = {
    "image_model": "hunyuan_video", "in_channels": 16, "out_channels": 16, "patch_size": [1, 2, 2], "vec_in_dim": 16,
    "context_in_dim": 24, "hidden_size": 64, "mlp_ratio": 4.0, "num_heads": 2, "depth": 1, "depth_single_blocks": 1,
    "axes_dim": [8, 12, 12], "theta": 256, "qkv_bias": True, "guidance_embed": True, "byt5": False, "meanflow": False,
    "use_cond_type_embedding": False, "vision_in_dim": None,
}
_WAN = {
    "image_model": "wan2.1", "model_type": "t2v", "dim": 64, "out_dim": 16, "num_heads": 2, "ffn_dim": 96, "num_layers": 2,
    "patch_size": (1, 2, 2), "freq_dim": 32, "window_size": (-1, -1), "qk_norm": True, "cross_attn_norm": True, "eps": 1e-6,
    "in_dim": 16, "text_dim": 24,
}
_PREDICT2 = {
    "image_model": "cosmos_predict2", "max_img_h": 24, "max_img_w": 24, "max_frames": 8, "in_channels": 16, "out_channels": 16,
    "patch_spatial": 2, "patch_temporal": 1, "model_channels": 64, "concat_padding_mask": True, "crossattn_emb_channels": 24,
    "pos_emb_cls": "rope3d", "pos_emb_learnable": True, "pos_emb_interpolation": "crop", "min_fps": 1, "max_fps": 30,
    "use_adaln_lora": True, "adaln_lora_dim": 16, "num_blocks": 2, "num_heads": 2, "extra_per_block_abs_pos_emb": False,
    "rope_enable_fps_modulation": False,
}
_COSMOS = {
    "image_model": "cosmos", "max_img_h": 24, "max_img_w": 24, "max_frames": 8, "in_channels": 16, "out_channels": 16,
    "patch_spatial": 2, "patch_temporal": 1, "model_channels": 64, "block_config": "FA-CA-MLP", "concat_padding_mask": True,
    "pos_emb_cls": "rope3d", "pos_emb_learnable": False, "pos_emb_interpolation": "crop", "block_x_format": "THWBD",
    "affline_emb_norm": True, "use_adaln_lora": True, "adaln_lora_dim": 16, "num_blocks": 2, "num_heads": 2,
    "extra_per_block_abs_pos_emb": True, "extra_per_block_abs_pos_emb_type": "learnable", "crossattn_emb_channels": 24,
}
_FRAME = (16, 1, 8, 8)

#: Models with a time axis, trained on stills: one frame.
VIDEO = (
    Tiny("HunyuanImage21", {**_HUNYUAN, "in_channels": 64, "out_channels": 64, "patch_size": [1, 1], "vec_in_dim": None,
                            "axes_dim": [16, 16], "byt5": True, "meanflow": False}, latent=(64, 6, 6),
         text=cond(24, conditioning_byt5small=(1, 5, 1472))),
    Tiny("HunyuanVideo", _HUNYUAN, latent=_FRAME, text=cond(24, pooled=16)),
    Tiny("HunyuanVideo15", _HUNYUAN | {"in_channels": 65, "out_channels": 32, "vec_in_dim": None, "byt5": True,
         "use_cond_type_embedding": True, "vision_in_dim": 1152, "guidance_embed": False, "patch_size": [1, 1, 1]},
         latent=(32, 1, 6, 6), text=cond(24, conditioning_byt5small=(1, 5, 1472))),
    Tiny("WAN21_T2V", _WAN, latent=_FRAME, text=cond(24)),
    Tiny("WAN22_T2V", _WAN | {"in_dim": 48, "out_dim": 48}, latent=(48, 1, 8, 8), text=cond(24)),
    Tiny("CosmosT2IPredict2", _PREDICT2, latent=_FRAME, text=cond(24)),
    Tiny("CosmosT2V", _COSMOS, latent=_FRAME, text=cond(24)),
    Tiny("GenmoMochi", {
        "image_model": "mochi_preview", "depth": 2, "patch_size": 2, "num_heads": 2, "hidden_size_x": 64, "hidden_size_y": 32,
        "mlp_ratio_x": 192.0, "mlp_ratio_y": 4.0, "learn_sigma": False, "in_channels": 12, "qk_norm": True, "qkv_bias": False,
        "out_bias": True, "attn_drop": 0.0, "patch_embed_bias": True, "posenc_preserve_area": True, "timestep_mlp_bias": True,
        "attend_to_padding": False, "timestep_scale": 1000.0, "use_t5": True, "t5_feat_dim": 24, "t5_token_length": TOKENS,
        "rope_theta": 10000.0}, latent=(12, 1, 8, 8), text=cond(24, **_MASKED), padded=True),
)

TRAINED = (*UNETS, *FLUXES, *TRANSFORMERS, *VIDEO)
