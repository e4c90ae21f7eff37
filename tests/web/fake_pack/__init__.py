"""The panel's sparring partner: a pack whose Train LoRA invents its numbers.

Linked into a ComfyUI beside the real `host/`, `training/` and `web/`, it drives the real listeners, registry and
routes at any speed, without a model.
"""

from comfy_api.latest import ComfyExtension, io

from .fake_training import FakeControl, train
from .host.panel import routes
from .host.panel.listeners import panel_listeners
from .host.runs.registry import RUNS
from .host.runs.run_folders import runs_root

WEB_DIRECTORY = "./web"


class FakeTrainLoRA(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="LoRACanvasTrainLoRA",
            display_name="Train LoRA",
            category="LoRA Canvas",
            is_output_node=True,
            inputs=[
                io.String.Input("run_name", default="lora"),
                io.Int.Input("steps", default=1000, min=1, max=1_000_000),
                io.Int.Input("seed", default=0, min=0, max=2**63 - 1, control_after_generate=True),
                io.String.Input("resume", default=""),
                io.Float.Input("seconds_per_step", default=0.05, min=0.0, max=60.0, step=0.001, round=False),
                io.Int.Input("preview_every", default=100, min=0, max=100_000),
            ],
            outputs=[io.String.Output(display_name="run_folder")],
            hidden=[io.Hidden.unique_id, io.Hidden.extra_pnginfo, io.Hidden.prompt],
        )

    @classmethod
    def execute(cls, run_name, steps, seed, resume, seconds_per_step, preview_every) -> io.NodeOutput:
        node_id, folder, control = cls.hidden.unique_id, runs_root() / run_name, FakeControl()
        with RUNS.live(run_name, folder, control, node_id):
            train(folder, control, panel_listeners(node_id, node_id, run_name, RUNS), steps=steps, seed=seed, resume=resume,
                  pause=seconds_per_step, preview_every=preview_every,
                  graph={"workflow": (cls.hidden.extra_pnginfo or {}).get("workflow"), "prompt": cls.hidden.prompt,
                         "node_id": node_id})
        return io.NodeOutput(str(folder))


class Extension(ComfyExtension):
    async def get_node_list(self) -> list[type[io.ComfyNode]]:
        return [FakeTrainLoRA]


async def comfy_entrypoint() -> Extension:
    return Extension()


routes.register()
