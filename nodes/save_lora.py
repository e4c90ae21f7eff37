"""Save LoRA: the trained LoRA as a file that every program loads."""

from comfy_api.latest import io, ui

from ..host.lora.save import FORMATS, KOHYA, SaveSpec, require_filename, save_lora
from ..training.lora_file.privacy import EVERYTHING, LEVELS
from ..training.specs import DTYPES
from .early import refusal
from .widgets import CATEGORY, advanced, extra, folded


class SaveLoRA(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="LoRACanvasSaveLoRA",
            display_name="Save LoRA",
            category=CATEGORY,
            description="Writes the LoRA into models/loras, with the metadata that A1111, Forge, Civitai and LoRA managers read. "
                        "A name that exists gets a counter: nothing is overwritten.",
            is_output_node=True,
            inputs=[
                io.LoraModel.Input("lora", tooltip="The lora output of Train LoRA."),
                io.String.Input("filename", default="my_lora",
                    tooltip="The file's name, without ending; a folder in front is allowed: characters/my_lora. "
                            "[trigger] is the trigger word."),
                folded(io.Combo.Input("dtype", options=list(DTYPES), default="fp16",
                    tooltip="How the numbers are stored. fp16 is what everybody uses: half the size, no visible difference. "
                            "fp32 keeps everything, for training on; bf16 has less precision than fp16 and a wider range.")),
                extra(io.String.Input("trigger_words", default="",
                    tooltip="The words that call what you trained, as in your captions. "
                            "LoRA managers show them. Empty: those of the dataset.")),
                advanced(io.String.Input("author", default="", tooltip="Your name, if you want it in the file.")),
                advanced(io.String.Input("description", default="", multiline=True,
                    tooltip="A text for whoever finds the file: what it makes, good settings.")),
                advanced(io.String.Input("license", default="", tooltip="Under which terms others may use it, for example CC-BY-4.0.")),
                advanced(io.String.Input("tags", default="",
                    tooltip="Words by which managers sort it, with commas: style, character, clothing.")),
                advanced(io.String.Input("usage_hint", default="",
                    tooltip="A short hint for users, for example: strength 0.8, works best with portraits.")),
                advanced(io.Combo.Input("format", options=list(FORMATS), default=KOHYA,
                    tooltip="The first loads in ComfyUI, A1111, Forge and diffusers. "
                            "The second is diffusers' own: only when a program asks for it. ComfyUI does not load it for SD1.5 and SDXL.")),
                advanced(io.Combo.Input("metadata", options=list(LEVELS), default=EVERYTHING,
                    tooltip="What the file tells about your pictures. 'everything': settings, folder names and tags. "
                            "'no folder names': folders are numbered. 'minimum': only what programs need. Paths are never written.")),
                advanced(io.Boolean.Input("workflow", default=False,
                    tooltip="Puts this canvas into the file: drop the file on ComfyUI to get it back. "
                            "It contains everything you typed, also folders.")),
                io.Image.Input("thumbnail", optional=True,
                    tooltip="A picture for managers to show, for example the samples of Train LoRA. The first is taken, at 256 pixels."),
            ],
            outputs=[io.String.Output(display_name="path", tooltip="Where the file is.")],
            hidden=[io.Hidden.extra_pnginfo],
        )

    @classmethod
    def validate_inputs(cls, filename="") -> bool | str:
        return filename is None or refusal(lambda: require_filename(filename))

    @classmethod
    def execute(cls, lora, filename, dtype, trigger_words="", author="", description="", license="", tags="", usage_hint="", format=KOHYA,
                metadata=EVERYTHING, workflow=False, thumbnail=None) -> io.NodeOutput:
        texts = {"author": author, "description": description, "license": license, "tags": tags, "usage_hint": usage_hint}
        canvas = (cls.hidden.extra_pnginfo or {}).get("workflow") if workflow else None
        saved = save_lora(lora, SaveSpec(
            filename=filename, dtype=dtype, format=format, privacy=metadata, trigger_words=trigger_words, picture=thumbnail,
            workflow=canvas,
            about={f"modelspec.{name}": text.strip() for name, text in texts.items() if text.strip()},
        ))
        return io.NodeOutput(str(saved.path), ui=ui.PreviewText(f"Saved {saved.listed}: {saved.report}"))
