"""Which part of a picture counts: 1 inside the mask, `unmasked_weight` outside."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor
from torch.nn.functional import interpolate

from .widget import Widget, setting


@dataclass(frozen=True, kw_only=True, slots=True)
class MaskedLoss:
    """How the pictures' masks are used; pictures without a mask count whole.

    unmasked_weight       0..1, how much the part outside the mask still counts (0.1 keeps backgrounds sane)
    unmasked_probability  0..1, how often a picture is trained as if it had no mask
    normalise             divide by the mask's mean, so that a small mask is not a small loss
    """

    unmasked_weight: float = setting(Widget("unmasked_weight", 0.0, least=0.0, most=1.0, step=0.05,
        tooltip="For pictures with a mask: how much the part outside it still counts. 0: not at all; 0.1 keeps backgrounds sane; 1: the "
                "mask does nothing."))
    unmasked_probability: float = setting(Widget("unmasked_probability", 0.0, least=0.0, most=1.0, step=0.05,
        tooltip="For pictures with a mask: how often the whole picture is trained all the same. 0: never; 0.1 is usual."))
    normalise: bool = setting(Widget("normalise_mask", True,
        tooltip="A small masked part is learned as strongly as a large one. Off: a small part counts little, as in kohya's scripts."))

    def problems(self) -> list[str]:
        return [
            f"{name} is {getattr(self, name)} but must lie between 0 and 1."
            for name in ("unmasked_weight", "unmasked_probability")
            if not 0 <= getattr(self, name) <= 1
        ]


def latent_mask(mask: Tensor, size: tuple[int, int]) -> Tensor:
    """A mask (B, 1, h, w) in 0..1 at pixel size -> (B, 1, H, W) by area averaging."""
    return mask if mask.shape[-2:] == size else interpolate(mask, size, mode="area")


def masked_means(elementwise: Tensor, mask: Tensor | None, spec: MaskedLoss, unmasked: Tensor | None) -> Tensor:
    """Elementwise losses (B, C, ..., H, W) -> one mean a sample (B,).

    `mask` is (B, 1, H, W) or (B, H, W) at latent size, or None; `unmasked` (B,) bool marks samples whose mask is
    ignored this time.
    """
    if mask is None:
        return elementwise.flatten(1).mean(1)
    mask = mask.to(elementwise).reshape(mask.shape[0], *[1] * (elementwise.ndim - 3), *mask.shape[-2:])
    mask = mask.clamp(spec.unmasked_weight, 1)
    if unmasked is not None:
        mask = mask.masked_fill(unmasked.to(mask.device).view(-1, *[1] * (mask.ndim - 1)), 1)
    means = (elementwise * mask).flatten(1).mean(1)
    # An empty mask has nothing to learn from: 0, not 0 / 0.
    return means / mask.flatten(1).mean(1).clamp(min=1e-6) if spec.normalise else means
