"""The batch of the rehearsal: fakes of the run's largest pictures and longest caption, in the shapes that the encoders give them."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

import torch
from torch import Tensor

from ...data.batches import Draw
from ...data.captions import texts_needed
from ...data.conditions import text_condition
from ...data.items import Item
from ...data.latents import PIXELS_PER_BATCH
from ...data.references import View, views_of
from ...errors import Contained
from ...memory.cost.ledger import Ledger
from ...network.network import Network
from ...order import Order
from ...protocols import Condition, TextCondition


@dataclass(frozen=True, kw_only=True)
class Batch:
    """Fake latents of `shape` (B, C, H, W), in the model's own space. `condition` is made anew in every forward, since encoders may be
    trained. One picture takes `picture` bytes beside the weights of the VAE while it is encoded, of which `together` are encoded at once at
    most, one caption `caption` beside those of the text encoders, and one preview `preview` beside the VAE's while it is decoded, as far as
    that can be gone through."""

    shape: tuple[int, ...]
    condition: Callable[[], Condition]
    has_masks: bool
    picture: int
    together: int
    caption: int
    preview: int


class Fakes:
    """A Feed that gives one batch, whatever is drawn."""

    def __init__(self, batch: Batch, device: torch.device):
        self._batch = batch
        self._device = device

    def batch(self, draws: Sequence[Draw]) -> Any:
        """What a Feed gives, of fakes."""
        (size, _, *space), device = self._batch.shape, self._device
        return SimpleNamespace(
            latents=torch.empty(self._batch.shape, device=device), conditions=[self._batch.condition() for _ in draws],
            masks=torch.ones(size, 1, *space[-2:], device=device) if self._batch.has_masks else None,
            weights=torch.ones(size, device=device),
        )

    def with_text(self, draws: Sequence[Draw], conditions: Sequence[Condition], texts: Sequence[str]) -> list[Condition]:
        return [self._batch.condition() for _ in draws]

    def caption(self, draw: Draw) -> str:
        return ""

    def is_regularisation(self, draw: Draw) -> bool:
        return draw.seed == 0


def largest_batch(order: Order, network: Network, items: Sequence[Item]) -> Batch:
    """Of `items`, whatever their number. Raises what an encoder raises that cannot run on fakes."""
    item = items[largest(items)]
    device = order.denoiser.device
    with Ledger(device) as pictures:
        latent, extras = _latent(order, item), _references(order, item)
    with Ledger(device) as captions:
        longest = max((text for item in items for text in texts_needed([item.sample])), key=len, default="")
        text_of = _text_source(order, network, item, longest)
    with Contained(), Ledger(device) as previews:
        if order.recipe.preview is not None:
            order.sampler.decode_nothing(order.recipe.preview.sampling.largest())
    return Batch(
        shape=(order.recipe.run.batch_size, *latent.shape),
        condition=lambda: Condition(text=text_of(), geometry=item.geometry, extras=extras),
        has_masks=any(item.sample.mask is not None or item.sample.alpha == "mask" for item in items),
        picture=pictures.peak, together=min(len(items), max(1, PIXELS_PER_BATCH // math.prod(item.shape))), caption=captions.peak,
        preview=previews.peak,
    )


def largest(items: Sequence[Item]) -> int:
    """The place of the one that the model computes most for: its pixels, and as many for each reference."""
    return max(range(len(items)), key=lambda place: math.prod(items[place].shape) * (1 + len(items[place].sample.references)))


def _latent(order: Order, item: Item) -> Tensor:
    """(C, H, W), with a time axis (C, T, H, W)."""
    picture = item.sample.picture
    if picture.encoded is not None:
        return _fake(picture.encoded["latent"])
    frames = (picture.frames,) if picture.frames > 1 else ()
    return _fake(order.image_encoder.encode(torch.zeros(1, *frames, item.bucket[1], item.bucket[0], 3))[0])


def _references(order: Order, item: Item) -> dict[str, Any]:
    """What the item's references put into its condition."""
    encoder, views = order.reference_encoder, views_of(item)
    if encoder is None or not views:
        return {}
    return {"reference_latents": [_fake(encoder.encode(_pixels(view), view.target)) for view in views], **encoder.extras}


def _pixels(view: View) -> Tensor:
    left, top, right, bottom = view.box
    return torch.zeros(1, bottom - top, right - left, 3)


def _text_source(order: Order, network: Network, item: Item, text: str) -> Callable[[], TextCondition]:
    """Gives the condition of `text`, fakes on the CPU where nothing in it is trained."""
    encoder, given = order.text_encoder, item.sample.condition
    if given is None and order.trains_text_encoders:
        others = encoder.frozen({part.name for part in order.parts if network.adapters_of(part.name)})
        kept = None if others is None else _fakes(others.encode(text))
        return lambda: encoder.encode_trainable(text, kept)
    if given is None:
        looked_at = order.reference_encoder.looks if order.reference_encoder is not None else False
        given = encoder.encode(text, [_pixels(view) for view in views_of(item)]) if looked_at else encoder.encode(text)
    condition = _fakes(given)
    return lambda: condition


def _fakes(condition: TextCondition) -> TextCondition:
    return text_condition({**condition.tensors, **condition.values}, _fake)


def _fake(tensor: Tensor) -> Tensor:
    """Of its shape and dtype, on the CPU; autograd may keep it."""
    with torch.inference_mode(False):
        return torch.empty_like(tensor, device="cpu")
