"""The space a model is trained in: how ComfyUI samples it, told as epsilon, v or flow.

The engine knows three parametrisations, with a data deviation of 1. Three of ComfyUI's are the same in other units, so they
are trained in those: EDM (v with a deviation of its own), Cosmos' rectified flow (flow, whose noise level is counted
as sigma / (sigma + 1) and whose latents are scaled with it) and CogVideoX' DDPM (v, whose latents are scaled to a deviation of 1).
"""

from __future__ import annotations

import comfy.model_sampling as sampling
from torch import Tensor

from ...training.errors import ModelError
from ...training.families import Family
from ...training.objective.timesteps import shift_of
from .. import compat


class Space:
    """Latents, noise levels and estimates as the engine counts them; this one counts as ComfyUI does.

    `previews` is what is to be known of the model's previews, where ComfyUI's KSampler cannot make them."""

    previews = ""

    def __init__(self, parametrisation: str, model_sampling):
        self.parametrisation = parametrisation
        self._sampling = model_sampling

    def sigmas(self) -> Tensor:
        """The noise levels of the model's steps, ascending."""
        return self.from_comfy(self._sampling.sigmas.detach().clone().float().cpu())

    def from_comfy(self, sigma: Tensor) -> Tensor:
        """Noise levels in ComfyUI's units -> in the engine's."""
        return sigma

    def shift(self) -> float:
        """How far a flow model's own sampling is moved towards noise: its settings, or those of a ModelSampling node."""
        return shift_of(self.sigmas())

    def clean(self, latents: Tensor) -> Tensor:
        """Latents in ComfyUI's units -> in the engine's."""
        return latents

    def add_noise(self, x0: Tensor, noise: Tensor, sigma: Tensor) -> Tensor:
        return self._sampling.noise_scaling(sigma, noise, x0)

    def to_comfy(self, x_t: Tensor, sigma: Tensor) -> tuple[Tensor, Tensor]:
        """Noisy latents and noise level in ComfyUI's units."""
        return x_t, sigma


class EdmSpace(Space):
    """Latents divided by their deviation: then EDM's loss (arXiv:2206.00364) is that of v-prediction."""

    def __init__(self, model_sampling):
        super().__init__("v", model_sampling)
        self._deviation = float(model_sampling.sigma_data)

    def from_comfy(self, sigma: Tensor) -> Tensor:
        return sigma / self._deviation

    def clean(self, latents: Tensor) -> Tensor:
        return latents / self._deviation

    def add_noise(self, x0: Tensor, noise: Tensor, sigma: Tensor) -> Tensor:
        return x0 + _like(sigma, x0) * noise

    def to_comfy(self, x_t: Tensor, sigma: Tensor) -> tuple[Tensor, Tensor]:
        return x_t * self._deviation, sigma * self._deviation


class DdpmSpace(Space):
    """v, but ComfyUI hands the model what it is given, which must be x0 and noise that together have a deviation of 1."""

    previews = ("ComfyUI's KSampler gives this model noise that is some thousand times too large, so previews and LoRA Test cannot show "
                "what is learned. Sample with SamplerCustom and the VOID Sampler node, which starts from plain noise.")

    def __init__(self, model_sampling):
        super().__init__("v", model_sampling)

    def to_comfy(self, x_t: Tensor, sigma: Tensor) -> tuple[Tensor, Tensor]:
        return x_t / (_like(sigma, x_t) ** 2 + 1) ** 0.5, sigma


class CosmosFlowSpace(Space):
    """ComfyUI counts x0 + sigma noise; the model sees (1 - t) x0 + t noise with t = sigma / (sigma + 1), which is flow."""

    def __init__(self, model_sampling):
        super().__init__("flow", model_sampling)

    def from_comfy(self, sigma: Tensor) -> Tensor:
        return sigma / (sigma + 1)

    def shift(self) -> float:
        """None: its table is one of logarithms, and a sigmoid of t is already the lognormal of sigma that it was trained with."""
        return 1.0

    def add_noise(self, x0: Tensor, noise: Tensor, sigma: Tensor) -> Tensor:
        t = _like(sigma, x0)
        return (1 - t) * x0 + t * noise

    def to_comfy(self, x_t: Tensor, sigma: Tensor) -> tuple[Tensor, Tensor]:
        return x_t / (1 - _like(sigma, x_t)), sigma / (1 - sigma)


def space_of(patcher) -> Space:
    """The space of a MODEL, with what the graph did to its sampling. Raises ModelError for one that has none."""
    model_sampling = patcher.get_model_object("model_sampling")
    if isinstance(model_sampling, sampling.EDM):
        return EdmSpace(model_sampling)
    if isinstance(model_sampling, sampling.COSMOS_RFLOW):
        return CosmosFlowSpace(model_sampling)
    if compat.is_sampled_as(model_sampling, "V_PREDICTION_DDPM"):
        return DdpmSpace(model_sampling)
    known = ((sampling.V_PREDICTION, "v"), (sampling.X0, None), (sampling.EPS, "epsilon"), (sampling.CONST, "flow"))
    name = next((name for kind, name in known if isinstance(model_sampling, kind)), None)
    if name is None:
        how = ", ".join(base.__name__ for base in type(model_sampling).__bases__)
        raise ModelError(
            "Train LoRA",
            [f"the model is sampled as {how}: it predicts no noise, velocity or flow, so there is no objective to train on. "
             "Use an SD, SDXL, FLUX or other epsilon, v or flow model."],
        )
    return Space(name, model_sampling)


def own_shift(patcher, family: Family) -> float | None:
    """Of a flow model: the shift that the graph samples it with. None: by resolution, as FLUX.1 is meant to be, whose file and
    class give one shift for all sizes; a ModelSampling node of the graph goes before."""
    by_file = "model_sampling" not in patcher.object_patches
    if family.shift_by_resolution and by_file and isinstance(patcher.get_model_object("model_sampling"), sampling.ModelSamplingFlux):
        return None
    space = space_of(patcher)
    return space.shift() if space.parametrisation == "flow" else 1.0


def _like(sigma: Tensor, latents: Tensor) -> Tensor:
    return sigma.view(-1, *[1] * (latents.ndim - 1))
