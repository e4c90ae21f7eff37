"""What the text encoders of a family give for a caption, by shape: a step can be rehearsed without them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch

from ...training.protocols import TextCondition

#: Tokens, their width, and the width of a summary beside them (0: there is none). ComfyUI pads to these lengths, but for Z-Image and
#: Qwen-Image, whose captions are as long as they are: this is one of some two hundred words.
_GIVEN = {
    "sd15": (77, 768, 0), "sd2": (77, 1024, 0), "sdxl": (77, 2048, 1280), "flux": (256, 4096, 768),
    "z_image": (256, 2560, 0), "qwen_image": (256, 3584, 0), "wan": (512, 4096, 0),
}
_WIDTHS = ("context_dim", "context_in_dim", "cap_feat_dim")
"""What ComfyUI's configurations call the width of a token, where they say it."""


def caption_of(family: str, unet_config: Mapping[str, Any]) -> TextCondition | None:
    """A caption for a model of the family; None where it is not known what its encoders give."""
    if family not in _GIVEN:
        return None
    tokens, usual, summary = _GIVEN[family]
    width = next((unet_config[name] for name in _WIDTHS if unet_config.get(name)), usual)
    pooled = {"pooled_output": torch.zeros(1, summary)} if summary else {}
    return TextCondition(tensors={"cond": torch.zeros(1, tokens, width), **pooled})
