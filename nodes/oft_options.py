"""OFT Options: how far OFT and BOFT may turn."""

from comfy_api.latest import io

from ..training.network.kinds import oft
from . import sockets
from .widgets import CATEGORY


class OFTOptions(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="LoRACanvasOFTOptions",
            display_name="OFT Options",
            category=CATEGORY,
            description="For algorithms oft and boft: how far they may turn the weights. Connect it to options on LoRA Network.",
            inputs=[
                io.Float.Input("constraint", default=0.0, min=0.0, max=10.0, step=0.0001, round=False,
                    tooltip="The limit of the turn, a channel. 0: none. 0.0001-0.01 keeps close to the model; larger learns more."),
            ],
            outputs=[sockets.Kind.Output(display_name="options")],
        )

    @classmethod
    def execute(cls, constraint) -> io.NodeOutput:
        return io.NodeOutput(oft.OFTOptions(constraint=constraint))
