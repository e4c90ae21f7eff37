"""The smallest models with a time axis, which are trained on stills: one frame."""

from pack.tests.comfy.tiny.model import MASKED, TOKENS, Tiny, cond
from pack.tests.comfy.tiny.transformers import KANDINSKY

HUNYUAN = {
    "image_model": "hunyuan_video", "in_channels": 16, "out_channels": 16, "patch_size": [1, 2, 2], "vec_in_dim": 16,
    "context_in_dim": 24, "hidden_size": 64, "mlp_ratio": 4.0, "num_heads": 2, "depth": 1, "depth_single_blocks": 1,
    "axes_dim": [8, 12, 12], "theta": 256, "qkv_bias": True, "guidance_embed": True, "byt5": False, "meanflow": False,
    "use_cond_type_embedding": False, "vision_in_dim": None,
}
WAN = {
    "image_model": "wan2.1", "model_type": "t2v", "dim": 64, "out_dim": 16, "num_heads": 2, "ffn_dim": 96, "num_layers": 2,
    "patch_size": (1, 2, 2), "freq_dim": 32, "window_size": (-1, -1), "qk_norm": True, "cross_attn_norm": True, "eps": 1e-6,
    "in_dim": 16, "text_dim": 24,
}
PREDICT2 = {
    "image_model": "cosmos_predict2", "max_img_h": 24, "max_img_w": 24, "max_frames": 8, "in_channels": 16, "out_channels": 16,
    "patch_spatial": 2, "patch_temporal": 1, "model_channels": 64, "concat_padding_mask": True, "crossattn_emb_channels": 24,
    "pos_emb_cls": "rope3d", "pos_emb_learnable": True, "pos_emb_interpolation": "crop", "min_fps": 1, "max_fps": 30,
    "use_adaln_lora": True, "adaln_lora_dim": 16, "num_blocks": 2, "num_heads": 2, "extra_per_block_abs_pos_emb": False,
    "rope_enable_fps_modulation": False,
}
COSMOS = {
    "image_model": "cosmos", "max_img_h": 24, "max_img_w": 24, "max_frames": 8, "in_channels": 16, "out_channels": 16,
    "patch_spatial": 2, "patch_temporal": 1, "model_channels": 64, "block_config": "FA-CA-MLP", "concat_padding_mask": True,
    "pos_emb_cls": "rope3d", "pos_emb_learnable": False, "pos_emb_interpolation": "crop", "block_x_format": "THWBD",
    "affline_emb_norm": True, "use_adaln_lora": True, "adaln_lora_dim": 16, "num_blocks": 2, "num_heads": 2,
    "extra_per_block_abs_pos_emb": True, "extra_per_block_abs_pos_emb_type": "learnable", "crossattn_emb_channels": 24,
}
COGVIDEO = {
    "image_model": "cogvideox", "num_attention_heads": 3, "attention_head_dim": 32, "in_channels": 16, "out_channels": 16,
    "time_embed_dim": 32, "text_embed_dim": 24, "num_layers": 2, "sample_width": 8, "sample_height": 8, "max_text_seq_length": TOKENS,
}
_FRAME = (16, 1, 8, 8)

#: Models with a time axis, trained on stills: one frame.
VIDEO = (
    Tiny("HunyuanImage21", {**HUNYUAN, "in_channels": 64, "out_channels": 64, "patch_size": [1, 1], "vec_in_dim": None,
                            "axes_dim": [16, 16], "byt5": True, "meanflow": False}, latent=(64, 6, 6),
         text=cond(24, conditioning_byt5small=(1, 5, 1472))),
    Tiny("HunyuanVideo", HUNYUAN, latent=_FRAME, text=cond(24, pooled=16)),
    Tiny("HunyuanVideo15", HUNYUAN | {"in_channels": 65, "out_channels": 32, "vec_in_dim": None, "byt5": True,
         "use_cond_type_embedding": True, "vision_in_dim": 1152, "guidance_embed": False, "patch_size": [1, 1, 1]},
         latent=(32, 1, 6, 6), text=cond(24, conditioning_byt5small=(1, 5, 1472))),
    Tiny("WAN21_T2V", WAN, latent=_FRAME, text=cond(24)),
    Tiny("WAN22_T2V", WAN | {"in_dim": 48, "out_dim": 48}, latent=(48, 1, 8, 8), text=cond(24)),
    Tiny("CosmosT2IPredict2", PREDICT2, latent=_FRAME, text=cond(24)),
    Tiny("CosmosT2V", COSMOS, latent=_FRAME, text=cond(24)),
    Tiny("GenmoMochi", {
        "image_model": "mochi_preview", "depth": 2, "patch_size": 2, "num_heads": 2, "hidden_size_x": 64, "hidden_size_y": 32,
        "mlp_ratio_x": 192.0, "mlp_ratio_y": 4.0, "learn_sigma": False, "in_channels": 12, "qk_norm": True, "qkv_bias": False,
        "out_bias": True, "attn_drop": 0.0, "patch_embed_bias": True, "posenc_preserve_area": True, "timestep_mlp_bias": True,
        "attend_to_padding": False, "timestep_scale": 1000.0, "use_t5": True, "t5_feat_dim": 24, "t5_token_length": TOKENS,
        "rope_theta": 10000.0}, latent=(12, 1, 8, 8), text=cond(24, **MASKED), padded=True),
    Tiny("LTXV", {"image_model": "ltxv", "num_layers": 2, "attention_head_dim": 32, "num_attention_heads": 2, "cross_attention_dim": 64,
                  "caption_channels": 24}, latent=(128, 1, 4, 4), text=cond(24, **MASKED), padded=True),
    Tiny("WAN21_CausalAR_T2V", WAN, latent=_FRAME, text=cond(24)),
    Tiny("Anima", PREDICT2 | {"image_model": "anima"}, latent=_FRAME, text=cond(24, t5xxl_weights=(5,)),
         ids={"t5xxl_ids": (3, 9, 7, 11, 1)}, shrunk={"comfy.ldm.anima.model.LLMAdapter": {
             "source_dim": 24, "target_dim": 24, "model_dim": 32, "num_layers": 1, "num_heads": 2}}),
    Tiny("Kandinsky5", KANDINSKY | {"visual_embed_dim": 132}, latent=_FRAME, text=cond(24, pooled=16)),
    Tiny("CogVideoX_T2V", COGVIDEO, latent=_FRAME, text=cond(24)),
    Tiny("CogVideoX_T2V", COGVIDEO | {"use_rotary_positional_embeddings": True, "patch_size_t": 2, "patch_bias": False}, latent=_FRAME,
         text=cond(24), variant="1.5"),
)
