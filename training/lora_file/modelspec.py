"""modelspec.* entries: Stability's model specification 1.0.1."""

from __future__ import annotations

import base64
import io
from typing import TYPE_CHECKING, Any

from ..version import VERSION

if TYPE_CHECKING:
    import numpy as np

    from ..order import Order

THUMBNAIL_SIDE = 256


def modelspec_entries(order: "Order") -> dict[str, Any]:
    """prediction_type is absent for flow models."""
    family, parametrisation = order.family, order.denoiser.parametrisation
    width, height = order.recipe.dataset.buckets.areas()[0]
    window = order.recipe.objective.window
    return {
        "modelspec.sai_model_spec": "1.0.1",
        "modelspec.title": order.folder.name,
        "modelspec.architecture": order.model_facts.get("architecture") or family.architecture_for(parametrisation),
        "modelspec.implementation": family.implementation,
        "modelspec.implementation_version": f"lora-canvas/{VERSION}",
        "modelspec.resolution": f"{width}x{height}",
        "modelspec.prediction_type": parametrisation if parametrisation in ("epsilon", "v") else None,
        "modelspec.timestep_range": f"{window.minimum},{window.maximum}" if (window.minimum, window.maximum) != (0, 1000) else None,
        "modelspec.encoder_layer": order.model_facts.get("clip_skip"),
        "modelspec.trigger_phrase": order.recipe.dataset.captions.trigger,
    }


def thumbnail(picture: "np.ndarray") -> str:
    """(h, w, 3) uint8 -> a JPEG of at most 256 pixels a side as a data URL, the form that managers show."""
    from PIL import Image

    image = Image.fromarray(picture)
    image.thumbnail((THUMBNAIL_SIDE, THUMBNAIL_SIDE), Image.Resampling.LANCZOS)
    file = io.BytesIO()
    image.save(file, "JPEG", quality=85)
    return "data:image/jpeg;base64," + base64.b64encode(file.getvalue()).decode("ascii")
