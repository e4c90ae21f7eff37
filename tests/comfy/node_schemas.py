"""The schemas of the nodes that the pack registers in the running ComfyUI."""

from typing import Any


def node_schemas(comfy) -> dict[str, Any]:
    """By node id, in the order in which they are registered."""
    nodes = comfy.module("pack.nodes").NODES
    return {schema.node_id: schema for schema in (node.define_schema() for node in nodes)}


def inputs(schema: Any) -> dict[str, Any]:
    """Inputs by name."""
    return {one.id: one for one in schema.inputs}
