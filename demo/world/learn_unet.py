"""Teach the UNet and the words' rows: noise predicted on the album's latents, weighed as v, with a running mean of the weights."""

import random
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim.swa_utils import get_ema_multi_avg_fn

from .album import CAPTIONS, Page
from .budget import Budget, rate_at
from .diffusion import alphas, noised, steps_of, weights_of
from .text import Text
from .unet import Shape, UNet


@dataclass(frozen=True)
class Config:
    """A network and how fast it learns. words: the rows' rate as a multiple of the network's."""

    shape: Shape
    rate: float = 5e-4
    words: float = 4.0


CONFIGS = {
    "small": Config(Shape()),
    "middle": Config(Shape(middle=1)),
}
LONGEST_MEMORY = 0.9995  # of the running mean


class World(nn.Module):
    """Text and UNet together."""

    def __init__(self, shape: Shape):
        super().__init__()
        self.text, self.unet = Text(), UNet(shape)


def _on(device: torch.device, world: World) -> World:
    return world.to(memory_format=torch.channels_last).to(device)


class Learner:
    """One configuration while it learns. `mean` is the World with the running mean of the weights."""

    def __init__(self, config: Config, pages: list[tuple[float, Page]], batch: int, seed: int, device: torch.device, bf16: bool):
        torch.manual_seed(seed)
        self.device, self._batch, self._bf16, self._config = device, batch, bf16, config
        self._shares, self._pages = [share for share, _ in pages], [page for _, page in pages]
        self.world = _on(device, World(config.shape))
        self.mean = _on(device, World(config.shape)).requires_grad_(False)
        self.mean.load_state_dict(self.world.state_dict())
        self.optimizer = torch.optim.AdamW(
            [{"params": self.world.unet.parameters(), "scale": 1.0}, {"params": self.world.text.parameters(), "scale": config.words}],
            betas=(0.9, 0.99), weight_decay=0.01, fused=device.type == "cuda",
        )  # fmt: skip
        self.generator, self.numbers, self.step = torch.Generator().manual_seed(seed), random.Random(seed), 0
        self._noise = torch.Generator(device).manual_seed(seed)
        self._left = alphas().float().to(device)
        self._total = torch.zeros((), device=device)

    def run(self, budget: Budget, state: Path | None = None, every: int = 500, say: str = "") -> None:
        """Learn until the budget is spent; `state`: a file to write every so many steps, for resuming."""
        while (progress := budget.progress(self.step)) < 1:
            loss = self._learn(progress)
            self._total += loss
            self.step += 1
            if self.step % every == 0:
                print(f"{say}: step {self.step}, {budget.elapsed():.0f} s, loss {self._total.item() / every:.4f}", flush=True)
                self._total.zero_()
                if state is not None:
                    self.save(state, budget)

    def _learn(self, progress: float) -> Tensor:
        for group in self.optimizer.param_groups:
            group["lr"] = self._config.rate * group["scale"] * rate_at(progress)
        loss = self._loss(self.numbers.choices(self._pages, self._shares)[0])
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(self.world.parameters(), 1.0)
        self.optimizer.step()
        memory = min(LONGEST_MEMORY, (1 + self.step) / (10 + self.step))
        get_ema_multi_avg_fn(memory)(list(self.mean.parameters()), list(self.world.parameters()), None)
        return loss.detach()

    def _loss(self, page: Page) -> Tensor:
        count = min(self._batch, len(page.latents))
        rows = torch.randint(len(page.latents), (count,), generator=self.generator).to(self.device)
        which = torch.randint(CAPTIONS, (count,), generator=self.generator).to(self.device)
        t = steps_of(count, self.generator).to(self.device)
        latents = page.latents[rows]
        noise = torch.randn(latents.shape, generator=self._noise, device=self.device)
        x = noised(latents, noise, self._left[t]).contiguous(memory_format=torch.channels_last)
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self._bf16):
            context = self.world.text.of(page.tokens[rows, which])
            predicted = self.world.unet(x, t, context, page.bias[rows, which])
        errors = (predicted.float() - noise).square().mean(dim=(1, 2, 3))
        weights = weights_of(self._left[t])
        return (errors * weights).mean()

    def save(self, path: Path, budget: Budget) -> None:
        """Everything that a later process needs to go on with the very next step."""
        found: dict[str, Any] = {
            "world": self.world.state_dict(), "mean": self.mean.state_dict(), "optimizer": self.optimizer.state_dict(),
            "generator": self.generator.get_state(), "noise": self._noise.get_state(), "numbers": self.numbers.getstate(),
            "step": self.step, "spent": budget.elapsed(), "total": self._total,
        }  # fmt: skip
        torch.save(found, path.with_suffix(".part"))
        path.with_suffix(".part").replace(path)

    def resume(self, path: Path, budget: Budget) -> None:
        """Go on from what `save` wrote."""
        found = torch.load(path, map_location="cpu", weights_only=False)
        for name in ("world", "mean", "optimizer"):
            getattr(self, name).load_state_dict(found[name])
        self.generator.set_state(found["generator"])
        self._noise.set_state(found["noise"])
        self.numbers.setstate(found["numbers"])
        self.step, budget.spent = found["step"], found["spent"]
        self._total.copy_(found["total"])
