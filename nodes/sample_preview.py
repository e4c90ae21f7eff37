"""Sample Preview: which pictures to make while training."""

from comfy_api.latest import io

from ..host.model.sampler import SAMPLERS, SCHEDULERS
from ..training.specs import PreviewSpec, SamplingSpec
from . import sockets
from .early import refusal
from .widgets import CATEGORY, advanced, folded, lines, pictures


class SamplePreview(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="LoRACanvasSamplePreview",
            display_name="Sample Preview",
            category=CATEGORY,
            description="Pictures that are made while training, with ComfyUI's own samplers: what you see is what the saved LoRA will make "
                        "with the same settings in a KSampler.",
            inputs=[
                io.String.Input("prompts", default="", multiline=True,
                    tooltip="One prompt a line; each makes one picture. Use your trigger word, or [trigger] in its place, and settings "
                            "your pictures do not show: that tells whether the LoRA is still flexible. 2-4 prompts are enough; each costs "
                            "time."),
                io.Int.Input("every_n_steps", default=250, min=0, max=1000000,
                    tooltip="How often pictures are made. 0: only at the start and the end. "
                            "100-500 is usual; more often slows training down."),
                folded(io.Combo.Input("sampler_name", options=SAMPLERS, default="euler",
                    tooltip="As on your KSampler. 'euler' is a safe choice for every model.")),
                folded(io.Combo.Input("scheduler", options=SCHEDULERS, default="normal",
                    tooltip="As on your KSampler: 'normal' for SD1.5 and SDXL, 'simple' for FLUX.")),
                folded(io.Int.Input("sampling_steps", default=20, min=1, max=1000,
                    tooltip="Steps of one picture: 20 is usual (FLUX schnell: 4). Fewer is quicker but looks unfinished.")),
                folded(io.Float.Input("cfg", default=7.0, min=0.0, max=100.0, step=0.5,
                    tooltip="How closely the prompt is followed: 7 for SD1.5, 6 for SDXL, 1 for FLUX. Too high looks burnt.")),
                folded(io.Int.Input("width", default=512, min=64, max=8192, step=8,
                    tooltip="Pixels. The model's own size looks best: 512 for SD1.5, 1024 for SDXL and FLUX.")),
                folded(io.Int.Input("height", default=512, min=64, max=8192, step=8, tooltip="Pixels, as the width.")),
                folded(io.Int.Input("seed", default=42, min=0, max=0xFFFFFFFFFFFFFFFF, control_after_generate=False,
                    tooltip="The first picture's noise; the second uses seed + 1, and so on. The same at every step, so that you see what "
                            "training changes and nothing else. Keep it fixed.")),
                advanced(io.String.Input("negative", default="", multiline=True,
                    tooltip="What the pictures should not show, as on a KSampler's negative. FLUX ignores it at cfg 1.")),
                advanced(io.Int.Input("every_n_epochs", default=0, min=0, max=100000,
                    tooltip="Also make pictures after every so many passes over the dataset. 0: off.")),
                advanced(io.Boolean.Input("at_start", default=True,
                    tooltip="Also before the first step: the base model without the LoRA, to compare with.")),
                advanced(io.Boolean.Input("at_end", default=True, tooltip="Also after the last step.")),
                advanced(io.Float.Input("lora_strength", default=1.0, min=-10.0, max=10.0, step=0.05,
                    tooltip="The LoRA's strength in these pictures, as on a LoraLoader. "
                            "1 is right; a LoRA that only looks good at 0.6 is overtrained.")),
                io.Image.Input("reference", optional=True,
                    tooltip="For edit models: the picture that every prompt starts from; of a batch, all together. "
                            "Leave it out: each prompt takes the references of one picture of your dataset, in their order."),
            ],
            outputs=[sockets.Preview.Output(display_name="preview")],
        )

    @classmethod
    def validate_inputs(cls, prompts="") -> bool | str:
        return prompts is None or refusal(lambda: PreviewSpec(sampling=SamplingSpec(prompts=lines(prompts))))

    @classmethod
    def execute(cls, prompts, every_n_steps, sampler_name, scheduler, sampling_steps, cfg, width, height, seed, negative="",
                every_n_epochs=0, at_start=True, at_end=True, lora_strength=1.0, reference=None) -> io.NodeOutput:
        sampling = SamplingSpec(
            prompts=lines(prompts), negative=negative, sampler_name=sampler_name, scheduler=scheduler,
            sampling_steps=sampling_steps, cfg=cfg, width=width, height=height, seed=seed,
            references=pictures(reference),
        )
        return io.NodeOutput(PreviewSpec(
            sampling=sampling, every_n_steps=every_n_steps, every_n_epochs=every_n_epochs, at_start=at_start, at_end=at_end,
            lora_strength=lora_strength,
        ))
