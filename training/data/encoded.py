"""Samples that the graph has already encoded: latents in place of pictures, conditions in place of captions."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch.nn.functional import interpolate

from ..errors import DatasetError, raise_problems
from ..protocols import TextCondition
from .conditions import digest, digest_of_tensors, text_condition
from .dataset import Dataset, Sample
from .specs import Size

WHERE = "Import Core Dataset"


def encoded_dataset(latents: Sequence[dict], conditions: Sequence[list], repeats: int = 1) -> Dataset:
    """A dataset of core's LATENT and CONDITIONING lists.

    Each LATENT holds one or more samples (B, C, H, W), or clips (B, C, T, H, W); each CONDITIONING one prompt a
    sample, or one for all of its LATENT; a single CONDITIONING serves every LATENT. Raises DatasetError naming every misfit.
    """
    if len(conditions) == 1:
        conditions = list(conditions) * len(latents)
    if len(conditions) != len(latents):
        found = f"{len(latents)} latents but {len(conditions)} conditionings are connected"
        raise DatasetError(WHERE, [f"{found}. Connect one conditioning for each latent, or one for all."])
    problems: list[str] = []
    samples = [
        sample
        for number, (latent, condition) in enumerate(zip(latents, conditions, strict=True), start=1)
        for sample in _samples(f"latent {number}", latent, condition, repeats, problems)
    ]
    raise_problems(DatasetError, WHERE, problems or ([] if samples else ["there is no latent. Connect a LATENT list."]))
    return Dataset(samples=tuple(samples), facts={"folder": "encoded"})


def _samples(name: str, latent: dict, condition: list, repeats: int, problems: list[str]) -> list[Sample]:
    tensor = latent.get("samples") if isinstance(latent, dict) else None
    if not torch.is_tensor(tensor) or tensor.ndim < 4:
        problems.append(f"{name}: is no batch of latents (B, C, H, W). Connect the LATENT of a VAE Encode node.")
        return []
    if not bool(tensor.isfinite().all()):
        problems.append(f"{name}: holds NaN or infinite values. The VAE that made it overflowed; use one in fp32.")
        return []
    count = len(tensor)
    if len(condition) not in (1, count):
        problems.append(
            f"{name}: holds {count} pictures, but its conditioning {len(condition)} prompts. Give one prompt a picture, "
            "or one for all; combined or scheduled prompts cannot be trained on."
        )
        return []
    prompts = list(condition) * (count if len(condition) == 1 else 1)
    downscale = int(latent.get("downscale_ratio_spacial") or 8)
    masks = _masks(latent.get("noise_mask"), tensor)
    texts = [_condition(prompt, i, count) for i, prompt in enumerate(prompts)]
    return [
        Sample(
            name=name if count == 1 else f"{name}, picture {i + 1}",
            picture=EncodedPicture(tensor[i], masks[i], downscale),
            caption=f"(encoded prompt {digest(texts[i])[:12]})",
            condition=texts[i],
            repeats=repeats,
        )
        for i in range(count)
    ]


def _condition(prompt: Sequence, index: int, count: int) -> TextCondition:
    """One entry of a CONDITIONING, [tensor, options], with all of its options; of tensors made for the whole batch, the
    part of this sample."""

    def own(tensor: torch.Tensor) -> torch.Tensor:
        shared = tensor[index : index + 1] if tensor.ndim and len(tensor) == count > 1 else tensor
        return plain(shared)

    return text_condition({**prompt[1], "cond": prompt[0]}, own)


def _masks(noise_mask: torch.Tensor | None, latents: torch.Tensor) -> list[torch.Tensor | None]:
    """The LATENT's mask (Set Latent Noise Mask) as loss masks at latent size; None for each sample without one."""
    if noise_mask is None:
        return [None] * len(latents)
    masks = noise_mask.reshape(-1, 1, *noise_mask.shape[-2:]).float()
    masks = interpolate(masks, size=latents.shape[-2:], mode="area")[:, 0]
    if latents.ndim > 4 and len(masks) not in (1, len(latents)):
        # One a frame: a loss mask is the same all through a clip.
        masks = masks.reshape(len(latents) if len(masks) % len(latents) == 0 else 1, -1, *masks.shape[1:]).mean(1)
    return [masks[i % len(masks)] for i in range(len(latents))]


class EncodedPicture:
    """A picture that is there as a VAE latent (C, ..., H, W) only: it has no bucket but its own size.

    `mask` (H, W) in 0..1 at latent size says what is trained; `downscale` is pixels a latent cell.
    """

    file = None
    fps = None

    def __init__(self, latent: torch.Tensor, mask: torch.Tensor | None = None, downscale: int = 8):
        self.encoded = {"latent": plain(latent).float()} | ({} if mask is None else {"mask": plain(mask).float()})
        self._downscale = downscale

    def size(self) -> Size:
        height, width = self.encoded["latent"].shape[-2:]
        return width * self._downscale, height * self._downscale

    @property
    def frames(self) -> int:
        latent = self.encoded["latent"]
        return latent.shape[1] if latent.ndim == 4 else 1

    def has_alpha(self) -> bool:
        return False

    def digest(self) -> str:
        return digest_of_tensors(self.encoded)

    def pixels(self) -> np.ndarray:
        """(h, w, 4) uint8: a rough view of the first latent channels, for contact sheets."""
        latent = self.encoded["latent"]
        flat = latent.reshape(latent.shape[0], -1, *latent.shape[-2:])[:3, 0]
        low, high = flat.amin((1, 2), keepdim=True), flat.amax((1, 2), keepdim=True)
        shades = ((flat - low) / (high - low).clamp_min(1e-6) * 255).byte().movedim(0, 2).numpy()
        colour = shades if shades.shape[2] == 3 else np.repeat(shades[:, :, :1], 3, axis=2)
        return np.dstack([colour, np.full(colour.shape[:2], 255, np.uint8)])

    def clip(self) -> np.ndarray:
        return self.pixels()[None]

    def small_pixels(self, side: int) -> np.ndarray:
        return self.pixels()


def plain(tensor: torch.Tensor) -> torch.Tensor:
    """A CPU copy that autograd may use: tensors made in ComfyUI's inference mode may not be."""
    with torch.inference_mode(False), torch.no_grad():
        return tensor.detach().to("cpu", copy=True).contiguous()
