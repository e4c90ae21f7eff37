"""Start From LoRA: training goes on from a LoRA that exists."""

from dataclasses import replace

from comfy_api.latest import io

from ..host.lora.given import NO_FILE, file_stamp, lora_names
from ..host.lora.start_from import start_from
from ..host.wired import Wired
from . import sockets
from .widgets import CATEGORY, extra

_WIRED = Wired(file_stamp)


class StartFromLoRA(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="LoRACanvasStartFromLoRA",
            display_name="Start From LoRA",
            category=CATEGORY,
            description="Goes on training a LoRA that exists, in any format that ComfyUI loads, into a new file. "
                        "Put it between LoRA Network and Train LoRA. "
                        "To train on top of a LoRA without changing it, apply it with a LoRA loader in front of Train LoRA instead.",
            inputs=[
                sockets.Network.Input("network", tooltip="From LoRA Network. Its algorithm must be that of the file: lora for most."),
                extra(io.Combo.Input("lora_name", options=lora_names(), default=NO_FILE,
                    tooltip="The file to go on from, from models/loras or from a run.")),
                extra(io.Boolean.Input("rank_from_file", default=True,
                    tooltip="On: the same layers with the file's ranks and alphas, whatever LoRA Network says. "
                            "Off: the network's rank and targets; the file's rank must not be larger.")),
                extra(io.Boolean.Input("drop_others", default=False,
                    tooltip="On: what this run cannot train is left out, such as the text "
                            "encoder's part while text_encoder_lr is 0. Off: that is an error.")),
                io.LoraModel.Input("lora", optional=True,
                    tooltip="A LoRA from another Train LoRA instead of a file. Then lora_name must be none."),
            ],
            outputs=[sockets.Network.Output(display_name="network")],
        )

    @classmethod
    def fingerprint_inputs(cls, lora_name=NO_FILE, **_widgets) -> str:
        return file_stamp(lora_name) if lora_name is not None else _WIRED.fingerprint()

    @classmethod
    def execute(cls, network, lora_name=NO_FILE, rank_from_file=True, drop_others=False, lora=None) -> io.NodeOutput:
        _WIRED.came(lora_name)
        start = start_from(lora_name, lora, rank_from_file=rank_from_file, drop_others=drop_others)
        return io.NodeOutput(replace(network, start_from=start))
