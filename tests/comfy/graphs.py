"""Prompts as a graph would queue them: the way from a checkpoint and a folder to a trained LoRA and a picture."""

import shutil
from pathlib import Path

DEMO = Path(__file__).resolve().parents[2] / "demo" / "pictures"


def place_pictures(comfy, name: str = "lcfox") -> str:
    """The shipped pictures as a folder of ComfyUI's input; its name."""
    shutil.copytree(DEMO, comfy.base / "input" / name, dirs_exist_ok=True)
    return name


def train_graph(checkpoint: str, folder: str, **train) -> dict:
    """Checkpoint 'load', the pack's nodes by their names, 'train' at the end; keywords are widgets of Train LoRA."""
    return {
        "load": node("CheckpointLoaderSimple", ckpt_name=checkpoint),
        "dataset": node("LoRACanvasLoadDataset", folder=folder, repeats=1, caption_extension=".txt", trigger_word="",
                        captions_from="auto", transparency="white background", masks="none", mask_folder="",
                        regularisation_folder="", prior_loss_weight=1.0, validation_fraction=0.0, validation_folder="",
                        sub_folders=True),
        "buckets": node("LoRACanvasBucketConfig", dataset=["dataset", 0], resolution=128, min_bucket=64, max_bucket=256,
                        bucket_step=32, no_upscale=False, more_resolutions="", crop="centre", random_crops=4, flip=False,
                        small_buckets="short batches", batch_size=1),
        "network": node("LoRACanvasLoRANetwork", algorithm="lora", rank=4, alpha=4.0, targets="attention + feed-forward"),
        "optimizer": node("LoRACanvasOptimizer", optimizer="AdamW", learning_rate=1e-3, text_encoder_lr=0.0,
                          scheduler="constant", warmup_steps=0),
        "train": node(
            "LoRACanvasTrainLoRA", model=["load", 0], vae=["load", 2], clip=["load", 1], dataset=["buckets", 0],
            network=["network", 0], optimizer=["optimizer", 0],
            **{"run_name": "lora", "steps": 3, "batch_size": 1, "gradient_accumulation": 1, "seed": 0, "precision": "auto",
               "gradient_checkpointing": False, "save_every_n_steps": 0, "resume": "", **train},
        ),
    }


def sample_graph(model: list, clip: list, vae: list, *, prompt: str = "lcfox", seed: int = 42, side: int = 64, steps: int = 3) -> dict:
    """CLIPTextEncode, EmptyLatentImage, KSampler, VAEDecode; the picture is 'picture' 0."""
    return {
        "positive": node("CLIPTextEncode", clip=clip, text=prompt),
        "negative": node("CLIPTextEncode", clip=clip, text=""),
        "empty": node("EmptyLatentImage", width=side, height=side, batch_size=1),
        "sampled": node("KSampler", model=model, positive=["positive", 0], negative=["negative", 0], latent_image=["empty", 0],
                        seed=seed, steps=steps, cfg=4.0, sampler_name="euler", scheduler="normal", denoise=1.0),
        "picture": node("VAEDecode", samples=["sampled", 0], vae=vae),
        "shown": node("PreviewImage", images=["picture", 0]),
    }


def node(kind: str, **inputs) -> dict:
    return {"class_type": kind, "inputs": inputs}
