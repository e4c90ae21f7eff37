"""Which noise levels are trained, and how often.

A choice is a distribution of positions in [0, 1): 0 is a clean picture, 1 pure noise. It is given by its quantile
function, so that one uniform number an item is all the randomness it needs and so that a batch can be stratified.
On a discrete model (epsilon, v) a position p is timestep floor(1000 p); on a flow model it is sigma itself.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import torch
from torch import Tensor

from .widget import Widget, setting

_SCALE = Widget("sigmoid_scale", 1.0, least=0.01, most=10.0, step=0.1,
    tooltip="For timesteps sigmoid, shift and flux_shift: 1 is usual. Smaller keeps to the middle; larger goes to both ends.")


@dataclass(frozen=True, kw_only=True, slots=True)
class Given:
    """What a distribution may depend on: latent `tokens` (2 x 2 latent pixels each in FLUX) and the model's own
    `sigmas`, ascending (N,)."""

    tokens: int
    sigmas: Tensor


@dataclass(frozen=True, kw_only=True, slots=True)
class AutoTimesteps:
    """Uniform for epsilon and v models; for flow models a sigmoid with the shift that the model is sampled with. `resolve`
    replaces it when the model is known, or by `meant`: what it meant when a run that goes on began."""

    meant: Timesteps | None = field(default=None, repr=False)

    def problems(self) -> list[str]:
        return []

    def on(self, parametrisation: str, own_shift: float | None) -> Timesteps:
        """`own_shift` is the model's own; None: FLUX.1's, by resolution."""
        if self.meant is not None:
            return self.meant
        if parametrisation != "flow":
            return Uniform()
        return FluxShift() if own_shift is None else Shift(k=own_shift)


@dataclass(frozen=True, kw_only=True, slots=True)
class Uniform:
    """Every noise level equally often (DDPM, arXiv:2006.11239, algorithm 1)."""

    def problems(self) -> list[str]:
        return []

    def quantile(self, u: Tensor, given: Given) -> Tensor:
        return u


@dataclass(frozen=True, kw_only=True, slots=True)
class LogitNormal:
    """p = sigmoid(N(mean, std)) (Stable Diffusion 3, arXiv:2403.03206, eq. 19).

    A positive mean prefers noisier levels. kohya's `weighting_scheme=logit_normal` reads its table from the noisy
    end, so its `logit_mean` has the opposite sign.
    """

    mean: float = setting(Widget("logit_mean", 0.0, least=-5.0, most=5.0, step=0.1,
        tooltip="For timesteps logit_normal: 0 centres on middle noise; above 0 practises more noise, below 0 less."))
    std: float = setting(Widget("logit_std", 1.0, least=0.01, most=10.0, step=0.1,
        tooltip="For timesteps logit_normal: 1 is usual. Smaller keeps to the centre; larger goes to both ends."))

    def problems(self) -> list[str]:
        return [] if self.std > 0 else [f"logit_std is {self.std} but must be above 0 (1 is usual)."]

    def quantile(self, u: Tensor, given: Given) -> Tensor:
        return normal_quantile(u).mul(self.std).add(self.mean).sigmoid()


@dataclass(frozen=True, kw_only=True, slots=True)
class Sigmoid:
    """p = sigmoid(scale * N(0, 1)): mostly middle noise levels, as FLUX trainers do."""

    scale: float = setting(_SCALE)

    def problems(self) -> list[str]:
        return positive("sigmoid_scale", self.scale)

    def quantile(self, u: Tensor, given: Given) -> Tensor:
        return normal_quantile(u).mul(self.scale).sigmoid()


@dataclass(frozen=True, kw_only=True, slots=True)
class Shift:
    """Sigmoid, moved towards noise: p = k p0 / (1 + (k - 1) p0). k = 1 changes nothing; 3 is usual."""

    k: float = setting(Widget("shift", 3.0, least=0.01, most=100.0, step=0.1,
        tooltip="For timesteps shift: 3 is usual, 1 is none. Higher practises more noise: composition over detail."))
    scale: float = setting(_SCALE)

    def problems(self) -> list[str]:
        return positive("shift", self.k) + positive("sigmoid_scale", self.scale)

    def quantile(self, u: Tensor, given: Given) -> Tensor:
        return shift(Sigmoid(scale=self.scale).quantile(u, given), self.k)


@dataclass(frozen=True, kw_only=True, slots=True)
class FluxShift:
    """Shift with k = e^mu, mu linear in the number of latent tokens: larger pictures, more noise.

    mu = base + (n - 256) (max - base) / (4096 - 256): 1.878 at 512 x 512, 3.158 at 1024 x 1024 pixels.
    """

    base_shift: float = 0.5
    max_shift: float = 1.15
    scale: float = setting(_SCALE)

    def problems(self) -> list[str]:
        return positive("sigmoid_scale", self.scale)

    def k(self, tokens: int) -> float:
        return math.exp(self.base_shift + (tokens - 256) * (self.max_shift - self.base_shift) / (4096 - 256))

    def quantile(self, u: Tensor, given: Given) -> Tensor:
        return shift(Sigmoid(scale=self.scale).quantile(u, given), self.k(given.tokens))


@dataclass(frozen=True, kw_only=True, slots=True)
class Mode:
    """Heavy tails (arXiv:2403.03206, eq. 20): p = 1 - u - s (cos^2(pi u / 2) - 1 + u), -1 <= s <= 1.75.

    s > 0 prefers the middle, s < 0 the ends, 0 is uniform.
    """

    scale: float = setting(Widget("mode_scale", 1.29, least=-1.0, most=1.75, step=0.05,
        tooltip="For timesteps mode: 1.29 prefers the middle, 0 is uniform, below 0 prefers both ends."))

    def problems(self) -> list[str]:
        # The curve is monotone, so a distribution, only up to 2 / (pi - 2).
        if -1.0 <= self.scale <= 1.75:
            return []
        return [f"mode_scale is {self.scale} but must lie between -1 and 1.75 (1.29 is usual)."]

    def quantile(self, u: Tensor, given: Given) -> Tensor:
        v = 1 - u
        return 1 - v - self.scale * (torch.cos(math.pi * v / 2) ** 2 - 1 + v)


@dataclass(frozen=True, kw_only=True, slots=True)
class CosMap:
    """p = 1 - 1 / (tan(pi u / 2) + 1) (arXiv:2403.03206, eq. 21): the noise levels of the cosine schedule."""

    def problems(self) -> list[str]:
        return []

    def quantile(self, u: Tensor, given: Given) -> Tensor:
        return 1 - 1 / (torch.tan(math.pi * u / 2) + 1)


@dataclass(frozen=True, kw_only=True, slots=True)
class ModelTable:
    """The levels of the model's own table, equally often: with the shift set by a ModelSampling node upstream.

    For flow models; on a discrete model it is the same as Uniform.
    """

    def problems(self) -> list[str]:
        return []

    def quantile(self, u: Tensor, given: Given) -> Tensor:
        if float(given.sigmas[-1]) > 1.0 + 1e-6:
            return u
        index = (u * len(given.sigmas)).long().clamp(max=len(given.sigmas) - 1)
        return given.sigmas.to(device=u.device, dtype=u.dtype)[index]


Timesteps = AutoTimesteps | Uniform | LogitNormal | Sigmoid | Shift | FluxShift | Mode | CosMap | ModelTable


@dataclass(frozen=True, kw_only=True, slots=True)
class Window:
    """Only noise levels in [minimum, maximum) thousandths; the distribution is squeezed into the window."""

    minimum: int = setting(Widget("min_timestep", 0, least=0, most=999,
        tooltip="Noise levels below this are not trained, of 1000. 0 trains all. 200-400 learns composition and leaves fine texture as it "
                "is."))
    maximum: int = setting(Widget("max_timestep", 1000, least=1, most=1000,
        tooltip="Noise levels from this on are not trained. 1000 trains all. 500 learns detail and texture only, and leaves composition as "
                "it is."))

    def problems(self) -> list[str]:
        if 0 <= self.minimum < self.maximum <= 1000:
            return []
        return [
            f"min_timestep is {self.minimum} and max_timestep {self.maximum}, but 0 <= min < max <= 1000 must hold "
            "(0 and 1000 train every noise level)."
        ]

    def apply(self, position: Tensor) -> Tensor:
        low, high = self.minimum / 1000, self.maximum / 1000
        return low + (high - low) * position


def shift(position: Tensor, k: float) -> Tensor:
    """k p / (1 + (k - 1) p), elementwise: 0 and 1 stay, k > 1 moves the rest up."""
    return k * position / (1 + (k - 1) * position)


def shift_of(table: Tensor) -> float:
    """The k of a flow model's ascending table (N,) of levels: that of its middle step, as all are where the table is a shift."""
    middle = len(table) // 2
    t, sigma = middle / len(table), float(table[middle - 1])
    return round(sigma * (1 - t) / (t * (1 - sigma)), 4)


def normal_quantile(u: Tensor) -> Tensor:
    """The standard normal number below which a share u of the mass lies; u = 0 is taken as 1e-12."""
    return torch.special.ndtri(u.clamp(1e-12, 1 - 1e-12))


def positive(name: str, value: float) -> list[str]:
    """The problem of a setting that is not above 0, if it is one."""
    return [] if value > 0 else [f"{name} is {value} but must be above 0."]


def stratify(u: Tensor, stratum: tuple[int, int]) -> Tensor:
    """Uniform numbers of [0, 1) squeezed into the k-th of K equal parts; `stratum` is (k, K), 0 <= k < K."""
    k, count = stratum
    if not 0 <= k < count:
        raise ValueError(f"stratum {stratum} must have 0 <= k < K")
    return (k + u) / count
