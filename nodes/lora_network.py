"""LoRA Network: which small weights are trained, and where they sit in the model."""

from comfy_api.latest import io

from ..training.network.adapter import adapters
from ..training.network.build import NetworkSpec
from ..training.network.spec import TargetSpec
from ..training.network.targets import PRESETS
from . import sockets
from .widgets import CATEGORY, advanced, lines


class LoRANetwork(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="LoRACanvasLoRANetwork",
            display_name="LoRA Network",
            category=CATEGORY,
            description="The shape of the LoRA: how large it is, and which parts of the model it changes. The defaults suit a first LoRA.",
            inputs=[
                io.Combo.Input("algorithm", options=adapters.names(), default="lora",
                    tooltip="The kind of adapter. 'lora' is the standard: it loads everywhere. Try others when you know why."),
                io.Int.Input("rank", default=16, min=1, max=1024,
                    tooltip="How much the LoRA can hold (kohya: network dim). 8-16 for a character or object, 16-32 for a style. "
                            "Too high: a large file that memorises your pictures. Too low: details are missing."),
                io.Float.Input("alpha", default=16.0, min=0.01, max=1024.0, step=0.5,
                    tooltip="Scales the LoRA by alpha / rank. Equal to rank: no scaling; half of it is gentler. Never above rank. "
                            "When you change it, the learning rate acts differently."),
                io.Combo.Input("targets", options=list(PRESETS), default=PRESETS[0],
                    tooltip="Which layers are trained. 'attention + feed-forward' is what kohya trains and the best start. 'attention' alone "
                            "makes smaller files and changes less. The 'all' choices also train input and output layers."),
                advanced(io.Int.Input("conv_rank", default=0, min=0, max=1024,
                    tooltip="Also trains 3x3 convolutions (LoCon) with this rank. 0: off. 4-8 helps styles and textures on SD1.5 and SDXL; "
                            "FLUX has none. Higher: larger files, and overfits sooner.")),
                advanced(io.Float.Input("conv_alpha", default=1.0, min=0.01, max=1024.0, step=0.5,
                    tooltip="Alpha of the convolutions; only read when conv_rank is above 0. Usual: equal to conv_rank, or half.")),
                advanced(io.String.Input("include", default="", multiline=True,
                    tooltip="More modules to train, one pattern a line: a part of a module's name, or a regular expression between slashes. "
                            "Example: time_embed. Empty is right for most.")),
                advanced(io.String.Input("exclude", default="", multiline=True,
                    tooltip="Modules to leave alone, one pattern a line. Example: /input_blocks\\.[12]\\./ keeps the first blocks as they are. "
                            "A pattern that matches nothing is an error.")),
                advanced(io.Float.Input("dropout", default=0.0, min=0.0, max=0.95, step=0.05,
                    tooltip="Switches off this share of the LoRA's inner values at random in each step. 0 is usual; 0.1-0.3 against "
                            "overfitting on few pictures. Too high: it learns slowly or not at all.")),
                advanced(io.Float.Input("rank_dropout", default=0.0, min=0.0, max=0.95, step=0.05,
                    tooltip="Switches off whole ranks at random. 0 is usual; 0.1-0.3 against overfitting.")),
                advanced(io.Float.Input("module_dropout", default=0.0, min=0.0, max=0.95, step=0.05,
                    tooltip="Switches off whole layers of the LoRA at random. 0 is usual; 0.1-0.3 against overfitting.")),
            ],
            outputs=[sockets.Network.Output(display_name="network")],
        )

    @classmethod
    def execute(cls, algorithm, rank, alpha, targets, conv_rank=0, conv_alpha=1.0, include="", exclude="",
                dropout=0.0, rank_dropout=0.0, module_dropout=0.0) -> io.NodeOutput:
        adapters.get(algorithm)
        chosen = TargetSpec(preset=targets, include=lines(include), exclude=lines(exclude))
        return io.NodeOutput(NetworkSpec(
            algorithm=algorithm, rank=rank, alpha=alpha, conv_rank=conv_rank, conv_alpha=conv_alpha if conv_rank else 0.0,
            targets=chosen, dropout=dropout, rank_dropout=rank_dropout, module_dropout=module_dropout,
        ))
