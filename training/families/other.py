"""Every model that has no file format of its own: files are keyed as ComfyUI calls the weights."""

from __future__ import annotations

from .base import Family, dotted

FAMILY = Family(name="other", title="Other", file_key=dotted("diffusion_model."))
