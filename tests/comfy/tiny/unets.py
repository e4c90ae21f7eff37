"""The smallest UNets: Stable Diffusion 1 and 2, SDXL and what derives from them, Stable Cascade."""

import torch

from pack.tests.comfy.tiny.model import Tiny, cond


def unet(**changes) -> dict:
    return {
        "image_size": 32, "in_channels": 4, "out_channels": 4, "model_channels": 64, "num_res_blocks": [1, 1], "channel_mult": [1, 2],
        "transformer_depth": [1, 1], "transformer_depth_output": [1, 1, 1, 1], "transformer_depth_middle": 1, "context_dim": 32,
        "use_spatial_transformer": True, "use_linear_in_transformer": True, "use_temporal_attention": False, "adm_in_channels": None,
        "legacy": False, **changes,
    }


def adm(channels: int, **changes) -> dict:
    return unet(num_classes="sequential", adm_in_channels=channels, **changes)


SIZES = 6 * 256  # SDXL's six numbers, embedded
_SD = {"text": cond(32)}
_XL = {"text": cond(32, pooled=16)}

UNETS = (
    Tiny("SD15", unet(use_linear_in_transformer=False), **_SD),
    Tiny("SD15", unet(use_linear_in_transformer=False, in_channels=9), variant="inpainting", **_SD),
    Tiny("SD20", unet(), **_SD),
    Tiny("SD21UnclipL", adm(1536), **_SD),
    Tiny("SD21UnclipH", adm(2048), **_SD),
    Tiny("SDXL", adm(16 + SIZES), **_XL),
    Tiny("SDXL", adm(16 + SIZES, in_channels=9), variant="inpainting", **_XL),
    Tiny("SDXL", adm(16 + SIZES), weights=lambda: {"v_pred": torch.tensor([])}, variant="v-prediction", **_XL),
    Tiny("SDXL", adm(16 + SIZES), weights=lambda: {"edm_vpred.sigma_max": torch.tensor(120.0)}, variant="CosXL", **_XL),
    Tiny("SDXL", adm(16 + SIZES), weights=lambda: {"edm_mean": torch.zeros(4), "edm_std": torch.ones(4)},
         variant="Playground 2.5", **_XL),
    Tiny("SDXLRefiner", adm(16 + 5 * 256), **_XL),
    Tiny("SSD1B", adm(16 + SIZES), **_XL),
    Tiny("Segmind_Vega", adm(16 + SIZES), **_XL),
    Tiny("KOALA_700M", adm(16 + SIZES), **_XL),
    Tiny("KOALA_1B", adm(16 + SIZES), **_XL),
    Tiny("Stable_Cascade_C", {
        "stable_cascade_stage": "c", "c_cond": 32, "c_hidden": [32, 32], "nhead": [2, 2], "blocks": [[1, 1], [1, 1]],
        "c_clip_text": 24, "c_clip_text_pooled": 16}, latent=(16, 6, 6), text=cond(24, pooled=16)),
)
