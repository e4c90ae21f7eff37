"""LoRA Canvas: train a LoRA inside ComfyUI, on the model that the graph has already loaded. This is the door that
ComfyUI opens; it starts nothing."""

from comfy_api.latest import ComfyExtension

from .host import startup
from .nodes import NODES

WEB_DIRECTORY = "./web"

startup.register()


class LoRACanvas(ComfyExtension):
    async def get_node_list(self):
        return NODES


async def comfy_entrypoint() -> LoRACanvas:
    return LoRACanvas()
