"""The models that the workflows ask for: what ComfyUI's frontend needs to offer a download.

Names, folders and addresses are those of ComfyUI's own templates; Krea 2 Raw, which they do not use, is its makers' file.
"""

HUB = "https://huggingface.co/"


def _model(directory: str, path: str) -> dict[str, str]:
    """`path` is 'owner/repository/file'; what the file is called on disk is its last part."""
    owner, repository, file = path.split("/", 2)
    url = f"{HUB}{owner}/{repository}/resolve/main/{file}"
    return {"name": path.rsplit("/", 1)[1], "url": url, "directory": directory}


SD15 = _model("checkpoints", "Comfy-Org/stable-diffusion-v1-5-archive/v1-5-pruned-emaonly-fp16.safetensors")
SDXL = _model("checkpoints", "stabilityai/stable-diffusion-xl-base-1.0/sd_xl_base_1.0.safetensors")

FLUX = _model("diffusion_models", "black-forest-labs/FLUX.1-dev/flux1-dev.safetensors")
FLUX_VAE = _model("vae", "Comfy-Org/Lumina_Image_2.0_Repackaged/split_files/vae/ae.safetensors")
CLIP_L = _model("text_encoders", "comfyanonymous/flux_text_encoders/clip_l.safetensors")
T5 = _model("text_encoders", "comfyanonymous/flux_text_encoders/t5xxl_fp8_e4m3fn_scaled.safetensors")

Z_IMAGE = _model("diffusion_models", "Comfy-Org/z_image/split_files/diffusion_models/z_image_bf16.safetensors")
Z_IMAGE_TURBO = _model("diffusion_models", "Comfy-Org/z_image_turbo/split_files/diffusion_models/z_image_turbo_bf16.safetensors")
Z_IMAGE_ADAPTER = _model("loras", "ostris/zimage_turbo_training_adapter/zimage_turbo_training_adapter_v2.safetensors")
Z_IMAGE_VAE = _model("vae", "Comfy-Org/z_image_turbo/split_files/vae/ae.safetensors")
QWEN3_4B = _model("text_encoders", "Comfy-Org/z_image_turbo/split_files/text_encoders/qwen_3_4b.safetensors")

KLEIN = _model("diffusion_models", "Comfy-Org/flux2-klein/split_files/diffusion_models/flux-2-klein-base-4b.safetensors")
FLUX2_VAE = _model("vae", "Comfy-Org/flux2-dev/split_files/vae/flux2-vae.safetensors")

QWEN_IMAGE = _model("diffusion_models", "Comfy-Org/Qwen-Image_ComfyUI/split_files/diffusion_models/qwen_image_2512_fp8_e4m3fn.safetensors")
QWEN_IMAGE_VAE = _model("vae", "Comfy-Org/Qwen-Image_ComfyUI/split_files/vae/qwen_image_vae.safetensors")
QWEN25_VL = _model("text_encoders", "Comfy-Org/Qwen-Image_ComfyUI/split_files/text_encoders/qwen_2.5_vl_7b_fp8_scaled.safetensors")

KREA2_RAW = _model("diffusion_models", "krea/Krea-2-Raw/raw.safetensors")
KREA2_TURBO = _model("diffusion_models", "Comfy-Org/Krea-2/diffusion_models/krea2_turbo_fp8_scaled.safetensors")
QWEN3_VL = _model("text_encoders", "Comfy-Org/Krea-2/text_encoders/qwen3vl_4b_fp8_scaled.safetensors")

ANIMA = _model("diffusion_models", "circlestone-labs/Anima/split_files/diffusion_models/anima-base-v1.0.safetensors")
QWEN3_06B = _model("text_encoders", "circlestone-labs/Anima/split_files/text_encoders/qwen_3_06b_base.safetensors")

_WAN = "Comfy-Org/Wan_2.2_ComfyUI_Repackaged/split_files"
WAN_HIGH = _model("diffusion_models", f"{_WAN}/diffusion_models/wan2.2_t2v_high_noise_14B_fp8_scaled.safetensors")
WAN_LOW = _model("diffusion_models", f"{_WAN}/diffusion_models/wan2.2_t2v_low_noise_14B_fp8_scaled.safetensors")
WAN_VAE = _model("vae", f"{_WAN}/vae/wan_2.1_vae.safetensors")
UMT5 = _model("text_encoders", "Comfy-Org/Wan_2.1_ComfyUI_repackaged/split_files/text_encoders/umt5_xxl_fp8_e4m3fn_scaled.safetensors")
