"""The smallest instance of every model that cannot be trained, and a word of the reason that must be given."""

import torch

from pack.tests.comfy.tiny.fluxes import FLUX
from pack.tests.comfy.tiny.model import Tiny
from pack.tests.comfy.tiny.unets import adm, unet
from pack.tests.comfy.tiny.video import COGVIDEO, COSMOS, HUNYUAN, PREDICT2, WAN

_VIDEO_UNET = adm(256, in_channels=8, use_temporal_attention=True, use_temporal_resblock=True, extra_ff_mix_layer=True,
                   merge_strategy="learned_with_images", merge_factor=0.0, video_kernel_size=[3, 1, 1])
_3D = {
    "image_model": "hunyuan3d2", "in_channels": 64, "context_in_dim": 24, "hidden_size": 64, "mlp_ratio": 4.0, "num_heads": 2,
    "depth": 1, "depth_single_blocks": 1, "qkv_bias": True, "guidance_embed": False,
}


def _seconds() -> dict:
    """Stable Audio's two embedders of a length in seconds."""
    shapes = {"weights": (128,), "weight": (768, 257), "bias": (768,)}
    names = (("0.weights", "weights"), ("1.weight", "weight"), ("1.bias", "bias"))
    return {
        f"conditioner.conditioners.{which}.embedder.embedding.{name}": torch.zeros(shapes[shape])
        for which in ("seconds_start", "seconds_total") for name, shape in names
    }


#: (instance, a word of the reason)
REFUSED = (
    (Tiny("LotusD", adm(4, num_head_channels=64)), "depth"),
    (Tiny("Stable_Zero123", unet(in_channels=8), weights=lambda: {
        "cc_projection.weight": torch.zeros(32, 36), "cc_projection.bias": torch.zeros(32)}), "pairs"),
    (Tiny("SD15_instructpix2pix", unet(in_channels=8)), "instruction"),
    (Tiny("SDXL_instructpix2pix", adm(1552, in_channels=8)), "instruction"),
    (Tiny("SD_X4Upscaler", unet(in_channels=7, channel_mult=[1, 1, 1, 1], num_res_blocks=[1, 1, 1, 1],
                                transformer_depth=[1, 1, 1, 1], transformer_depth_output=[1] * 8)), "larger"),
    (Tiny("Stable_Cascade_B", {
        "stable_cascade_stage": "b", "c_cond": 32, "c_hidden": [32, 32, 32, 32], "nhead": [-1, -1, 2, 2],
        "blocks": [[1, 1, 1, 1], [1, 1, 1, 1]], "block_repeat": [[1, 1, 1, 1], [1, 1, 1, 1]], "c_clip": 16}), "stage C"),
    (Tiny("SVD_img2vid", _VIDEO_UNET), "pairs"),
    (Tiny("SV3D_u", _VIDEO_UNET), "pairs"),
    (Tiny("SV3D_p", _VIDEO_UNET), "pairs"),
    (Tiny("StableAudio", {"audio_model": "dit1.0", "embed_dim": 64, "cond_token_dim": 24, "global_cond_dim": 32, "depth": 1,
                          "num_heads": 2}, weights=_seconds), "sound"),
    (Tiny("ACEStep", {
        "audio_model": "ace", "attention_head_dim": 16, "in_channels": 8, "inner_dim": 32, "num_attention_heads": 2, "num_layers": 1,
        "mlp_ratio": 2.5, "out_channels": 8, "text_embedding_dim": 24, "lyric_encoder_vocab_size": 16, "lyric_hidden_size": 32,
        "ssl_encoder_depths": [1, 1], "ssl_latent_dims": [8, 8]}), "sound"),
    (Tiny("Hunyuan3Dv2", _3D), "3D"),
    (Tiny("Hunyuan3Dv2mini", _3D), "3D"),
    (Tiny("Hunyuan3Dv2_1", {
        "image_model": "hunyuan3d2_1", "in_channels": 64, "context_dim": 24, "hidden_size": 64, "num_heads": 2, "depth": 2,
        "qkv_bias": False, "guidance_cond_proj_dim": None, "num_moe_layers": 1}), "3D"),
    (Tiny("HunyuanVideoI2V", HUNYUAN | {"in_channels": 33}), "pairs"),
    (Tiny("HunyuanVideoSkyreelsI2V", HUNYUAN | {"in_channels": 32}), "pairs"),
    (Tiny("HunyuanImage21Refiner", HUNYUAN | {"in_channels": 128, "out_channels": 64, "patch_size": [1, 1, 1],
                                               "vec_in_dim": None}), "larger"),
    (Tiny("HunyuanVideo15_SR_Distilled", HUNYUAN | {"in_channels": 98, "out_channels": 32, "vec_in_dim": None,
                                                     "vision_in_dim": 1152}), "larger"),
    (Tiny("CosmosI2V", COSMOS | {"in_channels": 17}), "pairs"),
    (Tiny("CosmosI2VPredict2", PREDICT2 | {"in_channels": 17}), "pairs"),
    (Tiny("WAN21_I2V", WAN | {"model_type": "i2v", "in_dim": 36}), "pairs"),
    (Tiny("WAN21_FunControl2V", WAN | {"model_type": "i2v", "in_dim": 48}), "pairs"),
    (Tiny("WAN21_Vace", WAN | {"model_type": "vace", "vace_layers": 1, "vace_in_dim": 96}), "track"),
    (Tiny("WAN21_Camera", WAN | {"model_type": "camera", "in_dim": 32}), "track"),
    (Tiny("WAN22_Camera", WAN | {"model_type": "camera_2.2", "in_dim": 36}), "track"),
    (Tiny("WAN22_S2V", WAN | {"model_type": "s2v"}), "track"),
    (Tiny("WAN21_HuMo", WAN | {"model_type": "humo"}), "track"),
    (Tiny("WAN22_Animate", WAN | {"model_type": "animate"}), "track"),
    (Tiny("Flux", FLUX | {"in_channels": 32}, variant="Canny or Depth"), "edge"),
    (Tiny("StableAudio3", {"audio_model": "dit1.0", "embed_dim": 64, "cond_token_dim": 24, "global_cond_dim": 32, "depth": 1,
                           "num_heads": 2, "timestep_features_type": "learned"}, weights=_seconds), "sound"),
    (Tiny("ACEStep15", {"audio_model": "ace1.5"}), "sound"),
    (Tiny("MiniMaxMusic3", {"audio_model": "minimax_music3"}), "sound"),
    (Tiny("Trellis2", {"image_model": "trellis2", "resolution": 16}), "3D"),
    (Tiny("TripoSplat", {"image_model": "triposplat", "q_token_length": 64}), "3D"),
    (Tiny("RT_DETR_v4", {"image_model": "RT_DETR_v4"}), "makes none"),
    (Tiny("DepthAnything3", {"image_model": "DepthAnything3"}), "makes none"),
    (Tiny("SAM3", {"image_model": "SAM3"}), "makes none"),
    (Tiny("SAM31", {"image_model": "SAM31"}), "makes none"),
    (Tiny("SeedVR2", {"image_model": "seedvr2", "norm_eps": 1e-5, "num_layers": 2, "mlp_type": "normal"}), "larger"),
    (Tiny("PiD", {"image_model": "pid"}), "larger"),
    (Tiny("LTXAV", {"image_model": "ltxav", "num_layers": 1}), "sound"),
    (Tiny("MiniMaxH3", {"image_model": "minimax_h3", "num_layers": 1}), "sound"),
    (Tiny("WAN_Animate2", WAN | {"model_type": "animate2", "in_dim": 36}), "track"),
    (Tiny("WAN21_SCAIL", WAN | {"model_type": "scail"}), "track"),
    (Tiny("WAN21_SCAIL2", WAN | {"model_type": "scail2"}), "track"),
    (Tiny("WAN22_WanDancer", WAN | {"model_type": "wandancer", "in_dim": 36, "num_layers": 28}), "track"),
    (Tiny("WAN21_FlowRVS", WAN | {"model_type": "flow_rvs"}), "pairs"),
    (Tiny("CogVideoX_I2V", COGVIDEO | {"in_channels": 32}), "pairs"),
    (Tiny("CogVideoX_Inpaint", COGVIDEO | {"in_channels": 48}), "mask"),
)
