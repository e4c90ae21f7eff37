"""Sample Preview: which pictures to make while training."""

from comfy_api.latest import io

from ..host.model.sampler import SAMPLERS, SCHEDULERS
from ..host.runs.paths import named_file
from ..host.wired import Wired
from ..training.errors import SettingsError
from ..training.presets.prompt_file import WHERE, read_prompts
from ..training.specs import OwnSettings, PreviewSpec, SamplingSpec
from . import sockets
from .early import refusal
from .widgets import CATEGORY, advanced, folded, lines, pictures


def _stamp(prompt_file: str) -> str:
    """Another one whenever the file's content may be."""
    try:
        found = named_file(prompt_file, WHERE, "prompt_file").stat() if prompt_file.strip() else None
    except (SettingsError, OSError) as error:
        return str(error)
    return f"{found.st_mtime_ns} {found.st_size}" if found else ""


_WIRED = Wired(_stamp)


def _prompts(written: str, prompt_file: str) -> dict:
    """Those of the widget, then those of the file."""
    prompts = lines(written)
    if not prompt_file.strip():
        return {"prompts": prompts}
    more = read_prompts(named_file(prompt_file, WHERE, "prompt_file"))
    return {"prompts": (*prompts, *more.prompts), "own": (*(OwnSettings() for _ in prompts), *more.own)}


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
                advanced(io.String.Input("prompt_file", default="",
                    tooltip="A text file in ComfyUI's input folder with further prompts, one a line, as kohya's trainer reads it: --n "
                            "negative, --w width, --h height, --d seed, --l cfg, --s steps behind a prompt are for it alone. Lines with # "
                            "are remarks; .json works too. Empty: none.")),
            ],
            outputs=[sockets.Preview.Output(display_name="preview")],
        )

    @classmethod
    def fingerprint_inputs(cls, prompt_file="", **_widgets) -> str:
        return _WIRED.fingerprint() if prompt_file is None else _stamp(prompt_file)

    @classmethod
    def validate_inputs(cls, prompts="", prompt_file="") -> bool | str:
        if None in (prompts, prompt_file):
            return True
        return refusal(lambda: PreviewSpec(sampling=SamplingSpec(**_prompts(prompts, prompt_file))))

    @classmethod
    def execute(cls, prompts, every_n_steps, sampler_name, scheduler, sampling_steps, cfg, width, height, seed, negative="",
                every_n_epochs=0, at_start=True, at_end=True, lora_strength=1.0, reference=None,
                prompt_file="") -> io.NodeOutput:
        _WIRED.came(prompt_file)
        sampling = SamplingSpec(
            **_prompts(prompts, prompt_file), negative=negative, sampler_name=sampler_name, scheduler=scheduler,
            sampling_steps=sampling_steps, cfg=cfg, width=width, height=height, seed=seed,
            references=pictures(reference),
        )
        return io.NodeOutput(PreviewSpec(
            sampling=sampling, every_n_steps=every_n_steps, every_n_epochs=every_n_epochs, at_start=at_start, at_end=at_end,
            lora_strength=lora_strength,
        ))
