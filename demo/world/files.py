"""What was trained, in files: parts of fp16 fresh from training, and the committed pack of 8 bits. The checkpoint is made of either.

A row of a matrix (or a convolution's output channel) has one scale, the size of a level: a 36th of the row's deviation, or a 127th of its
largest weight where that is more. Finer levels would cost size (whatever is compressed) and gain nothing. Vectors stay fp16.
"""

from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from .text import clip_weights
from .vae import whole

PACK, JUDGE = Path(__file__).parent / "world.npz", Path(__file__).parent / "judge.npz"
MOST, OF_DEVIATION, SCALE = 127, 36, ":scale"
PART_BYTES = 15 * 2**20

Weights = dict[str, Tensor]


def write_parts(weights: Weights, folder: Path, name: str) -> list[Path]:
    """Files NAME-1.safetensors, NAME-2 ..., fp16, each of at most PART_BYTES (a larger weight alone in its own), in place of older ones."""
    parts: list[Weights] = [{}]
    room = PART_BYTES
    for key, weight in weights.items():
        size = 2 * weight.numel()
        if size > room:
            parts.append({})
            room = PART_BYTES
        parts[-1][key] = weight.detach().half().cpu().contiguous()
        room -= size
    folder.mkdir(parents=True, exist_ok=True)
    for old in folder.glob(f"{name}-*.safetensors"):
        old.unlink()
    paths = [folder / f"{name}-{number}.safetensors" for number in range(1, len(parts) + 1)]
    for part, path in zip(parts, paths):
        save_file(part, path)
    return paths


def read_parts(folder: Path, name: str) -> Weights:
    """What `write_parts` wrote. Raises FileNotFoundError when there is nothing."""
    paths = sorted(folder.glob(f"{name}-*.safetensors"))
    if not paths:
        raise FileNotFoundError(f"there is no {name}-1.safetensors in {folder}: train first (python -m demo.world.train)")
    return {key: weight for path in paths for key, weight in load_file(path).items()}


def write_pack(weights: Weights, path: Path) -> None:
    """The weights in 8 bits with scales, compressed."""
    arrays: dict[str, Any] = {}
    for key, weight in weights.items():
        values = weight.detach().float().cpu().numpy()
        if values.ndim < 2:
            arrays[key] = values.astype(np.float16)
            continue
        rows = values.reshape(len(values), -1)
        scale = np.maximum(np.abs(rows).max(axis=1) / MOST, rows.std(axis=1) / OF_DEVIATION)
        scale = np.maximum(scale, 1e-12).astype(np.float32)
        arrays[key + SCALE] = scale
        arrays[key] = np.rint(values / scale.reshape(-1, *[1] * (values.ndim - 1))).astype(np.int8)
    np.savez_compressed(path, **arrays)


def read_pack(path: Path) -> Weights:
    """The weights of a pack, fp32."""
    with np.load(path) as arrays:
        weights = {}
        for key in arrays.files:
            if key.endswith(SCALE):
                continue
            values = arrays[key].astype(np.float32)
            if key + SCALE in arrays.files:
                values = values * arrays[key + SCALE].reshape(-1, *[1] * (values.ndim - 1))
            weights[key] = torch.from_numpy(values)
    return weights


def starting(weights: Weights, prefix: str) -> Weights:
    """Those whose key begins with the prefix, without it."""
    return {key.removeprefix(prefix): weight for key, weight in weights.items() if key.startswith(prefix)}


def checkpoint(weights: Weights) -> Weights:
    """The whole SD1.5 checkpoint, fp16, of "unet.", "vae." and "text.rows" weights."""
    found = {f"model.diffusion_model.{key}": weight for key, weight in starting(weights, "unet.").items()}
    found |= {f"cond_stage_model.transformer.{key}": weight for key, weight in clip_weights(weights["text.rows"]).items()}
    found |= {f"first_stage_model.{key}": weight for key, weight in whole(starting(weights, "vae.")).items()}
    return {key: weight.half().contiguous() for key, weight in found.items()}
