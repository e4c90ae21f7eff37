"""LoKr Options: how the Kronecker factors are cut."""

from comfy_api.latest import io

from ..training.network.kinds import lokr
from . import sockets
from .widgets import CATEGORY


class LoKrOptions(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="LoRACanvasLoKrOptions",
            display_name="LoKr Options",
            category=CATEGORY,
            description="For algorithm lokr: how its two factors are cut. Connect it to options on LoRA Network.",
            inputs=[
                io.Int.Input("factor", default=-1, min=-1, max=1024,
                    tooltip="The size of the first factor. -1: as square as possible, the smallest file. "
                            "4-16: a larger file that can hold more."),
                io.Boolean.Input("decompose_both", default=False,
                    tooltip="Makes the first factor of low rank too: smaller still, and weaker."),
                io.Boolean.Input("full_matrix", default=False,
                    tooltip="Keeps the second factor whole whatever the rank: the strongest and largest. "
                            "rank and alpha then mean nothing."),
            ],
            outputs=[sockets.Kind.Output(display_name="options")],
        )

    @classmethod
    def execute(cls, factor, decompose_both, full_matrix) -> io.NodeOutput:
        return io.NodeOutput(lokr.LoKrOptions(factor=factor, decompose_both=decompose_both, full_matrix=full_matrix))
