"""The one list of what was shrunk. Everything else in a file (key names, layout, what detection reads) is as in the true one.

Detection is shown a file's own keys with their shapes at true size, so it decides as it does for the true file; what it
found is then built with the numbers of `shrunk` in the place of the true ones, and the small tensors are loaded into that.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

#: Width of every text encoder here. Krea 2 takes 12 layers of it, Klein 3.
TEXT = 64


@dataclass(frozen=True)
class Diffusion:
    """`kind` is ComfyUI's class of the configuration; `true` what detection reads from the true file, with the depth of this
    one; `shrunk` what is built instead; `prefix` stands before the keys in the file."""

    kind: str
    true: Mapping[str, Any]
    shrunk: Mapping[str, Any]
    prefix: str = ""


@dataclass(frozen=True)
class Encoder:
    """`model` is the class of comfy.text_encoders that holds it, `part` its name there; `shrunk` its options; `renamed` are
    beginnings of keys that the file has otherwise; `taps` the least number of layers."""

    model: str
    part: str
    shrunk: Mapping[str, Any]
    renamed: Mapping[str, str] = field(default_factory=dict)


_WAN = Diffusion(
    "WAN21_T2V",
    {"image_model": "wan2.1", "model_type": "t2v", "dim": 5120, "out_dim": 16, "num_heads": 40, "ffn_dim": 13824, "num_layers": 2,
     "patch_size": (1, 2, 2), "freq_dim": 256, "window_size": (-1, -1), "qk_norm": True, "cross_attn_norm": True, "eps": 1e-6,
     "in_dim": 16},
    {"dim": 64, "num_heads": 2, "ffn_dim": 96, "text_dim": TEXT, "freq_dim": 32},
)
_Z_IMAGE = Diffusion(
    "ZImage",
    {"image_model": "lumina2", "patch_size": 2, "in_channels": 16, "dim": 3840, "cap_feat_dim": 2560, "n_layers": 2, "qk_norm": True,
     "n_heads": 30, "n_kv_heads": 30, "axes_dims": [32, 48, 48], "axes_lens": [1536, 512, 512], "rope_theta": 256.0,
     "ffn_dim_multiplier": 8.0 / 3.0, "z_image_modulation": True, "time_scale": 1000.0, "pad_tokens_multiple": 32},
    {"dim": 288, "cap_feat_dim": TEXT, "n_heads": 9, "n_kv_heads": 9, "axes_dims": [8, 12, 12]},
)
_FLUX2 = {
    "image_model": "flux2", "in_channels": 128, "out_channels": 128, "patch_size": 1, "axes_dim": [32, 32, 32, 32], "num_heads": 24,
    "mlp_ratio": 3.0, "theta": 2000, "hidden_size": 3072, "context_in_dim": 7680, "depth": 2, "depth_single_blocks": 2, "vec_in_dim": None,
    "global_modulation": True, "mlp_silu_act": True, "qkv_bias": False, "ops_bias": False, "guidance_embed": False,
    "default_ref_method": "index", "ref_index_scale": 10.0,
}
_ANIMA = {
    "image_model": "anima", "max_img_h": 240, "max_img_w": 240, "max_frames": 128, "in_channels": 16, "out_channels": 16,
    "patch_spatial": 2, "patch_temporal": 1, "model_channels": 2048, "concat_padding_mask": True, "crossattn_emb_channels": 1024,
    "pos_emb_cls": "rope3d", "pos_emb_learnable": True, "pos_emb_interpolation": "crop", "min_fps": 1, "max_fps": 30,
    "use_adaln_lora": True, "adaln_lora_dim": 256, "num_blocks": 2, "num_heads": 16, "extra_per_block_abs_pos_emb": False,
    "rope_h_extrapolation_ratio": 4.0, "rope_w_extrapolation_ratio": 4.0, "rope_t_extrapolation_ratio": 1.0,
    "extra_h_extrapolation_ratio": 1.0, "extra_w_extrapolation_ratio": 1.0, "extra_t_extrapolation_ratio": 1.0,
    "rope_enable_fps_modulation": False,
}

#: File name in models/diffusion_models -> what is in it.
DIFFUSION: dict[str, Diffusion] = {
    "z_image_bf16.safetensors": _Z_IMAGE,
    "z_image_turbo_bf16.safetensors": _Z_IMAGE,
    "flux-2-klein-base-4b.safetensors": Diffusion(
        "Flux2", _FLUX2, {"hidden_size": 64, "num_heads": 2, "axes_dim": [8, 8, 8, 8], "context_in_dim": 3 * TEXT},
    ),
    "qwen_image_2512_fp8_e4m3fn.safetensors": Diffusion(
        "QwenImage", {"image_model": "qwen_image", "in_channels": 64, "num_layers": 2},
        {"attention_head_dim": 32, "num_attention_heads": 2, "joint_attention_dim": TEXT, "axes_dims_rope": (8, 12, 12)},
    ),
    "raw.safetensors": (_KREA2 := Diffusion(
        "Krea2",
        {"image_model": "krea2", "features": 6144, "channels": 16, "patch": 2, "layers": 2, "heads": 48, "kvheads": 12, "txtlayers": 12,
         "txtdim": 2560},
        {"features": 64, "heads": 2, "kvheads": 1, "txtdim": TEXT, "txtheads": 2, "txtkvheads": 2, "tdim": 32},
    )),
    "krea2_turbo_fp8_scaled.safetensors": _KREA2,
    "anima-base-v1.0.safetensors": Diffusion(
        "Anima", _ANIMA,
        {"model_channels": 64, "num_heads": 2, "crossattn_emb_channels": TEXT, "adaln_lora_dim": 16, "max_img_h": 24, "max_img_w": 24},
        prefix="net.",
    ),
    "wan2.2_t2v_high_noise_14B_fp8_scaled.safetensors": _WAN,
    "wan2.2_t2v_low_noise_14B_fp8_scaled.safetensors": _WAN,
}

_QWEN3 = {"hidden_size": TEXT, "intermediate_size": 96, "num_attention_heads": 1, "num_key_value_heads": 1}

#: File name in models/text_encoders -> what is in it.
ENCODERS: dict[str, Encoder] = {
    "qwen_3_4b.safetensors": Encoder("z_image.ZImageTEModel", "qwen3_4b", _QWEN3),
    "qwen_3_06b_base.safetensors": Encoder("anima.AnimaTEModel", "qwen3_06b", _QWEN3),
    "qwen_2.5_vl_7b_fp8_scaled.safetensors": Encoder(
        "qwen_image.QwenImageTEModel", "qwen25_7b",
        {"hidden_size": TEXT, "intermediate_size": 96, "num_attention_heads": 2, "num_key_value_heads": 1, "num_hidden_layers": 2},
    ),
    "qwen3vl_4b_fp8_scaled.safetensors": Encoder(
        "krea2.Krea2TEModel", "qwen3vl_4b", _QWEN3, renamed={"model.": "model.language_model.", "visual.": "model.visual."},
    ),
    "umt5_xxl_fp8_e4m3fn_scaled.safetensors": Encoder(
        "wan.WanT5Model", "umt5xxl", {"d_model": TEXT, "num_heads": 2, "d_kv": 32, "d_ff": 96, "vocab_size": 32128},
    ),
}

#: ComfyUI's parts whose sizes are written into their constructors: (module, class) -> the arguments that are changed.
BUILT_IN: dict[tuple[str, str], dict[str, Any]] = {
    ("comfy.text_encoders.qwen_vl", "Qwen2VLVisionTransformer"): {
        "hidden_size": 32, "intermediate_size": 32, "num_heads": 2, "num_layers": 1,
    },
    ("comfy.ldm.anima.model", "LLMAdapter"): {"source_dim": TEXT, "target_dim": TEXT, "model_dim": TEXT, "num_layers": 2, "num_heads": 2},
    ("comfy.ldm.wan.vae", "WanVAE"): {"dim": 8},
}

#: Settings of ComfyUI that are changed in place: (module, name, key) -> the numbers that are changed.
TABLES: dict[tuple[str, str, str], dict[str, Any]] = {
    ("comfy.text_encoders.qwen3vl", "QWEN3VL_VISION", "qwen3vl_4b"): {"hidden_size": 32, "intermediate_size": 32},
}

#: The autoencoders of FLUX, FLUX.2 and Z-Image begin with this many channels instead of 128.
AUTOENCODER_CHANNELS = 32

#: File name in models/vae -> what is in it: latent channels of FLUX's layout, or Wan's layout (None).
VAES: dict[str, int | None] = {
    "ae.safetensors": 16, "flux2-vae.safetensors": 32, "qwen_image_vae.safetensors": None, "wan_2.1_vae.safetensors": None,
}

#: Template -> (module, name) without which a ComfyUI does not have its family.
NEEDS: dict[str, tuple[str, str]] = {
    "Train FLUX.2 Klein LoRA": ("comfy.text_encoders.flux", "klein_te"),
    "Train Krea 2 LoRA": ("comfy.supported_models", "Krea2"),
    "Train Anima LoRA": ("comfy.supported_models", "Anima"),
}
