"""LoRA Network: which small weights are trained, and where they sit in the model."""

from comfy_api.latest import io

from ..training.network.fitting import kind_of
from ..training.network.kinds.initial import DEFAULT, ORTHOGONAL, PISSA
from ..training.network.kinds.menu import ALGORITHMS
from ..training.network.spec import NetworkSpec, TargetSpec
from ..training.network.targets import PRESETS
from . import sockets
from .early import refusal, typed
from .widgets import CATEGORY, advanced, folded, lines


class LoRANetwork(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="LoRACanvasLoRANetwork",
            display_name="LoRA Network",
            category=CATEGORY,
            description="The shape of the LoRA: how large it is, and which parts of the model it changes. The defaults suit a first LoRA.",
            inputs=[
                io.Combo.Input("algorithm", options=list(ALGORITHMS), default="lora",
                    tooltip="The kind of adapter. 'lora' is the standard: it loads everywhere, and so do rslora (steadier "
                            "at high ranks), lora_fa (less memory) and dylora (can be cut to lower ranks later). "
                            "dora often looks closer to the subject but trains slower. lokr and loha make small files. oft and "
                            "boft turn what is there and keep the style; ia3 is tiny. Others than lora need a newer program to load."),
                io.Int.Input("rank", default=16, min=1, max=1024,
                    tooltip="How much the LoRA can hold (kohya: network dim). 8-16 for a character or object, 16-32 for a style. "
                            "Too high: a large file that memorises your pictures. Too low: details are missing."),
                io.Float.Input("alpha", default=16.0, min=0.01, max=1024.0, step=0.5,
                    tooltip="Scales the LoRA by alpha / rank. Equal to rank: no scaling; half of it is gentler. Never above rank. "
                            "When you change it, the learning rate acts differently."),
                folded(io.Combo.Input("targets", options=list(PRESETS), default=PRESETS[0],
                    tooltip="Which layers are trained. 'attention + feed-forward' is what kohya trains and the best start. 'attention' "
                            "alone makes smaller files and changes less. The 'all' choices also train input and output layers.")),
                advanced(io.Int.Input("conv_rank", default=0, min=0, max=1024,
                    tooltip="Also trains 3x3 convolutions (LoCon) with this rank. 0: off. 4-8 helps styles and textures on SD1.5 and SDXL; "
                            "FLUX has none. Higher: larger files, and overfits sooner.")),
                advanced(io.Float.Input("conv_alpha", default=1.0, min=0.01, max=1024.0, step=0.5,
                    tooltip="Alpha of the convolutions; only read when conv_rank is above 0. Usual: equal to conv_rank, or half.")),
                advanced(io.String.Input("include", default="", multiline=True,
                    tooltip="More modules to train, one pattern a line: a part of a module's name, "
                            "a whole name with * and ?, or a regular expression between slashes. Example: time_embed. "
                            "Text encoders' names begin with the encoder's: clip_l, t5xxl. Empty is right for most.")),
                advanced(io.String.Input("exclude", default="", multiline=True,
                    tooltip="Modules to leave alone, one pattern a line: also numbered blocks, such as down 0-3 or double 10-18. "
                            "A pattern that matches nothing is an error.")),
                advanced(io.Float.Input("dropout", default=0.0, min=0.0, max=0.95, step=0.05,
                    tooltip="Switches off this share of the LoRA's inner values at random in each step. 0 is usual; 0.1-0.3 against "
                            "overfitting on few pictures. Too high: it learns slowly or not at all.")),
                advanced(io.Float.Input("rank_dropout", default=0.0, min=0.0, max=0.95, step=0.05,
                    tooltip="Switches off whole ranks at random. 0 is usual; 0.1-0.3 against overfitting.")),
                advanced(io.Float.Input("module_dropout", default=0.0, min=0.0, max=0.95, step=0.05,
                    tooltip="Switches off whole layers of the LoRA at random. 0 is usual; 0.1-0.3 against overfitting.")),
                advanced(io.Combo.Input("init", options=[DEFAULT, ORTHOGONAL, PISSA], default=DEFAULT,
                    tooltip="What the LoRA starts as. 'default' is right for most. "
                            "'orthogonal' learns a little faster at first (even ranks). 'pissa' starts from the model's strongest "
                            "directions: learns fast, but the file is twice as large and the start takes minutes on large models.")),
                advanced(io.Float.Input("scale_weight_norms", default=0.0, min=0.0, max=1000.0, step=0.1,
                    tooltip="Keeps every layer's change below this size after each step, against overbaking. "
                            "0: off. 1 is usual; lower is stricter.")),
                sockets.Kind.Input("options", optional=True,
                    tooltip="What only one algorithm has: from LoKr Options, OFT Options, DyLoRA Options or IA3 Options."),
                advanced(io.Boolean.Input("train_norms", default=False,
                    tooltip="Also trains the model's normalisation layers, one or two numbers a channel: brightness, contrast and "
                            "strength of features. Adds about 1 MB. It can help a style; too high a learning rate shows here first. "
                            "ComfyUI loads them; some other programs leave them out. Off is right for a first LoRA.")),
                advanced(io.Boolean.Input("train_biases", default=False,
                    tooltip="Also trains the biases of the layers that are trained, one number a channel. "
                            "Adds 1 MB on SD1.5, 6 MB on FLUX. ComfyUI loads them; most other programs leave them out. Off is usual.")),
            ],
            outputs=[sockets.Network.Output(display_name="network")],
        )

    @classmethod
    def validate_inputs(cls, algorithm=None, init=None, include=None, exclude=None) -> bool | str:
        return refusal(lambda: kind_of(NetworkSpec(
            **typed(algorithm=algorithm, init=init), targets=TargetSpec(include=lines(include or ""), exclude=lines(exclude or "")))))

    @classmethod
    def execute(cls, algorithm, rank, alpha, targets, conv_rank=0, conv_alpha=1.0, include="", exclude="",
                dropout=0.0, rank_dropout=0.0, module_dropout=0.0, init=DEFAULT, scale_weight_norms=0.0, options=None,
                train_norms=False, train_biases=False) -> io.NodeOutput:
        chosen = TargetSpec(preset=targets, include=lines(include), exclude=lines(exclude))
        spec = NetworkSpec(
            algorithm=algorithm, rank=rank, alpha=alpha, conv_rank=conv_rank, conv_alpha=conv_alpha if conv_rank else 0.0,
            targets=chosen, dropout=dropout, rank_dropout=rank_dropout, module_dropout=module_dropout, init=init,
            scale_weight_norms=scale_weight_norms, options=options, train_norms=train_norms, train_biases=train_biases,
        )
        kind_of(spec)
        return io.NodeOutput(spec)
