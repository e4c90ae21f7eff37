"""ComfyUI's loaded diffusion model as the engine's Denoiser."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

import comfy.latent_formats
import comfy.samplers
import torch
from torch import Tensor

from ...training.devices.upload import uploaded
from ...training.families import Family
from ...training.protocols import Condition
from ..lend import attention
from .refusals import require_trainable
from .space import own_shift, space_of


class ComfyDenoiser:
    """`patcher` is the MODEL of the graph, loaded. Conditions go through the model's own `extra_conds`, one a sample,
    so that a batch is the same as its items one by one."""

    def __init__(self, patcher, family: Family, dtype: torch.dtype):
        require_trainable(patcher)
        self._patcher = patcher
        self._dtype = dtype
        self._family = family
        self._space = space_of(patcher)
        self.family = family.name
        self.device = patcher.load_device
        self.parametrisation = self._space.parametrisation
        self.patch = spatial_patch(patcher.model)
        self.own_shift = own_shift(patcher, family)

    @property
    def _model(self):
        return self._patcher.model

    def sampling_bytes(self, latent_shape: Sequence[int]) -> float:
        """ComfyUI's own reckoning for an attention whose memory is linear, which SDPA is (model_base.memory_required)."""
        model = self._model
        places = latent_shape[0] * math.prod(latent_shape[2:])
        return places * self._dtype.itemsize * 0.01 * model.memory_usage_factor * 2**20

    def to_model_space(self, latents: Tensor) -> Tensor:
        return self._space.clean(self._model.process_latent_in(latents))

    def sigmas(self) -> Tensor:
        return self._space.sigmas()

    def from_sampler(self, sigmas: Tensor) -> Tensor:
        return self._space.from_comfy(sigmas)

    def add_noise(self, x0: Tensor, noise: Tensor, sigma: Tensor) -> Tensor:
        return self._space.add_noise(x0, noise, sigma)

    def denoise(self, x_t: Tensor, sigma: Tensor, conditions: Sequence[Condition]) -> Tensor:
        return self.estimate(self.prepared(x_t, sigma, conditions))

    def prepared(self, x_t: Tensor, sigma: Tensor, conditions: Sequence[Condition]) -> list[tuple[Tensor, Tensor, dict]]:
        """(noisy latents, noise level, what ComfyUI's model takes beside them) of each pass."""
        x_t, sigma = self._space.to_comfy(x_t, sigma)
        conds = [self._conds(condition, x_t[i : i + 1]) for i, condition in enumerate(conditions)]
        if all(_can_share_a_batch(conds[0], other) for other in conds[1:]):
            return [(x_t, sigma, self._batched(conds))]
        # Conditions of different length cannot be stacked without changing what the model sees.
        return [(x_t[i : i + 1], sigma[i : i + 1], self._batched([cond])) for i, cond in enumerate(conds)]

    def estimate(self, asked: list[tuple[Tensor, Tensor, dict]]) -> Tensor:
        found = [self._apply(*each) for each in asked]
        return self._space.clean(found[0] if len(found) == 1 else torch.cat(found))

    def _batched(self, conds: list[dict]) -> dict:
        return {name: _each(value, partial(uploaded, device=self.device)) for name, value in comfy.samplers.cond_cat(conds).items()}

    def _apply(self, x_t: Tensor, sigma: Tensor, batched: dict) -> Tensor:
        # Copies: HunyuanDiT writes its padding into the caption that it is given, which may be the cached one.
        batched = {name: _each(value, torch.clone) for name, value in batched.items()}
        options = dict(self._patcher.model_options.get("transformer_options", {}))
        options["optimized_attention_override"] = attention.override
        options["cond_or_uncond"] = [0]
        options["sigmas"] = sigma
        return self._model.apply_model(x_t, sigma, transformer_options=options, **batched)

    def _conds(self, condition: Condition, noise: Tensor) -> dict:
        text = {"pooled_output": None, **condition.text.tensors, **condition.text.values}
        given = {
            # Inpainting models ask for it, and take a blank picture when there is no mask.
            "latent_image": torch.zeros_like(noise),
            "width": noise.shape[-1] * 8, "height": noise.shape[-2] * 8, **self._geometry(condition), "prompt_type": "positive",
            "cross_attn": text.pop("cond", None), **text, **condition.extras, "noise": noise, "device": self.device,
        }
        if self._family.guidance_default is not None:
            given.setdefault("guidance", self._family.guidance_default)
        model_conds = self._model.extra_conds(**given)
        return {name: cond.process_cond(batch_size=1, area=None) for name, cond in model_conds.items()}

    def _geometry(self, condition: Condition) -> Mapping[str, int]:
        """What SDXL is told of the picture's size; what a condition of the graph says itself goes before."""
        if not self._family.size_conditioned:
            return {}
        geometry = condition.geometry
        return {
            "width": geometry.original[0], "height": geometry.original[1], "crop_w": geometry.crop[0], "crop_h": geometry.crop[1],
            "target_width": geometry.target[0], "target_height": geometry.target[1],
        }


def spatial_patch(model) -> int:
    """How many latent pixels a side one token of the model covers; 2 where it does not say, as in FLUX. FLUX.2's latents are packed
    to tokens by the VAE, though some of the models on them (Lens, Ideogram 4) call that their patch."""
    if isinstance(model.latent_format, comfy.latent_formats.Flux2):
        return 1
    diffusion_model = model.diffusion_model
    size = getattr(diffusion_model, "patch_size", None) or getattr(diffusion_model, "patch_spatial", None) or 2
    return int(size if isinstance(size, int) else size[-1])


def _can_share_a_batch(first: dict, other: dict) -> bool:
    if first.keys() != other.keys():
        return False
    return all(first[name].can_concat(other[name]) for name in first)


def _each(value: Any, change: Callable[[Tensor], Tensor]) -> Any:
    """`value` with each tensor in it changed."""
    if torch.is_tensor(value):
        return change(value)
    return [_each(entry, change) for entry in value] if isinstance(value, list) else value
