"""Save LoRA: the trained LoRA as a file that every program loads."""

from comfy_api.latest import io, ui

from ..host.save import save_lora
from ..training.output.lora_file import DTYPES
from .widgets import CATEGORY, advanced, extra


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
                io.String.Input("filename", default="my_lora", tooltip="The file's name, without ending; a folder in front is allowed: characters/my_lora."),
                io.Combo.Input("dtype", options=list(DTYPES), default="fp16",
                    tooltip="How the numbers are stored. fp16 is what everybody uses: half the size, no visible difference. "
                            "fp32 keeps everything, for training on; bf16 has less precision than fp16 and a wider range."),
                extra(io.String.Input("trigger_words", default="", tooltip="The words that call what you trained, as in your captions. LoRA managers show them.")),
                advanced(io.String.Input("author", default="", tooltip="Your name, if you want it in the file.")),
                advanced(io.String.Input("description", default="", multiline=True, tooltip="A text for whoever finds the file: what it makes, good settings.")),
            ],
            outputs=[io.String.Output(display_name="path", tooltip="Where the file is.")],
        )

    @classmethod
    def execute(cls, lora, filename, dtype, trigger_words="", author="", description="") -> io.NodeOutput:
        about = {"modelspec.trigger_phrase": trigger_words, "modelspec.author": author, "modelspec.description": description}
        path = save_lora(lora, filename, dtype, {name: text.strip() for name, text in about.items() if text.strip()})
        return io.NodeOutput(str(path), ui=ui.PreviewText(f"Saved {path.name}"))
