"""What newer ComfyUI's model classes want to be told beside what 0.3.75's were: as its own detection fills it in."""

import dataclasses
from collections.abc import Mapping
from typing import Any

#: image_model -> (where the class of its settings is, what it wants).
_MORE: dict[str, tuple[str, dict[str, Any]]] = {
    "flux": ("flux.model.FluxParams", {"txt_ids_dims": []}),
    "flux2": ("flux.model.FluxParams", {"txt_ids_dims": [3]}),
    "chroma": ("chroma.model.ChromaParams", {"txt_ids_dims": [], "vec_in_dim": None}),
    "chroma_radiance": ("chroma_radiance.model.ChromaRadianceParams", {
        "txt_ids_dims": [], "vec_in_dim": None, "use_x0": False, "use_sequential_txt_ids": False,
    }),
    "hunyuan_video": ("hunyuan_video.model.HunyuanVideoParams", {"meanflow_sum": False}),
}


def completed(comfy, config: Mapping[str, Any]) -> dict[str, Any]:
    """`config` for the ComfyUI that runs: what its class knows and `config` does not say."""
    where, more = _MORE.get(config.get("image_model", ""), ("", {}))
    if not more:
        return dict(config)
    module, _, name = where.rpartition(".")
    known = {field.name for field in dataclasses.fields(getattr(comfy.module(f"comfy.ldm.{module}"), name))}
    return {**{key: value for key, value in more.items() if key in known}, **config}
