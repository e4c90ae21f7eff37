"""A model that no list knows, tried in the smallest way before any work: one picture through its VAE, one caption through its
CLIP, one forward. Then it is trained, and told so, or refused with what was found."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import torch
from torch import Tensor

from ...training.errors import ModelError, is_out_of_memory
from ...training.protocols import Condition, PixelGeometry, TextCondition
from .. import compat
from ..model.images import ComfyImageEncoder
from ..model.text import ComfyTextEncoder
from ..session import Session

SIDE = 256
CAPTIONS = ("a photo of a red house under a tree", "three dogs")

Found = TypeVar("Found")


def tried(session: Session, vae, clip) -> str:
    """What is to be said of a MODEL that went well. Raises ModelError with the first thing that did not."""
    latents = _step(session, "the VAE cannot encode a picture", lambda: ComfyImageEncoder(vae).encode(_picture()))
    _require_fit(session, latents)
    texts = _step(session, "the CLIP cannot encode a caption", lambda: [ComfyTextEncoder(clip).encode(text) for text in CAPTIONS])
    given = f"latents of {_shape(latents)} and {_shapes(texts[0])}"
    first, second = _step(session, f"it does not run on {given}", lambda: _denoised(session, latents, texts))
    if first.shape != latents.shape:
        raise _refused(session, f"it answers {given} with {_shape(first)}, which is no picture of that size")
    if not first.isfinite().all():
        raise _refused(session, f"it answers {given} with infinities or no numbers at all (NaN)")
    if torch.equal(first, second):
        raise _refused(session, "two captions give the same picture: they do not reach it")
    return (f"{_kind(session)} is a model that LoRA Canvas has not been proven on. It was tried with one step's forward on {given}, and "
            "that went well. Look at the first samples and compare a short run's LoRA in LoRA Test before you train for long.")


def _picture() -> Tensor:
    """A grey ramp, (1, h, w, 3) in 0..1: a picture of one colour is outside of what some VAEs were made for."""
    return torch.linspace(0, 1, SIDE).expand(1, SIDE, SIDE)[..., None].repeat(1, 1, 1, 3)


def _require_fit(session: Session, latents: Tensor) -> None:
    """Of the number of axes only a forward can tell: models of videos differ in what they take."""
    wanted = session.patcher.get_model_object("latent_format").latent_channels
    if latents.shape[1] != wanted:
        raise _refused(session, f"the VAE makes latents of {_shape(latents)}, with {latents.shape[1]} channels, but it works on {wanted}")


def _denoised(session: Session, latents: Tensor, texts: list[TextCondition]) -> list[Tensor]:
    """The picture that the model sees in the same noise, of a middle level, for each caption."""
    denoiser, geometry = session.denoiser, PixelGeometry(original=(SIDE, SIDE), crop=(0, 0), target=(SIDE, SIDE))
    noise = torch.randn(latents.shape, generator=torch.Generator().manual_seed(0)).to(denoiser.device)
    with session.training(), torch.no_grad():
        x0 = denoiser.to_model_space(latents.to(denoiser.device))
        levels = denoiser.sigmas()
        sigma = levels[len(levels) // 2].reshape(1).to(denoiser.device)
        x_t = denoiser.add_noise(x0, noise, sigma)
        return [denoiser.denoise(x_t, sigma, [Condition(text=text, geometry=geometry)]).float().cpu() for text in texts]


def _step(session: Session, what: str, run: Callable[[], Found]) -> Found:
    """Only what says something of the model is told as such: a Cancel and a full memory go on as they are."""
    try:
        return run()
    except compat.INTERRUPTS:
        raise
    except Exception as error:
        if is_out_of_memory(error):
            raise
        lines = str(error).strip().splitlines()
        raise _refused(session, f"{what} ({type(error).__name__}{': ' + lines[0] if lines else ''})") from error


def _refused(session: Session, found: str) -> ModelError:
    return ModelError("Train LoRA", [
        f"LoRA Canvas has not been proven on this model ({_kind(session)}), and trying it showed why it cannot be trained: {found}. "
        "Check that the VAE and the CLIP are the ones that the model was published with."
    ])


def _kind(session: Session) -> str:
    return type(session.patcher.model.model_config).__name__


def _shape(tensor: Tensor) -> str:
    return " x ".join(str(size) for size in tensor.shape)


def _shapes(text: TextCondition) -> str:
    return "text of " + ", ".join(f"{_shape(tensor)} ({name})" for name, tensor in text.tensors.items())
