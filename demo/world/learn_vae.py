"""Teach the autoencoder: pictures of the world and doodles, through latents with a little noise, so that near latents look alike."""

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from .budget import Budget, rate_at
from .drawn.cards import cards, taught
from .drawn.drawing import doodles, draw_all
from .vae import VAE

RATE, NOISE = 2e-3, 0.08


def pictures(count: int, seed: int, workers: int | None) -> Tensor:
    """uint8 [count, 3, 128, 128]: three of the world for each doodle."""
    world = draw_all(cards(count - count // 4, seed, taught()), workers=workers)
    every = np.concatenate([world, doodles(count // 4, seed)])
    return torch.from_numpy(every).permute(0, 3, 1, 2).contiguous()


def loss_of(vae: VAE, batch: Tensor, noise: Tensor) -> Tensor:
    """How far the pictures come back from what they were, edges counted twice; and how far the latents are from mean 0, deviation 1."""
    latents = vae.encode(batch).float()
    back = vae.decode(latents + NOISE * noise).float()
    wrong = back - batch
    error = wrong.abs().mean() + 4 * wrong.square().mean()
    error = error + (wrong.diff(dim=2).abs().mean() + wrong.diff(dim=3).abs().mean()) / 2
    mean, deviation = latents.mean(dim=(0, 2, 3)), latents.std(dim=(0, 2, 3))
    tails = F.relu(latents.abs() - 2.5).square().mean()
    return error + 0.05 * (mean.square().mean() + (deviation - 1).square().mean()) + 0.05 * tails


def learn_vae(every: Tensor, budget: Budget, batch: int, seed: int, device: torch.device, bf16: bool) -> VAE:
    """A trained VAE on the device. every: uint8 [n, 3, h, w] there."""
    torch.manual_seed(seed)
    generator = torch.Generator(device).manual_seed(seed)
    vae = VAE().to(memory_format=torch.channels_last).to(device)
    optimizer = torch.optim.AdamW(vae.parameters(), lr=RATE, weight_decay=1e-4)
    step = 0
    while (progress := budget.progress(step)) < 1:
        for group in optimizer.param_groups:
            group["lr"] = RATE * rate_at(progress)
        rows = torch.randint(len(every), (batch,), generator=generator, device=device)
        chosen = (every[rows].float() / 255).contiguous(memory_format=torch.channels_last)
        if step % 2:
            chosen = chosen.flip(3)
        noise = torch.randn(batch, 4, chosen.shape[2] // 8, chosen.shape[3] // 8, generator=generator, device=device)
        with torch.autocast(device.type, torch.bfloat16, enabled=bf16):
            loss = loss_of(vae, chosen, noise)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(vae.parameters(), 1.0)
        optimizer.step()
        step += 1
        if step % 50 == 0:
            print(f"autoencoder: step {step}, {budget.elapsed():.0f} s, loss {loss.item():.4f}", flush=True)
    return vae.eval()


@torch.no_grad()
def decibels(vae: VAE, every: Tensor) -> float:
    """The peak signal-to-noise ratio of pictures, uint8 [n, 3, h, w], that went through."""
    errors = []
    for part in every.split(64):
        batch = part.float() / 255
        errors.append((vae.decode(vae.encode(batch)).clamp(0, 1) - batch).square().mean())
    return -10 * torch.stack(errors).mean().log10().item()
