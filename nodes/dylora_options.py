"""DyLoRA Options: how many ranks are trained together."""

from comfy_api.latest import io

from ..training.network.kinds import dylora
from . import sockets
from .widgets import CATEGORY


class DyLoRAOptions(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="LoRACanvasDyLoRAOptions",
            display_name="DyLoRA Options",
            category=CATEGORY,
            description="For algorithm dylora: how many ranks are trained together. Connect it to options on LoRA Network.",
            inputs=[
                io.Int.Input("unit", default=4, min=1, max=1024,
                    tooltip="The LoRA can later be cut to any multiple of this rank. "
                            "It must divide rank. 4 is usual; smaller needs more steps."),
            ],
            outputs=[sockets.Kind.Output(display_name="options")],
        )

    @classmethod
    def execute(cls, unit) -> io.NodeOutput:
        return io.NodeOutput(dylora.DyLoRAOptions(unit=unit))
