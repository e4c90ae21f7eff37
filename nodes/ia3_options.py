"""IA3 Options: which side of a layer is scaled."""

from comfy_api.latest import io

from ..training.network.kinds import ia3
from . import sockets
from .widgets import CATEGORY


class IA3Options(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="LoRACanvasIA3Options",
            display_name="IA3 Options",
            category=CATEGORY,
            description="For algorithm ia3: which side of each layer is scaled. Connect it to options on LoRA Network.",
            inputs=[
                io.Boolean.Input("on_input", default=False,
                    tooltip="Off: what comes out of a layer is scaled; ComfyUI loads it. "
                            "On: what goes in; every program that knows DoRA loads it."),
            ],
            outputs=[sockets.Kind.Output(display_name="options")],
        )

    @classmethod
    def execute(cls, on_input) -> io.NodeOutput:
        return io.NodeOutput(ia3.IA3Options(on_input=on_input))
