"""Training Objective: what counts as an error, and on which noise levels."""

from comfy_api.latest import io

from ..training.objective.menu import FEW_STEPS, objective_from, widgets
from . import sockets
from .early import refusal, typed
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
            inputs=[
                *(input_of(widget) for widget in widgets()),
                io.Sigmas.Input("sigmas", optional=True, tooltip=(
                    "Train where you sample: connect the scheduler node that you make pictures with (Basic Scheduler and the like, with "
                    "the model connected). Every step of it is practised equally often. A piece of it, by Split Sigmas, trains that piece "
                    "alone: the high-noise or the low-noise model of Wan 2.2. Not connected: as timesteps says.")),
            ],
            outputs=[sockets.Objective.Output(display_name="objective")],
        )

    @classmethod
    def validate_inputs(cls, min_timestep=None, max_timestep=None, preservation=None, preservation_trigger=None,
                        preservation_class=None) -> bool | str:
        if preservation == FEW_STEPS:  # what it needs comes over a wire
            return True
        return refusal(lambda: objective_from(typed(
            min_timestep=min_timestep, max_timestep=max_timestep, preservation=preservation, preservation_trigger=preservation_trigger,
            preservation_class=preservation_class)))

    @classmethod
    def execute(cls, sigmas=None, **values) -> io.NodeOutput:
        return io.NodeOutput(objective_from(values, None if sigmas is None else sigmas.tolist()))
