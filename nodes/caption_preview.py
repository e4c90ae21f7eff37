"""Caption Preview: the final texts that a run will train on."""

from __future__ import annotations

from comfy_api.latest import io, ui

from ..host.model.text import ComfyTextEncoder
from ..training.data.advice.caption_preview import preview_captions
from .sockets import Dataset
from .widgets import CATEGORY


class CaptionPreview(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="LoRACanvasCaptionPreview",
            display_name="Caption Preview",
            category=CATEGORY,
            description=(
                "Shows the final captions, draw by draw, exactly as a run with this seed trains them: after trigger word, "
                "shuffling and dropout. With a CLIP it also counts tokens and shows what lies past 77, 225 and 512."
            ),
            is_output_node=True,
            inputs=[
                Dataset.Input("dataset", tooltip="From Load Dataset or Caption Config."),
                io.Clip.Input("clip", optional=True,
                    tooltip="The CLIP that will be trained with, to count tokens. Leave it out for texts only."),
                io.String.Input("picture", default="", tooltip=(
                    "Which picture: its number from 1, or a part of its file name. Empty: the first of each folder.")),
                io.Int.Input("draws", default=5, min=1, max=200, tooltip=(
                    "How many appearances of the picture to show. 5 to 10 show what shuffling and dropout do.")),
                io.Int.Input("seed", default=0, min=0, max=0xFFFFFFFFFFFFFFFF, control_after_generate=False, tooltip=(
                    "The seed of the Train LoRA node: the same seed gives the same captions.")),
            ],
            outputs=[io.String.Output(display_name="captions", tooltip="The texts, as shown on the node.")],
        )

    @classmethod
    def execute(cls, dataset, picture, draws, seed, clip=None) -> io.NodeOutput:
        count_tokens = ComfyTextEncoder(clip).count_tokens if clip is not None else None
        text = preview_captions(dataset, picture, draws, seed, count_tokens)
        return io.NodeOutput(text, ui=ui.PreviewText(text))
