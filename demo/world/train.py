"""Train the world: `python -m demo.world.train --out FOLDER`. On two cores it takes about two hours; ended and started again, it goes on.

Draws the pictures, teaches the autoencoder, then each configuration of the UNet with the words, lets the judge count, and leaves in FOLDER
the best one's weights (world-N.safetensors, fp16), its samples (samples.png) and the numbers (report.json).
With --seconds the clock ends every stage, in which case a second run gives other weights; else the steps do.
"""

import argparse
import json
import math
import os
import time
from pathlib import Path

import torch
from PIL import Image
from torch import Tensor

from .album import album
from .budget import Budget
from .drawn.cards import cards, taught
from .drawn.drawing import draw_all
from .files import JUDGE, read_pack, write_parts
from .judge import Judge
from .learn_unet import CONFIGS, Learner
from .learn_vae import decibels, learn_vae, pictures
from .scoring import score
from .vae import VAE

VAE_SHARE, JUDGE_SHARE = 0.2, 0.06  # of --seconds


def options(arguments: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--out", type=Path, required=True, help="the folder for what is trained")
    parser.add_argument("--device", default="cpu", help="cpu or cuda")
    parser.add_argument("--configs", default="small", help=f"of {', '.join(CONFIGS)}; several, separated by commas, share the time")
    parser.add_argument("--seconds", type=float, help="end everything after so many seconds (default: after the steps)")
    parser.add_argument("--steps", type=int, default=6000, help="steps of the UNet")
    parser.add_argument("--vae-steps", type=int, default=1200, help="steps of the autoencoder")
    parser.add_argument("--pictures", type=int, default=6000, help="how many are drawn")
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--workers", type=int, help="processes that draw (default: one a core)")
    parser.add_argument("--no-bf16", action="store_true", help="everything in fp32")
    parser.add_argument("--save-every", type=int, default=250, help="steps between states to go on from; 0 for none")
    parser.add_argument("--judged", type=int, default=256, help="samples of unseen combinations that the judge sees")
    chosen = parser.parse_args(arguments)
    if unknown := set(chosen.configs.split(",")) - set(CONFIGS):
        parser.error(f"--configs {','.join(sorted(unknown))}: there are {', '.join(CONFIGS)}")
    return chosen


def autoencoder(chosen: argparse.Namespace, device: torch.device, bf16: bool) -> VAE:
    """The trained one of FOLDER, or a new one."""
    path = chosen.out / "vae.pt"
    vae = VAE().to(memory_format=torch.channels_last).to(device).eval()
    if chosen.save_every and path.exists():
        vae.load_state_dict(torch.load(path, weights_only=True))
        return vae
    every = pictures(min(chosen.pictures, 4000), chosen.seed, chosen.workers).to(device)
    budget = Budget(seconds=chosen.seconds * VAE_SHARE) if chosen.seconds else Budget(steps=chosen.vae_steps)
    vae = learn_vae(every, budget, max(8, chosen.batch // 4), chosen.seed, device, bf16)
    test = torch.from_numpy(draw_all(cards(24, 99, taught()), workers=1)).permute(0, 3, 1, 2).to(device)
    print(f"autoencoder: {decibels(vae, test):.1f} dB on new pictures", flush=True)
    if chosen.save_every:
        torch.save(vae.state_dict(), path)
    return vae


def judge_on(device: torch.device) -> Judge:
    """The committed judge."""
    judge = Judge().eval()
    judge.load_state_dict(read_pack(JUDGE))
    return judge.to(device)


def sheet(found: Tensor, path: Path, across: int = 16) -> None:
    """The first pictures [n, 3, h, w] of 0 to 1 side by side."""
    rows = [torch.cat(list(found[start : start + across]), dim=2) for start in range(0, min(len(found), 8 * across), across)]
    whole = torch.cat([row for row in rows if row.shape == rows[0].shape], dim=1)
    Image.fromarray((whole.permute(1, 2, 0) * 255).round().byte().cpu().numpy()).save(path)


def main(arguments: list[str] | None = None) -> dict[str, dict[str, float]]:
    chosen = options(arguments)
    started, names = time.monotonic(), chosen.configs.split(",")
    chosen.out.mkdir(parents=True, exist_ok=True)
    chosen.workers = chosen.workers or os.cpu_count()
    device, bf16 = torch.device(chosen.device), not chosen.no_bf16
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = torch.backends.cudnn.benchmark = True
    vae = autoencoder(chosen, device, bf16)
    pages = album(vae, chosen.pictures, chosen.seed, device, chosen.workers)
    print(f"{sum(len(page.latents) for _, page in pages)} pictures after {time.monotonic() - started:.0f} s", flush=True)
    judge, report, best = judge_on(device), {}, -1.0
    for number, name in enumerate(names):
        left = math.inf
        if chosen.seconds:
            left = (chosen.seconds * (1 - JUDGE_SHARE) - (time.monotonic() - started)) / (len(names) - number)
        budget = Budget(seconds=left) if chosen.seconds else Budget(steps=chosen.steps)
        learner = Learner(CONFIGS[name], pages, chosen.batch, chosen.seed, device, bf16)
        state = chosen.out / f"{name}.pt" if chosen.save_every else None
        if state is not None and state.exists():
            learner.resume(state, budget)
        learner.run(budget, state, chosen.save_every or 100, name)
        shares, found = score(learner.mean, vae, judge, chosen.judged, 1, bf16)
        report[name] = shares | {"steps": learner.step, "seconds": round(budget.elapsed())}
        print(name, json.dumps(report[name]), f"after {time.monotonic() - started:.0f} s", flush=True)
        if shares["all"] > best:
            best = shares["all"]
            weights = learner.mean.state_dict() | {f"vae.{key}": weight for key, weight in vae.state_dict().items()}
            write_parts(weights, chosen.out, "world")
            sheet(found, chosen.out / "samples.png")
        (chosen.out / "report.json").write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")
    return report


if __name__ == "__main__":
    main()
