"""Optimizer: how fast and by which rule the LoRA learns."""

from comfy_api.latest import io

from ..training.drawing.schedule_plot import schedule_preview
from ..training.optim.kinds import optimizers
from ..training.optim.menu import SCHEDULERS, Knobs, optimizer_from
from . import sockets
from .early import refusal, typed
from .widgets import CATEGORY, advanced, folded


class Optimizer(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="LoRACanvasOptimizer",
            display_name="Optimizer",
            category=CATEGORY,
            description="How fast the LoRA learns, and how that changes over the run. The learning rate is the setting that matters most.",
            inputs=[
                io.Combo.Input("optimizer", options=optimizers.names(), default="AdamW",
                    tooltip="The rule that turns errors into changes. 'AdamW' always works; 'AdamW8bit' is the same with a quarter "
                            "of its memory (needs a GPU from the RTX 20 series on to be quick). 'Adafactor' saves the most. "
                            "'Prodigy' and 'DAdapt...' find the learning rate themselves: set it to 1 and the scheduler to constant. "
                            "Lower-case names are the rest of the pytorch-optimizer library."),
                io.Float.Input("learning_rate", default=1e-4, min=-10.0, max=10.0, step=1e-6, round=False,
                    tooltip="How large each change is. 0.0001 is a good start for AdamW; 0.00003 for Lion; 1 for Prodigy and DAdapt. "
                            "Too high: burnt, distorted pictures; too low: nothing is learned. "
                            "0 leaves the diffusion model alone. Below 0 it unlearns."),
                io.Float.Input("text_encoder_lr", default=0.0, min=-10.0, max=10.0, step=1e-6, round=False,
                    tooltip="The same for the text encoders (CLIP): how your trigger word is understood. "
                            "0: they are not trained, which needs less memory and is usual for SDXL and FLUX. "
                            "0.00005 is a good start for SD1.5: half of learning_rate. Too high: prompts are no longer followed."),
                io.Combo.Input("scheduler", options=SCHEDULERS.names(), default="cosine",
                    tooltip="How the learning rate changes over the run. 'cosine' fades it out gently and suits most. "
                            "'constant' for Prodigy, DAdapt and ScheduleFree, and when you will stop by eye. Look at the schedule output."),
                folded(io.Int.Input("warmup_steps", default=0, min=0, max=1000000,
                    tooltip="The learning rate rises over so many steps at the start, against a rough beginning. "
                            "0: warmup_percent is used instead. 50-100 is usual.")),
                advanced(io.Float.Input("warmup_percent", default=5.0, min=0.0, max=100.0, step=1.0, optional=True,
                    tooltip="Warm-up as a share of the run, when warmup_steps is 0. "
                            "5-10 is usual; 0: none. 'constant' and 'piecewise_constant' have no warm-up.")),
                advanced(io.Float.Input("weight_decay", default=0.01, min=0.0, max=10.0, step=0.01, optional=True,
                    tooltip="Pulls the LoRA's weights back towards zero. "
                            "0.01 is usual; 0.1 against overfitting. Too high: it forgets what it learned.")),
                advanced(io.Float.Input("max_grad_norm", default=1.0, min=0.0, max=1000000.0, step=0.1, optional=True,
                    tooltip="Limits how far a single odd picture can push. 1 is usual; 0: no limit. Too low: learning slows down.")),
                advanced(io.String.Input("extra_arguments", default="", multiline=True, optional=True,
                    tooltip="The optimizer's own settings as name=value, with blanks between, as in kohya's scripts. "
                            "Example: betas=0.9,0.99 eps=1e-8. A name it does not have is an error that lists the ones it has.")),
                advanced(io.Float.Input("loraplus_ratio", default=1.0, min=0.001, max=1000.0, step=1.0, optional=True,
                    tooltip="LoRA+: the up weights learn so many times faster. 1: off. "
                            "4-16 learns in fewer steps; then lower learning_rate a little.")),
                advanced(io.Float.Input("loraplus_ratio_unet", default=0.0, min=0.0, max=1000.0, step=1.0, optional=True,
                    tooltip="LoRA+ for the diffusion model alone. 0: as loraplus_ratio. 16 is usual.")),
                advanced(io.Float.Input("loraplus_ratio_text_encoder", default=0.0, min=0.0, max=1000.0, step=1.0, optional=True,
                    tooltip="LoRA+ for the text encoders alone. 0: as loraplus_ratio. 4 is usual.")),
                advanced(io.Int.Input("scheduler_cycles", default=1, min=1, max=1000, optional=True,
                    tooltip="For cosine_with_restarts and polynomial: in how many cycles the rate fades, each from the full rate. "
                            "1: no jump back up; 3 is usual.")),
                advanced(io.Float.Input("scheduler_power", default=1.0, min=0.001, max=100.0, step=0.5, optional=True,
                    tooltip="For polynomial: 1 is a straight line down; 2 falls sooner.")),
                advanced(io.String.Input("scheduler_pieces", default="", optional=True,
                    tooltip="For piecewise_constant: factor:until-step pairs and a last factor. "
                            "1:500,0.5:800,0.1 is full until step 500, half until 800, a tenth after.")),
                advanced(io.Float.Input("min_lr_ratio", default=0.0, min=0.0, max=1.0, step=0.05, optional=True,
                    tooltip="Where the schedule ends, as a share of the learning rate. "
                            "0: fades out entirely; 0.1 keeps learning a little to the end.")),
                advanced(io.Float.Input("ema_decay", default=0.0, min=0.0, max=0.9999, step=0.001, round=False, optional=True,
                    tooltip="Saves a running average of the LoRA instead of its last moment: smoother results. "
                            "0: off. 0.99 for short runs, 0.999 for long ones. Too high: it lags behind.")),
                advanced(io.Float.Input("stop_text_encoder_at", default=100.0, min=0.0, max=100.0, step=5.0, optional=True,
                    tooltip="Stops training the text encoders after this share of the run, in percent. "
                            "100: never. 30-50 against overfitting.")),
                advanced(io.String.Input("group_rules", default="", multiline=True, optional=True,
                    tooltip="Other rates for some parts, one rule a line: where, a colon, then lr, lr_scale, weight_decay, or off. "
                            "Where: a part (diffusion_model, clip_l, clip_g, ...), or as on Block Weights: blocks (down 0-3), "
                            "a part of a layer's name, names with * and ?, or a regular expression between slashes. "
                            "Names in the LoRA file count too, and come first. "
                            "Examples: 'clip_g: lr=1e-5', 'attn2: lr_scale=0.5', 'down 0-3: off' (leaves them alone). Later lines win.")),
                advanced(io.Int.Input("preview_steps", default=1000, min=1, max=1000000, optional=True,
                    tooltip="Only for the schedule picture: the length of run to draw. Set it to the steps of your Train LoRA node.")),
                advanced(io.String.Input("text_encoder_rates", default="", optional=True,
                    tooltip="A rate of its own for some text encoders: 'clip_l: 5e-5, clip_g: 1e-5'. SDXL: clip_l is kohya's TE1, clip_g "
                            "TE2. FLUX: clip_l, t5xxl; SD3: clip_l, clip_g, t5xxl. 0 leaves one as it is. "
                            "Empty: text_encoder_lr for all.")),
                advanced(io.Int.Input("scheduler_timescale", default=0, min=0, max=1000000, optional=True,
                    tooltip="For inverse_sqrt: how slowly the rate falls; it is half after three times so many steps. "
                            "0: the steps of the warm-up, or 10000 without one. Too high: it hardly falls.")),
                advanced(io.Float.Input("scheduler_decay_percent", default=20.0, min=0.0, max=100.0, step=5.0, optional=True,
                    tooltip="For warmup_stable_decay: the share of the run at its end in which the rate fades out. "
                            "10-20 is usual; 0: never, as constant_with_warmup.")),
            ],
            outputs=[
                sockets.Optimizer.Output(display_name="optimizer"),
                io.Image.Output(display_name="schedule", tooltip="The learning rates over the run, as a picture for Preview Image."),
            ],
        )

    @classmethod
    def validate_inputs(cls, optimizer=None, scheduler=None, scheduler_pieces=None, extra_arguments=None, group_rules=None,
                        text_encoder_rates=None) -> bool | str:
        if None in (optimizer, scheduler):  # the texts belong to them
            return True
        return refusal(lambda: optimizer_from(Knobs(**typed(
            optimizer=optimizer, scheduler=scheduler, scheduler_pieces=scheduler_pieces, extra_arguments=extra_arguments,
            group_rules=group_rules, text_encoder_rates=text_encoder_rates))))

    @classmethod
    def execute(cls, preview_steps=1000, **settings) -> io.NodeOutput:
        spec = optimizer_from(Knobs(**settings))
        return io.NodeOutput(spec, schedule_preview(spec, preview_steps))
