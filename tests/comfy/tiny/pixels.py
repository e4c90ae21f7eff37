"""The smallest models that work on the pixels themselves."""

from pack.tests.comfy.tiny.model import MASKED, TOKENS, Tiny, cond
from pack.tests.comfy.tiny.transformers import LUMINA

PIXELS = (
    Tiny("ZImagePixelSpace", LUMINA | {
        "image_model": "zimage_pixel", "patch_size": 8, "in_channels": 3, "dim": 256, "n_heads": 8, "n_kv_heads": 8,
        "axes_dims": [8, 12, 12], "axes_lens": [1536, 512, 512], "rope_theta": 256.0, "z_image_modulation": True, "time_scale": 1000.0,
        "pad_tokens_multiple": 32, "decoder_hidden_size": 32, "decoder_num_res_blocks": 1, "decoder_max_freqs": 4,
        "decoder_in_channels": 192}, latent=(3, 32, 32), text=cond(24, **MASKED)),
    Tiny("PixelDiTT2I", {
        "image_model": "pixeldit_t2i", "num_groups": 2, "hidden_size": 64, "pixel_hidden_size": 8, "pixel_attn_hidden_size": 32,
        "pixel_num_groups": 2, "patch_depth": 2, "pixel_depth": 1, "patch_size": 4, "txt_embed_dim": 24, "txt_max_length": TOKENS},
        latent=(3, 16, 16), text=cond(24, **MASKED)),
    Tiny("HiDreamO1", {
        "image_model": "hidream_o1",
        "text_config_overrides": {
            "hidden_size": 64, "intermediate_size": 96, "num_hidden_layers": 2, "num_attention_heads": 2, "num_key_value_heads": 1,
            "head_dim": 32, "rope_dims": [6, 5, 5]},
        "vision_config_overrides": {
            "hidden_size": 32, "num_heads": 2, "intermediate_size": 32, "depth": 1, "num_position_embeddings": 16,
            "deepstack_visual_indexes": ()}},
        latent=(3, 64, 64), text=cond(1), ids={"text_input_ids": (40, 872, 198, 77091, 151669, 151673)}),
)
