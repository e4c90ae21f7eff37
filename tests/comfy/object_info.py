"""What the server answers at /object_info, made in this process as ComfyUI's server makes it."""

from typing import Any


def object_info(comfy) -> dict[str, dict[str, Any]]:
    return {name: _info(name, kind, comfy.nodes.NODE_DISPLAY_NAME_MAPPINGS) for name, kind in comfy.nodes.NODE_CLASS_MAPPINGS.items()}


def _info(name: str, kind: type, titles: dict[str, str]) -> dict[str, Any]:
    if hasattr(kind, "GET_NODE_INFO_V1"):
        return kind.GET_NODE_INFO_V1()
    inputs = kind.INPUT_TYPES()
    return {
        "input": inputs, "input_order": {group: list(given) for group, given in inputs.items()},
        "output": kind.RETURN_TYPES, "output_name": getattr(kind, "RETURN_NAMES", kind.RETURN_TYPES),
        "name": name, "display_name": titles.get(name, name), "category": getattr(kind, "CATEGORY", ""),
    }
