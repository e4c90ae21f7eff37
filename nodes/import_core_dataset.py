"""Import Core Dataset: what ComfyUI's own dataset nodes have encoded."""

from __future__ import annotations

from comfy_api.latest import io

from ..training.data.encoded import encoded_dataset
from .sockets import Dataset
from .widgets import CATEGORY


class ImportCoreDataset(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="LoRACanvasImportCoreDataset",
            display_name="Import Core Dataset",
            category=CATEGORY,
            description=(
                "Takes the LATENT and CONDITIONING lists of ComfyUI's own dataset nodes (Make Training Dataset, Load Training "
                "Dataset, Resolution Bucket), or of VAE Encode and CLIP Text Encode. They are trained exactly as they are: no "
                "cropping, no shuffling of captions. A noise mask of a latent becomes the loss mask."
            ),
            is_input_list=True,
            inputs=[
                io.Latent.Input("latents", tooltip=(
                    "Encoded pictures, or clips for a video model, by the VAE that belongs to the model. Sizes may differ.")),
                io.Conditioning.Input("conditioning", tooltip=(
                    "Encoded captions in the same order, by the CLIP that belongs to the model; or one for all.")),
                io.Int.Input("repeats", default=1, min=1, max=1000, tooltip=(
                    "How often each picture is seen in an epoch. 1 is usual.")),
            ],
            outputs=[Dataset.Output(display_name="dataset", tooltip="To Merge Datasets or Train LoRA.")],
        )

    @classmethod
    def execute(cls, latents, conditioning, repeats) -> io.NodeOutput:
        return io.NodeOutput(encoded_dataset(latents, conditioning, repeats[0]))
