"""Train LoRA: the run itself, on the model that the graph has loaded."""

import uuid

from comfy_api.latest import io

from ..host.lora.assistant import assistant_from
from ..host.lora.given import NO_FILE, file_stamp, lora_names
from ..host.lora.save import require_savers
from ..host.train import require_without_models, train_lora, trained_outputs
from ..host.wired import Wired
from ..host.wiring import Wiring
from ..training.objective.spec import ObjectiveSpec
from ..training.recipe import Recipe
from ..training.specs import AUTO, COMPILE, CONTINUE, MEMORY, NEW, OFF, PRECISIONS, RESUME_SCHEDULES, WANDB, RunSpec, resumes
from . import sockets
from .early import refusal, typed
from .widgets import CATEGORY, advanced, folded

SAVER = "LoRACanvasSaveLoRA"
MODELS = ("model", "vae", "clip", "assistant")
"""Inputs that are only asked for once all else is known to be right."""


def _stamp(assistant_name: str, resume: str) -> str:
    """Never the same where a run is to be new each time."""
    return uuid.uuid4().hex if resumes(resume) == NEW else file_stamp(assistant_name)


_WIRED = Wired(_stamp)


class TrainLoRA(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="LoRACanvasTrainLoRA",
            display_name="Train LoRA",
            category=CATEGORY,
            description="Trains a LoRA on the MODEL that is connected: nothing is loaded twice, and the model is given back unchanged. "
                        "Cancel keeps what was learned so far. The outputs carry the LoRA already applied: wire them into a KSampler.",
            is_output_node=True,
            inputs=[
                io.Model.Input("model", lazy=True,
                    tooltip="The model to train on, from any loader. LoRAs that are already applied to it stay applied while training."),
                io.Vae.Input("vae", lazy=True, tooltip="The VAE that belongs to the model: it turns your pictures into latents, once."),
                sockets.Dataset.Input("dataset", tooltip="Your pictures and captions, from Load Dataset or Bucket Config."),
                sockets.Network.Input("network", tooltip="The shape of the LoRA, from LoRA Network."),
                sockets.Optimizer.Input("optimizer", tooltip="How it learns, from Optimizer."),
                io.Clip.Input("clip", optional=True, lazy=True,
                    tooltip="The CLIP that belongs to the model: it reads your captions. Its CLIP-skip and LoRAs count. "
                            "It is trained too when text_encoder_lr on the Optimizer node is above 0."),
                sockets.Objective.Input("objective", optional=True,
                    tooltip="What counts as an error, from Training Objective. Leave it out for good defaults."),
                sockets.Preview.Input("preview", optional=True,
                    tooltip="Pictures to make while training, from Sample Preview. Leave it out to train without."),
                io.String.Input("run_name", default="my_lora",
                    tooltip="Names the run's folder and its files. A name that exists gets a counter: nothing is overwritten."),
                io.Int.Input("steps", default=1500, min=1, max=10000000,
                    tooltip="How many updates. 1000-2000 for 20 pictures; styles and large sets want more. "
                            "Too many: it copies your pictures. Save checkpoints on the way and keep the best."),
                folded(io.Int.Input("batch_size", default=1, min=1, max=1024,
                    tooltip="Pictures seen at once. 1 needs the least memory; 2-4 learns more evenly if memory allows. "
                            "Double it: raise the learning rate a little.")),
                folded(io.Int.Input("gradient_accumulation", default=1, min=1, max=1024,
                    tooltip="Collects this many batches before each update: the effect of a larger batch "
                            "without its memory, but each step takes as many times longer. 1 is usual.")),
                folded(io.Int.Input("seed", default=0, min=0, max=0xFFFFFFFFFFFFFFFF, control_after_generate=False,
                    tooltip="The same seed and settings give the same file: byte for byte on a CPU, and on a card with deterministic on; "
                            "else up to rounding. Another seed trains anew from another start.")),
                folded(io.Combo.Input("precision", options=["auto", *PRECISIONS], default="auto",
                    tooltip="What the model computes in while training. 'auto' takes what your card does best. "
                            "bf16 is fast and safe on RTX 30 and newer; fp16 for older cards; fp32 is exact (no TF32) but slow "
                            "and large.")),
                folded(io.Boolean.Input("gradient_checkpointing", default=True,
                    tooltip="Only read when memory is 'by hand'. Saves most of the memory for about a third more time, with the same "
                            "result. Switch it off when memory is plentiful.")),
                folded(io.Int.Input("save_every_n_steps", default=500, min=0, max=10000000,
                    tooltip="Writes a complete LoRA every so many steps, so that you can pick the best. "
                            "0: only at the end. They can be loaded while training goes on.")),
                folded(io.String.Input("resume", default=AUTO,
                    tooltip="'auto': the run that was paused or cancelled here goes on if no setting was changed since; anything else is a "
                            "new run. The panel says which it will be. 'new': always a new run. 'latest', or the name of a run: goes on "
                            "where it stopped; steps, learning rates, saving and previews may be changed then, everything else must be "
                            "as it was, and what is not is named.")),
                advanced(io.Int.Input("epochs", default=0, min=0, max=1000000,
                    tooltip="Whole passes over the repeated pictures, instead of steps. 0: steps count. 10-20 is usual.")),
                advanced(io.Int.Input("save_every_n_epochs", default=0, min=0, max=100000,
                    tooltip="Also saves after every so many epochs. 0: off.")),
                advanced(io.Float.Input("save_every_n_minutes", default=0.0, min=0.0, max=100000.0, step=1.0,
                    tooltip="Also saves after so many minutes. 0: off.")),
                advanced(io.Int.Input("keep_last", default=0, min=0, max=100000,
                    tooltip="Keeps only this many of the newest checkpoints of the run. 0: keeps all.")),
                advanced(io.Int.Input("validate_every_n_steps", default=0, min=0, max=1000000,
                    tooltip="Looks every so many steps at held-out pictures (validation_fraction on Load Dataset) "
                            "with fixed noise, keeps the best checkpoint, and warns when the LoRA starts to copy. "
                            "100-250 is usual; costs a few seconds each. 0: off.")),
                advanced(io.Boolean.Input("skip_bad_pictures", default=False,
                    tooltip="Trains on the rest when some pictures cannot be read. Off: the run does not start, and names them.")),
                advanced(io.Boolean.Input("cache_to_disk", default=False,
                    tooltip="Keeps encoded pictures and captions on disk between runs: the next run on the same data starts at once. "
                            "Off: they stay in memory, or on disk where they fill it, until the run ends.")),
                advanced(io.Boolean.Input("tensorboard", default=False,
                    tooltip="Also writes a TensorBoard log into the run's folder, for those who compare runs there. "
                            "The panel needs none.")),
                io.LoraModel.Input("assistant", optional=True, lazy=True,
                    tooltip="Only for Turbo and other few-step models: the training adapter made for this model, as a LORA_MODEL. It lies "
                            "frozen under your LoRA while training, so that the model does not forget its few steps, and is off in "
                            "previews, validation, the file and the outputs. assistant_name takes it from a file instead."),
                advanced(io.Combo.Input("assistant_name", options=lora_names(), default=NO_FILE,
                    tooltip="Only for Turbo and other few-step models: the file of the training adapter made for this model, from "
                            "models/loras. 'none' for every other model.")),
                advanced(io.Float.Input("assistant_strength", default=1.0, min=-2.0, max=2.0, step=0.05,
                    tooltip="How strongly the assistant works. 1 is what training adapters are made for. Lower: the few steps are "
                            "forgotten sooner; higher: your LoRA fits less when the assistant is gone. -1 takes a turbo LoRA out of a "
                            "model that it is merged into.")),
                advanced(io.Boolean.Input("quantized_backward", default=False,
                    tooltip="Multiplies gradients in fp8, which can make steps of large models faster and makes gradients a little "
                            "coarser. Needs a model that is loaded in fp8 or another quantised format, and a card that multiplies in fp8 "
                            "(RTX 40 and newer, H100); elsewhere the run does not start, and says why. Off: gradients in full precision.")),
                advanced(io.Combo.Input("resume_schedule", options=list(RESUME_SCHEDULES), default=CONTINUE,
                    tooltip="What the learning rate does when a run is resumed with other steps or another scheduler. 'continue': as if "
                            "the run had been so long from the start; it may jump up. 'hold': it stays where it was; after a run that "
                            "has faded out that is nearly nothing. 'restart': the schedule anew over the steps that are left, which "
                            "suits a finished run that should learn more.")),
                advanced(io.Combo.Input("memory", options=list(MEMORY), default=AUTO,
                    tooltip="How the run lives with your card's memory; the result is the same. 'auto': the fastest way that fits into "
                            "what is free now; right for most. 'least': takes as little as can be, slowly, and leaves the card to others. "
                            "'by hand': gradient_checkpointing decides, as in workflows of before. The log says what was chosen, and what "
                            "a larger batch or resolution would take. Out of memory all the same: the step is made again with less.")),
                advanced(io.Boolean.Input("deterministic", default=False,
                    tooltip="On a card: takes kernels that give the same bits every time, so that the same seed gives the same file and a "
                            "resumed run ends in it. Slower, mostly in attention. Off: two runs differ by rounding, which nobody sees in "
                            "pictures. A CPU repeats itself anyway.")),
                advanced(io.Combo.Input("compile", options=list(COMPILE), default=OFF,
                    tooltip="How steps are launched. 'off': Python goes through the model in every step; right for most. 'graph': a step "
                            "is recorded once for each bucket and replayed, on a card as one CUDA graph: meant for fast cards, which "
                            "wait for Python with SD1.5 and SDXL, and of no use where they do not. The first two steps of each kind are "
                            "slower, and it takes more memory, which the plan does not count. Where a model cannot be replayed the log "
                            "says why, and the run goes on as with 'off'.")),
                advanced(io.Combo.Input("wandb", options=list(WANDB), default=OFF,
                    tooltip="Also writes the run for Weights & Biases, beside TensorBoard. 'online' sends it and needs 'wandb login' once; "
                            "'offline' leaves files in the run's folder for 'wandb sync'. Needs the Python library wandb. The panel needs "
                            "none of it, and nothing that fails there ends a run.")),
                advanced(io.String.Input("training_comment", default="",
                    tooltip="A note to yourself that goes into the file as ss_training_comment, where kohya's trainer puts it and other "
                            "programs show it. Empty: it says that LoRA Canvas made the file. Save LoRA has author and description too.")),
            ],
            outputs=[
                io.Model.Output(display_name="model", tooltip="The model with the LoRA applied at strength 1."),
                io.Clip.Output(display_name="clip", tooltip="The CLIP with the LoRA applied."),
                io.LoraModel.Output(display_name="lora", tooltip="The LoRA itself, for Save LoRA."),
                io.LossMap.Output(display_name="loss_map", tooltip="The loss of every step, for ComfyUI's own loss graph."),
                io.Image.Output(display_name="loss_plot", tooltip="The loss curve as a picture."),
                io.Image.Output(display_name="samples", tooltip="The last preview pictures; a blank one without Sample Preview."),
                io.String.Output(display_name="run_folder", tooltip="Where the run's files are: checkpoints, samples, log and state."),
            ],
            hidden=[io.Hidden.unique_id, io.Hidden.extra_pnginfo, io.Hidden.prompt, io.Hidden.dynprompt],
        )

    @classmethod
    def fingerprint_inputs(cls, assistant_name=NO_FILE, resume=AUTO, **_widgets) -> str:
        return _WIRED.fingerprint() if None in (assistant_name, resume) else _stamp(assistant_name, resume)

    @classmethod
    def validate_inputs(cls, run_name="", training_comment="") -> bool | str:
        return refusal(lambda: RunSpec(**typed(run_name=run_name, training_comment=training_comment)))

    @classmethod
    def check_lazy_status(cls, **inputs) -> list[str]:
        """What is wrong without any model is said before one is asked for."""
        waiting = [name for name in MODELS if inputs.pop(name, ...) is None]
        if waiting:
            require_savers(cls.hidden.prompt, str(cls.hidden.unique_id), SAVER)
            require_without_models(_recipe(**inputs))
        return waiting

    @classmethod
    def execute(cls, model, vae, clip=None, **inputs) -> io.NodeOutput:
        _WIRED.came(inputs.get("assistant_name", NO_FILE), inputs["resume"])
        recipe = _recipe(**inputs)
        workflow = (cls.hidden.extra_pnginfo or {}).get("workflow")
        wiring = Wiring(model=model, clip=clip, vae=vae, recipe=recipe, node_id=str(cls.hidden.unique_id), workflow=workflow,
                        prompt=cls.hidden.prompt, dynprompt=cls.hidden.dynprompt)
        return trained_outputs(train_lora(wiring))


def _recipe(dataset, network, optimizer, objective=None, preview=None, precision="auto", assistant=None, assistant_name=NO_FILE,
            assistant_strength=1.0, **settings) -> Recipe:
    run = RunSpec(precision=None if precision == "auto" else precision,
                  assistant=assistant_from(assistant_name, assistant, assistant_strength), **settings)
    recipe = Recipe(dataset=dataset, network=network, optimizer=optimizer, objective=objective or ObjectiveSpec(), run=run, preview=preview)
    return recipe.spoken()
