"""The models that the workflows ask for: what ComfyUI's frontend needs to offer a download."""

HUB = "https://huggingface.co/"

SD15 = {
    "name": "v1-5-pruned-emaonly-fp16.safetensors",
    "url": HUB + "Comfy-Org/stable-diffusion-v1-5-archive/resolve/main/v1-5-pruned-emaonly-fp16.safetensors",
    "directory": "checkpoints",
}
SDXL = {
    "name": "sd_xl_base_1.0.safetensors",
    "url": HUB + "stabilityai/stable-diffusion-xl-base-1.0/resolve/main/sd_xl_base_1.0.safetensors",
    "directory": "checkpoints",
}
FLUX = {
    "name": "flux1-dev.safetensors",
    "url": HUB + "black-forest-labs/FLUX.1-dev/resolve/main/flux1-dev.safetensors",
    "directory": "diffusion_models",
}
FLUX_VAE = {
    "name": "ae.safetensors",
    "url": HUB + "Comfy-Org/Lumina_Image_2.0_Repackaged/resolve/main/split_files/vae/ae.safetensors",
    "directory": "vae",
}
CLIP_L = {
    "name": "clip_l.safetensors",
    "url": HUB + "comfyanonymous/flux_text_encoders/resolve/main/clip_l.safetensors",
    "directory": "text_encoders",
}
T5 = {
    "name": "t5xxl_fp8_e4m3fn_scaled.safetensors",
    "url": HUB + "comfyanonymous/flux_text_encoders/resolve/main/t5xxl_fp8_e4m3fn_scaled.safetensors",
    "directory": "text_encoders",
}
