"""Random weights, seeded, for networks that ComfyUI detects as SD1.5, SDXL and FLUX but that train on a CPU.

    checkpoints    whole files, by kind
    unet           the UNet of SD1.5, SD2 and SDXL
    flux           the transformer of FLUX
    clip           CLIP-L and CLIP-G
    t5             the T5 encoder
    vae            an autoencoder made by hand
    draw           seeded weights, drawn key by key
"""
