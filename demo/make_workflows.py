"""Writes the workflows that are shipped: `python -m demo.make_workflows`, with COMFYUI_PATH set.

They are made from the running pack's own schemas, so every socket and widget exists; run it again after a node changes.
"""

import json
import os
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from .canvas import Canvas
from .client import ComfyClient
from .server import ComfyServer

ROOT = Path(__file__).resolve().parents[1]

SD15 = {
    "name": "v1-5-pruned-emaonly-fp16.safetensors",
    "url": "https://huggingface.co/Comfy-Org/stable-diffusion-v1-5-archive/resolve/main/v1-5-pruned-emaonly-fp16.safetensors",
    "directory": "checkpoints",
}

SD15_NOTE = """## Train a LoRA on SD1.5

1. **Load Checkpoint**: an SD1.5 model. It is trained as it is loaded, nothing is loaded twice.
2. **Load Dataset**: put 15-40 pictures into a folder inside ComfyUI's `input` folder and write its name here. Captions go
   beside the pictures: `dog1.txt` for `dog1.png`.
3. **Sample Preview**: write prompts with the word that your captions use.
4. Press **Run**. Cancel keeps what was learned; `resume` = `latest` goes on.

The LoRA is written to `models/loras`, everything else (checkpoints, samples, log) to `output/lora_canvas`.

**Memory**: at 512 px, batch 1, with gradient checkpointing. Out of memory: lower `resolution` on Bucket Config to 448 or 384.

**Overcooked** (it copies your pictures): take an earlier checkpoint, or fewer steps. **Too weak**: more steps, or check that
your prompt holds the trigger word.
"""


def train_sd15(info: dict) -> Canvas:
    canvas = Canvas("Train SD1.5 LoRA", info)
    canvas.group("1  Model and pictures", (-20, -60, 420, 1020))
    loader = canvas.add("CheckpointLoaderSimple", (0, 0), (380, 100), {"ckpt_name": SD15["name"]}, models=[SD15])
    dataset = canvas.add("LoRACanvasLoadDataset", (0, 150), (380, 340), {"folder": "my_pictures"})
    buckets = canvas.add("LoRACanvasBucketConfig", (0, 540), (380, 400), {"resolution": 512, "max_bucket": 1024},
                         dataset=dataset.out("dataset"))
    canvas.group("2  How it learns", (420, -60, 420, 1020))
    network = canvas.add("LoRACanvasLoRANetwork", (440, 0), (380, 320), {"rank": 16, "alpha": 16.0})
    optimizer = canvas.add("LoRACanvasOptimizer", (440, 370), (380, 320), {"learning_rate": 1e-4})
    preview = canvas.add("LoRACanvasSamplePreview", (440, 740), (380, 200), {
        "prompts": "a photo of my subject in the snow\nportrait of my subject, smiling", "every_n_steps": 250,
        "width": 512, "height": 512,
    })
    canvas.group("3  Training", (860, -60, 460, 1020))
    train = canvas.add(
        "LoRACanvasTrainLoRA", (880, 0), (420, 560), {"run_name": "my_lora", "steps": 1500},
        model=loader.out("MODEL"), vae=loader.out("VAE"), clip=loader.out("CLIP"), dataset=buckets.out("dataset"),
        network=network.out("network"), optimizer=optimizer.out("optimizer"), preview=preview.out("preview"),
    )
    canvas.add("LoRACanvasSaveLoRA", (880, 700), (420, 200), {"filename": "my_lora"}, lora=train.out("lora"))
    canvas.group("4  Test it in the same canvas", (1340, -60, 860, 1020))
    _use_it(canvas, train, loader, "a photo of my subject on a beach, golden hour", "blurry, low quality", 512)
    canvas.add("PreviewImage", (1360, 560), (400, 360), title="Loss", images=train.out("loss_plot"))
    canvas.note(SD15_NOTE, (-460, -60), (420, 620))
    return canvas


def _use_it(canvas: Canvas, train, loader, prompt: str, negative: str, side: int) -> None:
    """The trained model straight into a KSampler."""
    positive = canvas.add("CLIPTextEncode", (1360, 0), (400, 140), {"text": prompt}, "Prompt", clip=train.out("clip"))
    against = canvas.add("CLIPTextEncode", (1360, 190), (400, 120), {"text": negative}, "Negative prompt", clip=train.out("clip"))
    latent = canvas.add("EmptyLatentImage", (1360, 360), (400, 110), {"width": side, "height": side})
    sampler = canvas.add(
        "KSampler", (1800, 0), (380, 280), {"seed": 42, "steps": 20, "cfg": 7.0, "sampler_name": "euler", "scheduler": "normal"},
        model=train.out("model"), positive=positive.out("CONDITIONING"), negative=against.out("CONDITIONING"),
        latent_image=latent.out("LATENT"),
    )
    decode = canvas.add("VAEDecode", (1800, 330), (380, 50), samples=sampler.out("LATENT"), vae=loader.out("VAE"))
    canvas.add("SaveImage", (1800, 430), (380, 490), {"filename_prefix": "lora_canvas/test"}, images=decode.out("IMAGE"))


WORKFLOWS: dict[str, Callable[[dict], Canvas]] = {"Train SD1.5 LoRA": train_sd15}


def main() -> None:
    comfyui = Path(os.environ.get("COMFYUI_PATH") or ROOT / ".comfyui").resolve()
    with tempfile.TemporaryDirectory() as base, ComfyServer(comfyui, Path(base), ROOT) as server:
        with ComfyClient(server.address) as client:
            info = client.get("/object_info")
    for name, make in WORKFLOWS.items():
        path = ROOT / "workflows" / f"{name}.json"
        path.write_text(json.dumps(make(info).workflow(), indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
        print(path.relative_to(ROOT))


if __name__ == "__main__":
    sys.exit(main())
