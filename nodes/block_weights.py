"""Block Weights: learning rate, rank and alpha block by block, and a look at what is trained."""

from dataclasses import replace

from comfy_api.latest import io

from ..host.lora.block_report import block_report
from ..training.network import block_weights as blocks
from . import sockets
from .early import refusal
from .widgets import CATEGORY, extra


class BlockWeights(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="LoRACanvasBlockWeights",
            display_name="Block Weights",
            category=CATEGORY,
            description="Trains some blocks of the model faster, with another rank, or not at all. Connect model to read in the "
                        "report which layers match and how many numbers are trained. Put it between LoRA Network and Train LoRA.",
            inputs=[
                sockets.Network.Input("network", tooltip="From LoRA Network."),
                extra(io.String.Input("rules", default="", multiline=True,
                    tooltip="One rule a line: where, a colon, settings. Where: blocks (down 0-3, mid, up 5, double 0-18, single 3,7), "
                            "a part of a layer's name, a whole name with * and ? (*attn?.to_q), or a regular expression between slashes. "
                            "Settings: lr=0.5 rank=8 alpha=4 conv_rank=4 conv_alpha=4, or off. "
                            "lr multiplies the learning rate. Later lines win.")),
                extra(io.String.Input("lr_weights", default="",
                    tooltip="One multiplier of the learning rate a block, with commas, as in kohya's scripts: 25 numbers (12 down, 1 mid, "
                            "12 up); SDXL also takes 21 (9, 3, 9); FLUX 57 (19 double, 38 single). 0 leaves a block out. Empty: all 1.")),
                extra(io.String.Input("ranks", default="",
                    tooltip="One rank a block in the same order (kohya: block_dims); SDXL also takes 23. "
                            "0 leaves a block out. Empty: the network's rank.")),
                extra(io.String.Input("alphas", default="",
                    tooltip="One alpha a block in the same order (kohya: block_alphas). Empty: the network's alpha.")),
                io.Model.Input("model", optional=True,
                    tooltip="Only for the report: the model that will be trained. Nothing is loaded or changed."),
                io.Clip.Input("clip", optional=True, tooltip="Only for the report: connect it when text encoders are trained too."),
            ],
            outputs=[
                sockets.Network.Output(display_name="network"),
                io.String.Output(display_name="report",
                    tooltip="Block by block: layers, rank, alpha, learning rate and trained numbers. Needs model."),
            ],
        )

    @classmethod
    def validate_inputs(cls, rules="", lr_weights="", ranks="", alphas="") -> bool | str:
        return refusal(lambda: _weights(rules or "", lr_weights or "", ranks or "", alphas or ""))

    @classmethod
    def execute(cls, network, rules="", lr_weights="", ranks="", alphas="", model=None, clip=None) -> io.NodeOutput:
        network = replace(network, block_weights=_weights(rules, lr_weights, ranks, alphas))
        return io.NodeOutput(network, block_report(network, model, clip))


def _weights(rules: str, lr_weights: str, ranks: str, alphas: str) -> blocks.BlockWeights:
    numbers = blocks.read_numbers
    return blocks.BlockWeights(lr=numbers("lr_weights", lr_weights), ranks=numbers("ranks", ranks), alphas=numbers("alphas", alphas),
                               rules=blocks.read_rules(rules))
