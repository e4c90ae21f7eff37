"""The smallest transformers of pictures."""

from pack.tests.comfy.tiny.model import MASKED, TOKENS, Tiny, cond

LUMINA = {
    "image_model": "lumina2", "patch_size": 2, "in_channels": 16, "dim": 96, "cap_feat_dim": 24, "n_layers": 2, "qk_norm": True,
    "n_heads": 4, "n_kv_heads": 2, "axes_dims": [8, 8, 8], "axes_lens": [300, 512, 512], "rope_theta": 10000.0,
    "ffn_dim_multiplier": 4.0, "n_refiner_layers": 1,
}
KANDINSKY = {
    "image_model": "kandinsky5", "in_visual_dim": 16, "out_visual_dim": 16, "in_text_dim": 24, "in_text_dim2": 16, "time_dim": 32,
    "model_dim": 64, "ff_dim": 96, "patch_size": (1, 2, 2), "num_text_blocks": 1, "num_visual_blocks": 2, "axes_dims": (8, 12, 12),
}

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
        text=cond(24, conditioning_mt5xl=(1, 9, 32), attention_mask_mt5xl=(1, 9), **MASKED), padded=True),
    Tiny("HunyuanDiT1", {
        "image_model": "hydit1", "depth": 4, "hidden_size": 64, "num_heads": 2, "text_states_dim": 24, "text_states_dim_t5": 32,
        "text_len": TOKENS, "text_len_t5": 9, "size_cond": True, "use_style_cond": True},
        text=cond(24, conditioning_mt5xl=(1, 9, 32), attention_mask_mt5xl=(1, 9), **MASKED), padded=True),
    Tiny("Lumina2", LUMINA, latent=(16, 8, 8), text=cond(24, **MASKED)),
    Tiny("ZImage", LUMINA | {"dim": 256, "n_heads": 8, "n_kv_heads": 8, "axes_dims": [8, 12, 12],
                              "axes_lens": [1536, 512, 512], "rope_theta": 256.0, "z_image_modulation": True,
                              "time_scale": 1000.0, "pad_tokens_multiple": 32}, latent=(16, 8, 8), text=cond(24, **MASKED)),
    Tiny("QwenImage", {
        "image_model": "qwen_image", "in_channels": 64, "num_layers": 2, "attention_head_dim": 32, "num_attention_heads": 2,
        "joint_attention_dim": 24, "axes_dims_rope": (8, 12, 12)}, latent=(16, 1, 8, 8), text=cond(24, **MASKED)),
    Tiny("HiDream", {
        "image_model": "hidream", "attention_head_dim": 32, "axes_dims_rope": [16, 8, 8], "caption_channels": [24, 20],
        "max_resolution": [16, 16], "in_channels": 16, "llama_layers": [0, 1], "num_attention_heads": 2, "num_routed_experts": 4,
        "num_activated_experts": 2, "num_layers": 1, "num_single_layers": 1, "out_channels": 16, "patch_size": 2, "text_emb_dim": 16},
        latent=(16, 8, 8), text=cond(24, pooled=16, conditioning_llama3=(1, 2, 5, 20))),
    Tiny("Omnigen2", {
        "image_model": "omnigen2", "axes_dim_rope": [8, 12, 12], "axes_lens": [64, 64, 64], "ffn_dim_multiplier": None,
        "hidden_size": 64, "in_channels": 16, "multiple_of": 32, "norm_eps": 1e-5, "num_attention_heads": 2, "num_kv_heads": 1,
        "num_layers": 2, "num_refiner_layers": 1, "out_channels": None, "patch_size": 2, "text_feat_dim": 24, "timestep_scale": 1000.0},
        latent=(16, 8, 8), text=cond(24, **MASKED)),
    Tiny("Lens", {
        "image_model": "lens", "patch_size": 2, "in_channels": 128, "out_channels": 32, "num_layers": 2, "attention_head_dim": 32,
        "num_attention_heads": 2, "enc_hidden_dim": 12, "axes_dims_rope": (8, 12, 12), "selected_layer_index": (0, 1)},
        latent=(128, 4, 4), text=cond(24, **MASKED)),
    Tiny("Boogu", {
        "image_model": "boogu", "patch_size": 2, "in_channels": 16, "hidden_size": 64, "num_layers": 2, "num_double_stream_layers": 1,
        "num_refiner_layers": 1, "num_attention_heads": 2, "num_kv_heads": 1, "multiple_of": 32, "axes_dim_rope": (8, 12, 12),
        "axes_lens": (64, 64, 64), "instruction_feat_dim": 24}, latent=(16, 8, 8), text=cond(24, **MASKED)),
    Tiny("Ideogram4", {
        "image_model": "ideogram4", "in_channels": 128, "num_layers": 2, "num_attention_heads": 2, "attention_head_dim": 32,
        "intermediate_size": 96, "adaln_dim": 32, "llm_features_dim": 24, "rope_theta": 5000000, "mrope_section": [6, 5, 5]},
        latent=(128, 4, 4), text=cond(24, **MASKED)),
    Tiny("Krea2", {
        "image_model": "krea2", "features": 64, "tdim": 32, "txtdim": 24, "heads": 2, "kvheads": 1, "multiplier": 2, "layers": 2,
        "patch": 2, "channels": 16, "txtlayers": 3, "txtheads": 2, "txtkvheads": 2}, latent=(16, 1, 8, 8), text=cond(72)),
    Tiny("MageFlow", {
        "image_model": "mage_flow", "in_channels": 128, "out_channels": 128, "num_layers": 2, "attention_head_dim": 32,
        "num_attention_heads": 2, "joint_attention_dim": 24, "axes_dims_rope": (8, 12, 12)}, latent=(128, 4, 4),
        text=cond(24, **MASKED)),
    Tiny("JoyImage", {
        "image_model": "joyimage", "in_channels": 16, "hidden_size": 64, "num_attention_heads": 2, "text_dim": 24, "num_layers": 2,
        "rope_dim_list": [8, 12, 12], "theta": 10000}, latent=(16, 1, 8, 8), text=cond(24)),
    Tiny("Kandinsky5Image", KANDINSKY | {"visual_embed_dim": 64}, latent=(16, 8, 8), text=cond(24, pooled=16)),
    Tiny("ErnieImage", {
        "image_model": "ernie", "hidden_size": 64, "num_attention_heads": 2, "num_layers": 2, "ffn_hidden_size": 96, "in_channels": 128,
        "out_channels": 128, "patch_size": 1, "text_in_dim": 24, "rope_axes_dim": (8, 12, 12)}, latent=(128, 4, 4), text=cond(24)),
)
