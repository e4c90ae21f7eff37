"""The smallest FLUX models and what is built like them."""

import torch

from pack.tests.comfy.tiny.model import Tiny, cond

FLUX = {
    "image_model": "flux", "in_channels": 16, "out_channels": 16, "patch_size": 2, "vec_in_dim": 16, "context_in_dim": 24,
    "hidden_size": 64, "mlp_ratio": 4.0, "num_heads": 2, "depth": 2, "depth_single_blocks": 2, "axes_dim": [8, 12, 12], "theta": 10000,
    "qkv_bias": True, "guidance_embed": True,
}
_FLUX_TEXT = cond(24, pooled=16)
_FLUX2 = FLUX | {
    "image_model": "flux2", "in_channels": 128, "out_channels": 128, "patch_size": 1, "axes_dim": [8, 8, 8, 8], "mlp_ratio": 3.0,
    "theta": 2000, "global_modulation": True, "vec_in_dim": None, "mlp_silu_act": True, "qkv_bias": False, "ops_bias": False,
    "default_ref_method": "index", "ref_index_scale": 10.0,
}
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
    Tiny("Flux2", _FLUX2, latent=(128, 4, 4), text=cond(24, tokens=12)),
    Tiny("Flux2", _FLUX2 | {"guidance_embed": False}, latent=(128, 4, 4), text=cond(24, tokens=12), variant="Klein"),
    Tiny("LongCatImage", FLUX | {"guidance_embed": False, "vec_in_dim": None, "txt_ids_dims": [1, 2]}, latent=(16, 8, 8), text=cond(24)),
    Tiny("Chroma", _CHROMA, latent=(16, 8, 8), text=_FLUX_TEXT),
    Tiny("ChromaRadiance", _RADIANCE, latent=(3, 64, 64), text=_FLUX_TEXT),
)
