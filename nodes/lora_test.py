"""LoRA Test: the finished LoRA at several strengths, beside the model without it."""

from comfy_api.latest import io

from ..host.lora.strength_grid import WHERE, candidates, parse_strengths, strength_grid
from ..host.model.sampler import SAMPLERS, SCHEDULERS
from ..training.errors import SettingsError, raise_problems
from ..training.specs import SamplingSpec
from .early import refusal
from .widgets import CATEGORY, advanced, extra, lines, pictures


class LoRATest(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="LoRACanvasLoRATest",
            display_name="LoRA Test",
            category=CATEGORY,
            description="One labelled picture of your LoRA: a row for each prompt (and checkpoint), the first column without the LoRA, "
                        "then one for each strength. A good LoRA works at 1 and bends between 0.5 and 1.5.",
            is_output_node=True,
            inputs=[
                io.Model.Input("model", tooltip="The model WITHOUT the LoRA: straight from the loader, not from Train LoRA."),
                io.Clip.Input("clip", tooltip="The CLIP without the LoRA, from the loader."),
                io.Vae.Input("vae", tooltip="The VAE that belongs to the model."),
                io.LoraModel.Input("lora", optional=True, tooltip="The lora output of Train LoRA, or of ComfyUI's own trainer."),
                io.String.Input("prompts", default="", multiline=True,
                    tooltip="One prompt a line, with your trigger word. Try other poses, places and styles than "
                            "your pictures show: if they all come out like your pictures, the LoRA is overtrained."),
                io.String.Input("strengths", default="0.5, 0.7, 0.9, 1.0",
                    tooltip="The strengths to try, with commas. The model without the LoRA always comes first."),
                extra(io.String.Input("run", default="",
                    tooltip="A run's name, or the run_folder output of Train LoRA: also tests its checkpoints, to find the best step.")),
                advanced(io.Int.Input("most_checkpoints", default=4, min=1, max=64,
                    tooltip="At most so many checkpoints of the run, evenly spread; the last is always among them. More takes longer.")),
                advanced(io.Combo.Input("sampler_name", options=SAMPLERS, default="euler", tooltip="As on your KSampler.")),
                advanced(io.Combo.Input("scheduler", options=SCHEDULERS, default="normal",
                    tooltip="As on your KSampler: 'normal' for SD1.5 and SDXL, 'simple' for FLUX.")),
                advanced(io.Int.Input("sampling_steps", default=20, min=1, max=1000, tooltip="Steps of one picture; 20 is usual.")),
                advanced(io.Float.Input("cfg", default=7.0, min=0.0, max=100.0, step=0.5, tooltip="7 for SD1.5, 6 for SDXL, 1 for FLUX.")),
                advanced(io.Int.Input("width", default=512, min=64, max=8192, step=8,
                    tooltip="Pixels of one picture: 512 for SD1.5, 1024 for SDXL and FLUX.")),
                advanced(io.Int.Input("height", default=512, min=64, max=8192, step=8, tooltip="Pixels of one picture, as the width.")),
                advanced(io.Int.Input("seed", default=42, min=0, max=0xFFFFFFFFFFFFFFFF, control_after_generate=False,
                    tooltip="The first prompt's noise; the second uses seed + 1. "
                            "The same in every column, so that only the strength differs.")),
                advanced(io.String.Input("negative", default="", multiline=True, tooltip="What the pictures should not show.")),
                io.Image.Input("reference", optional=True,
                    tooltip="For edit models: the picture that every prompt starts from; of a batch, all together."),
            ],
            outputs=[io.Image.Output(display_name="grid", tooltip="The labelled grid, for Save Image.")],
        )

    @classmethod
    def validate_inputs(cls, prompts="", strengths="") -> bool | str:
        def check() -> None:
            sampling = [] if prompts is None else SamplingSpec(prompts=lines(prompts)).problems()
            raise_problems(SettingsError, WHERE, [*sampling, *([] if strengths is None else parse_strengths(strengths)[1])])

        return refusal(check)

    @classmethod
    def execute(cls, model, clip, vae, prompts, strengths, lora=None, run="", most_checkpoints=4, sampler_name="euler", scheduler="normal",
                sampling_steps=20, cfg=7.0, width=512, height=512, seed=42, negative="",
                reference=None) -> io.NodeOutput:
        sampling = SamplingSpec(prompts=lines(prompts), negative=negative, sampler_name=sampler_name, scheduler=scheduler,
                                sampling_steps=sampling_steps, cfg=cfg, width=width, height=height, seed=seed,
                                references=pictures(reference))
        numbers, problems = parse_strengths(strengths)
        raise_problems(SettingsError, WHERE, [*sampling.problems(), *problems])
        return io.NodeOutput(strength_grid(model, clip, vae, candidates(lora, run, most_checkpoints), numbers, sampling))
