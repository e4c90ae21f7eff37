"""How well the checkpoint follows prompts, by ComfyUI's own nodes: `python -m demo.world.score [FILE.safetensors] [COUNT]`.

Starts a ComfyUI (COMFYUI_PATH, default .comfyui), whose KSampler draws COUNT (200) combinations that training never saw, and judges them.
"""

import os
import random
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from ..comfyui.client import ComfyClient
from ..comfyui.server import ComfyServer
from ..stage import ROOT
from .assemble import assemble
from .drawn.captions import caption
from .drawn.cards import Card, card_of, held_out
from .judge import Judge
from .scoring import CFG, STEPS, shares
from .train import judge_on, sheet

BASE = ROOT / "demo" / "output" / "world"
CHECKPOINT = ROOT / ".cache" / "checkpoints" / "world.safetensors"
PATIENCE = 600.0
TOGETHER = 8  # pictures of one queued prompt


def asked(count: int, seed: int = 1) -> list[Card]:
    """Cards of combinations that training never saw, in a fixed order."""
    numbers = random.Random(seed)
    return [card_of(combination, numbers) for combination in (held_out() * (count // len(held_out()) + 1))[:count]]


@dataclass(frozen=True)
class Source:
    """What draws: a checkpoint and perhaps a LoRA, by the names that ComfyUI has for them, and what not to draw."""

    checkpoint: str
    lora: str = ""
    strength: float = 1.0
    negative: str = ""


def graph(of: Source, texts: list[str], seed: int) -> dict:
    """An API prompt that saves a picture of each text, in order; the first one's noise is `seed`, the second's seed + 1, and so on."""
    loaded = "lora" if of.lora else "model"
    nodes = {
        "model": {"class_type": "CheckpointLoaderSimple", "inputs": {"ckpt_name": of.checkpoint}},
        "nothing": {"class_type": "CLIPTextEncode", "inputs": {"clip": [loaded, 1], "text": of.negative}},
        "empty": {"class_type": "EmptyLatentImage", "inputs": {"width": 128, "height": 128, "batch_size": 1}},
    }
    if of.lora:
        strengths = {"strength_model": of.strength, "strength_clip": of.strength}
        inputs = {"model": ["model", 0], "clip": ["model", 1], "lora_name": of.lora, **strengths}
        nodes["lora"] = {"class_type": "LoraLoader", "inputs": inputs}
    for number, text in enumerate(texts):
        nodes[f"text{number}"] = {"class_type": "CLIPTextEncode", "inputs": {"clip": [loaded, 1], "text": text}}
        nodes[f"sample{number}"] = {
            "class_type": "KSampler",
            "inputs": {
                "model": [loaded, 0], "positive": [f"text{number}", 0], "negative": ["nothing", 0], "latent_image": ["empty", 0],
                "seed": seed + number, "steps": STEPS, "cfg": CFG, "sampler_name": "euler", "scheduler": "normal", "denoise": 1.0,
            },
        }  # fmt: skip
        nodes[f"picture{number}"] = {"class_type": "VAEDecode", "inputs": {"samples": [f"sample{number}", 0], "vae": ["model", 2]}}
        nodes[f"save{number}"] = {"class_type": "SaveImage", "inputs": {"images": [f"picture{number}", 0], "filename_prefix": "world"}}
    return nodes


def pictures(client: ComfyClient, base: Path, of: Source, texts: list[str], seed: int) -> torch.Tensor:
    """Pictures [n, 3, 128, 128] of 0 to 1, by a running ComfyUI, whose files are removed."""
    found = []
    for start in range(0, len(texts), TOGETHER):
        some = texts[start : start + TOGETHER]
        prompt_id = client.queue(graph(of, some, seed + start))
        name, data = client.wait(prompt_id, PATIENCE)
        if name != "execution_success":
            raise RuntimeError(f"ComfyUI: {data.get('exception_message', name)}")
        outputs = client.history(prompt_id)["outputs"]
        for number in range(len(some)):
            (image,) = outputs[f"save{number}"]["images"]
            path = base / "output" / image["subfolder"] / image["filename"]
            with Image.open(path) as picture:
                found.append(torch.from_numpy(np.array(picture.convert("RGB"))).permute(2, 0, 1) / 255)
            path.unlink()
    return torch.stack(found)


def score(server: ComfyServer, path: Path, count: int, judge: Judge) -> dict[str, float]:
    """The shares of `shares` for the checkpoint file; its samples are left in BASE/samples.png."""
    link = server.base / "models" / "checkpoints" / path.name
    link.unlink(missing_ok=True)
    link.symlink_to(path)
    cards = asked(count)
    with ComfyClient(server.address) as client:
        found = pictures(client, server.base, Source(path.name), [caption(card) for card in cards], seed=1)
    sheet(found, server.base / "samples.png")
    return shares(cards, judge.says(found))


def main(given: str | None = None, count: str = "200") -> None:
    comfyui = Path(os.environ.get("COMFYUI_PATH") or ROOT / ".comfyui").expanduser().resolve()
    path = Path(given).resolve() if given else assemble(CHECKPOINT)
    with ComfyServer(comfyui, BASE, ROOT, options=() if torch.cuda.is_available() else ("--cpu",)) as server:
        found = score(server, path, int(count), judge_on(torch.device("cpu")))
    print(f"{count} samples of unseen combinations:", ", ".join(f"{name} {share:.1%}" for name, share in found.items()))
    print(f"  {BASE / 'samples.png'}")


if __name__ == "__main__":
    if len(sys.argv) > 3:
        sys.exit(__doc__)
    main(*sys.argv[1:])
