"""What newer ComfyUI's model classes want to be told beside what 0.3.75's were: as its own detection fills it in."""

import dataclasses
from collections.abc import Mapping
from typing import Any

SINCE_0_4: dict[str, dict[str, Any]] = {
    "flux": {"txt_ids_dims": []}, "flux2": {"txt_ids_dims": [3]}, "chroma": {"txt_ids_dims": [], "vec_in_dim": None},
    "chroma_radiance": {"txt_ids_dims": [], "vec_in_dim": None, "use_x0": False},
}


def completed(comfy, config: Mapping[str, Any]) -> dict[str, Any]:
    """`config` for the ComfyUI that runs."""
    asked = {field.name for field in dataclasses.fields(comfy.module("comfy.ldm.flux.model").FluxParams)}
    more = SINCE_0_4.get(config.get("image_model", ""), {}) if "txt_ids_dims" in asked else {}
    return {**more, **config}
