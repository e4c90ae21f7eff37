"""What the engine needs of its host: a denoiser, encoders, a sampler. `host/` supplies ComfyUI's;
tests supply ten-line fakes.

Shapes: B batch, C latent channels, H W latent height and width (models with a time axis have T
before H W), h w pixel height and width.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    import torch
    from torch import nn

    from .specs import SamplingSpec


@dataclass(frozen=True, kw_only=True)
class TextCondition:
    """One caption as the text encoders see it.

    `tensors` holds what the host's encoder returns ('cond' (1, tokens, width), 'pooled_output'
    (1, width), attention masks ...), `values` what comes beside them and is no tensor (lists of
    reference latents, a guidance, flags); the engine only stores and returns both.
    """

    tensors: Mapping[str, "torch.Tensor"]
    values: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class PixelGeometry:
    """How a picture became its training crop, in pixels; SDXL is conditioned on it.

    `original` is the file's (width, height), `crop` the (left, top) cut off after resizing,
    `target` the (width, height) of the crop itself.
    """

    original: tuple[int, int]
    crop: tuple[int, int]
    target: tuple[int, int]


@dataclass(frozen=True, kw_only=True)
class Condition:
    """All that conditions one item: its caption and its geometry."""

    text: TextCondition
    geometry: PixelGeometry
    extras: Mapping[str, Any] = field(default_factory=dict)


class Denoiser(Protocol):
    """The borrowed diffusion model as a function of (noisy latents, noise level, conditions)."""

    parametrisation: str
    """'epsilon', 'v' or 'flow': which quantity the model's native loss is on."""

    family: str
    """A name in `training.families`."""

    device: "torch.device"

    patch: int
    """Latent pixels a side of one token: what decides how much noise a flow model is shown."""

    own_shift: float | None
    """Of a flow model: how far its own sampling is moved towards noise (`timesteps.shift`; 1: not at all). None: as FLUX.1's, by
    resolution."""

    def sampling_bytes(self, latent_shape: Sequence[int]) -> float:
        """What one pass over latents of this shape (B, C, H, W) takes beside the weights, without gradient."""
        ...

    def to_model_space(self, latents: "torch.Tensor") -> "torch.Tensor":
        """VAE latents (B, C, H, W) scaled and shifted as the model expects them."""
        ...

    def sigmas(self) -> "torch.Tensor":
        """The noise levels of the model's discrete steps, ascending: (1000,) for SD; a table for flow too."""
        ...

    def from_sampler(self, sigmas: "torch.Tensor") -> "torch.Tensor":
        """Noise levels as the host's samplers count them, in the units of `sigmas()`."""
        ...

    def add_noise(self, x0: "torch.Tensor", noise: "torch.Tensor", sigma: "torch.Tensor") -> "torch.Tensor":
        """Noisy latents x_t of clean x0 (B, ...) at noise levels sigma (B,), in ComfyUI's scaling."""
        ...

    def denoise(
        self, x_t: "torch.Tensor", sigma: "torch.Tensor", conditions: Sequence[Condition]
    ) -> "torch.Tensor":
        """The model's estimate D(x_t; sigma) of x0, fp32, one condition a sample, differentiable: `estimate` of `prepared`."""
        ...

    def prepared(self, x_t: "torch.Tensor", sigma: "torch.Tensor", conditions: Sequence[Condition]) -> Any:
        """What the model is asked with these, on its device: tensors, alone or in tuples, lists and dictionaries, beside numbers and
        texts. Whatever reads a number of a tensor, or takes one from a condition, is done here."""
        ...

    def estimate(self, asked: Any) -> "torch.Tensor":
        """D (B, ...) of what `prepared` gave, which may be asked more than once."""
        ...


class ImageEncoder(Protocol):
    """The VAE. `identity` changes whenever its weights do: it is part of every cache key."""

    identity: str
    downscale: int

    def encode(self, pixels: "torch.Tensor") -> "torch.Tensor":
        """(B, h, w, 3) in 0..1 -> latents (B, C, H, W), clips (B, frames, h, w, 3) -> (B, C, T, H, W), fp32 on the CPU; may
        be an inference tensor."""
        ...


class CaptionEncoder(Protocol):
    """Captions, once each. `identity` covers weights, applied LoRAs and CLIP-skip."""

    identity: str

    def encode(self, text: str, pictures: Sequence["torch.Tensor"] = ()) -> TextCondition:
        """The caption, taken literally, without gradient; the tensors may be inference tensors. `pictures`, each
        (1, h, w, 3) in 0..1, are given only where a ReferenceEncoder `looks`."""
        ...


class TextEncoder(CaptionEncoder, Protocol):
    """The text encoders."""

    def encode_trainable(self, text: str, frozen: TextCondition | None = None) -> TextCondition:
        """The same with gradient, on the device: for training adapters on the text encoders. `frozen` is what
        `frozen(...)` made of the caption: those encoders are not run again."""
        ...

    def frozen(self, trained: Collection[str]) -> CaptionEncoder | None:
        """The encoders that are not named in `trained`, whose outputs stay the same all through a run; None when all
        of them are. Its `encode` gives '<encoder>.out' and more for each, only for `encode_trainable`."""
        ...

    def count_tokens(self, text: str) -> int: ...


class ReferenceEncoder(Protocol):
    """How the model's family takes pictures beside the caption. `identity` covers the VAE and the family's way: it is part
    of every cache key. `looks`: the text encoder sees them too; `follows_target`: their latents depend on the size of the
    picture that is trained. `extras` goes into every condition that has references."""

    identity: str
    looks: bool
    follows_target: bool
    extras: Mapping[str, Any]

    def encode(self, picture: "torch.Tensor", target: tuple[int, int]) -> "torch.Tensor":
        """(1, h, w, 3) in 0..1, beside a picture of `target` (width, height) -> what the condition holds of it, mostly its
        latent (1, C, H, W); fp32 on the CPU; may be an inference tensor."""
        ...


class Sampler(Protocol):
    """Makes the preview pictures with the host's own samplers and whatever is attached to the model."""

    def sample(self, spec: "SamplingSpec", prompt: str, seed: int, references: Sequence["torch.Tensor"] = ()) -> "torch.Tensor":
        """(1, h, w, 3) in 0..1, on the CPU. `references`, each (1, h, w, 3), are what an edit model starts from."""
        ...

    def decode_nothing(self, spec: "SamplingSpec") -> "torch.Tensor":
        """As `sample` ends, with an empty latent: for what it takes."""
        ...


class WeightAccess(Protocol):
    """The base weights of one part as they act in the forward: dequantised, moved, with what was applied upstream."""

    device: "torch.device"
    """Where the part computes: text encoders may do so on the CPU while the diffusion model is on a card."""

    dtype: "torch.dtype"
    """What the part computes in."""

    def weight(self, module: "nn.Module", dtype: "torch.dtype") -> "torch.Tensor":
        """The module's weight in `dtype` on the compute device; may be the stored tensor itself."""
        ...

    def bias(self, module: "nn.Module", dtype: "torch.dtype") -> "torch.Tensor | None":
        """The module's bias in `dtype` on the compute device; None when it has none."""
        ...

    def changed(
        self, module: "nn.Module", changes: "Mapping[str, Callable[[torch.Tensor], torch.Tensor]]"
    ) -> "AbstractContextManager[None]":
        """While open, each of the module's own parameters that is named computes as what the function makes of it."""
        ...

    def can_recast(self, module: "nn.Module") -> bool:
        """Whether the module's forward may ever make a copy of its weight."""
        ...

    def recasts(self, module: "nn.Module") -> bool:
        """Whether it makes one now (another dtype, another device, a patch)."""
        ...

    def at_hand(self, module: "nn.Module") -> "AbstractContextManager[Any]":
        """Open while the module's forward computes, or its backward: what lies in another memory may be fetched ahead of it."""
        ...

    def in_fp8(self, module: "nn.Module") -> "tuple[torch.Tensor, torch.Tensor] | None":
        """Where the gradient of the module's input is to be multiplied in fp8: the weight's numbers (out, in) in fp8 and their scale ()
        in fp32, on the compute device."""
        ...
