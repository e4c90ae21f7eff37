"""Training Objective: what counts as an error, and on which noise levels."""

from comfy_api.latest import io

from ..training.objective.menu import objective_from, widgets
from . import sockets
from .widgets import CATEGORY, input_of


class TrainingObjective(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="LoRACanvasTrainingObjective",
            display_name="Training Objective",
            category=CATEGORY,
            description="What the model is corrected for while training. You do not need this node for a good LoRA: without it, or with "
                        "its defaults, every model is trained as its makers did, plus what experience has shown to help.",
            inputs=[input_of(widget) for widget in widgets()],
            outputs=[sockets.Objective.Output(display_name="objective")],
        )

    @classmethod
    def execute(cls, **values) -> io.NodeOutput:
        return io.NodeOutput(objective_from(values))
