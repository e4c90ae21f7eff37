"""What a step of the run will take, known before anything is encoded."""

from __future__ import annotations

import logging
from collections.abc import Sequence

from ...data.captions import texts_needed
from ...data.items import Item
from ...files.store import content_key
from ...memory.choice import CHEAP
from ...memory.cost.plan import StepCost
from ...order import Order
from ...settings import describe
from .step import Step, rehearsed

log = logging.getLogger(__name__)

#: What was gone through last, by all that shapes it.
_SEEN: dict[str, StepCost] = {}
_KEPT = 16


def foreseen(order: Order, items: Sequence[Item], step: Step, interrupts: tuple[type[BaseException], ...]) -> StepCost | None:
    """On the largest of the `items` that are trained. None where it must be measured: the host lends no fakes, or the model, or an encoder,
    cannot run on them."""
    items = [item for item in items if item.sample.is_trained]
    if order.cost is not None or order.rehearsal is None or not items:
        return order.cost
    key = _key(order, items)
    try:
        if key not in _SEEN:
            _SEEN[key] = rehearsed(order, items, step)
            while len(_SEEN) > _KEPT:
                _SEEN.pop(next(iter(_SEEN)))
        return _SEEN[key]
    except interrupts:
        raise
    except Exception as error:  # noqa: BLE001 - whatever somebody's code says that reads a number of a tensor that has none
        log.info("[LoRA Canvas] memory is measured on a step: the model does not run on fake tensors (%s: %s)", type(error).__name__, error)
        return None


def _key(order: Order, items: Sequence[Item]) -> str:
    recipe = order.recipe
    longest = max((len(text) for item in items for text in texts_needed([item.sample])), default=0)
    seen = sorted({(item.shape, len(item.sample.references), item.sample.mask is None, item.sample.alpha == "mask") for item in items})
    learned = [describe(spec) for spec in (recipe.network, recipe.optimizer, recipe.objective)]
    run = (recipe.run.batch_size, order.most_pieces > 1, describe(recipe.run)["assistant"], order.trains_text_encoders,
           recipe.run.memory, order.choice.recompute == CHEAP)
    return content_key("step", order.model_identity, str(order.denoiser.device), dict(order.extra_settings), learned, run, seen, longest)
