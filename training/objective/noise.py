"""The noise that is added to a picture. Every function works on ONE item, without a batch axis.

kohya normalises multi-resolution noise by the standard deviation of the whole batch; here it is per item, because a
batch must equal the mean of its items whatever they were batched with.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Generator, Tensor
from torch.nn.functional import interpolate

from ..devices.upload import uploaded
from .timesteps import positive
from .widget import Widget, setting


@dataclass(frozen=True, kw_only=True, slots=True)
class NoiseSpec:
    """Departures from plain Gaussian noise; the defaults are plain.

    offset                one random number a channel times this is added: the model learns overall brightness
                          (0.05 is usual). The target contains it.
    adaptive_offset       added to `offset` times the absolute mean of the latent channel
    multires_iterations   layers of ever coarser noise (6 to 10 are usual, 0 off), each weighted discount^i
    multires_discount     0 < discount < 1; 0.3 is usual
    input_perturbation    the model sees noise + this x more noise; the target stays (arXiv:2301.11706, 0.1)
    random_strength       offset and input_perturbation are scaled by a random number in [0, 1) each time
    """

    offset: float = setting(Widget("noise_offset", 0.0, least=0.0, most=1.0, step=0.01, basic=True,
        tooltip="Lets SD1.5 and SDXL learn very dark and very bright pictures. 0: off; 0.03-0.05 is usual. Too high: contrast becomes "
                "harsh and colours drift. Leave it 0 for FLUX and v-prediction models."))
    adaptive_offset: float = setting(Widget("adaptive_offset", 0.0, least=-1.0, most=1.0, step=0.005,
        tooltip="Adds this times each picture's own brightness to noise_offset. 0: off; about noise_offset / 10 is usual."))
    multires_iterations: int = setting(Widget("multires_iterations", 0, least=0, most=16,
        tooltip="Coarse noise at so many sizes, another way to learn dark and bright pictures. 0: off; 6-10 is usual. Not together with "
                "noise_offset."))
    multires_discount: float = setting(Widget("multires_discount", 0.3, least=0.01, most=0.99, step=0.05,
        tooltip="How strong the coarse noise is: 0.1-0.3 is usual; 0.8 is strong."))
    input_perturbation: float = setting(Widget("input_perturbation", 0.0, least=0.0, most=1.0, step=0.01,
        tooltip="Disturbs the noisy picture a little, which makes training sturdier. 0: off; 0.1 is the paper's value. Too high: soft "
                "pictures."))
    random_strength: bool = setting(Widget("random_strength", False,
        tooltip="Draws noise_offset and input_perturbation anew each time, between 0 and the values above."))

    def problems(self) -> list[str]:
        found = positive("multires_discount", self.multires_discount)
        if self.multires_discount >= 1:
            found.append(f"multires_discount is {self.multires_discount} but must be below 1 (0.3 is usual).")
        for name, low, high in (("offset", 0, 1), ("adaptive_offset", -1, 1), ("multires_iterations", 0, 16),
                                ("input_perturbation", 0, 1)):
            value = getattr(self, name)
            if not low <= value <= high:
                label = "noise_offset" if name == "offset" else name
                found.append(f"{label} is {value} but must lie between {low} and {high} (0: off).")
        if self.random_strength and not (self.offset or self.adaptive_offset or self.input_perturbation):
            found.append("random_strength has no effect without noise_offset or input_perturbation. Switch it off.")
        return found


def draw_noise(x0: Tensor, spec: NoiseSpec, generator: Generator) -> tuple[Tensor, Tensor | None]:
    """(noise, perturbation or None) for one item x0 (C, ..., H, W); fp32 on the CPU, as `generator` is. Noise that depends on x0 is on
    its device: the host does not wait for that.

    The plain noise is drawn first, so switching an extra on does not change it.
    """
    noise = torch.randn(x0.shape, generator=generator)
    if spec.offset or spec.adaptive_offset:
        shift = noise_offset(x0, spec.offset, spec.adaptive_offset, spec.random_strength, generator)
        noise = uploaded(noise, shift.device) + shift
    if spec.multires_iterations:
        noise = multires_noise(noise, spec.multires_iterations, spec.multires_discount, generator)
    if not spec.input_perturbation:
        return noise, None
    strength = spec.input_perturbation * (uniform(generator) if spec.random_strength else 1.0)
    return noise, strength * torch.randn(x0.shape, generator=generator)


def noise_offset(x0: Tensor, offset: float, adaptive: float, random_strength: bool, generator: Generator) -> Tensor:
    """(C, 1, ..., 1): strength x one normal number a channel; strength = max(0, offset + adaptive |mean of channel|)."""
    strength = torch.full((x0.shape[0],), float(offset))
    if random_strength:
        strength = strength * uniform(generator)
    drawn = torch.randn(x0.shape[0], generator=generator)
    if adaptive:
        mean = x0.detach().float().flatten(1).mean(1)
        strength = (uploaded(strength, mean.device) + adaptive * mean.abs()).clamp(min=0)
    return (strength * uploaded(drawn, strength.device)).view(-1, *[1] * (x0.ndim - 1))


def multires_noise(noise: Tensor, iterations: int, discount: float, generator: Generator) -> Tensor:
    """Pyramid noise: coarser noise, enlarged and weighted discount^i, is added; then scaled to deviation 1.

    Layer i is about r^i times coarser with r drawn anew from [2, 4); layer 0 is full-size noise again. Layers stop
    after a side has reached 1. `noise` is (C, ..., H, W).
    """
    height, width = noise.shape[-2:]
    planes = noise.reshape(1, -1, height, width)
    for i in range(iterations):
        ratio = (2 + 2 * uniform(generator)) ** i
        small = max(1, int(height / ratio)), max(1, int(width / ratio))
        layer = torch.randn(1, planes.shape[1], *small, generator=generator)
        planes = planes + uploaded(interpolate(layer, (height, width), mode="bilinear"), planes.device) * discount**i
        if 1 in small:
            break
    return (planes / planes.std()).reshape(noise.shape)


def uniform(generator: Generator) -> float:
    """One number of [0, 1)."""
    return float(torch.rand((), generator=generator, dtype=torch.float64))
