"""Images To Dataset: train on pictures that the graph itself made."""

from __future__ import annotations

from comfy_api.latest import io

from ..training.data.dataset import ROLES, TRAINING
from ..training.data.from_graph.graph_images import images_dataset
from ..training.drawing.contact_sheet import dataset_sheet
from .sockets import Dataset
from .widgets import CATEGORY, advanced, extra


class ImagesToDataset(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="LoRACanvasImagesToDataset",
            display_name="Images To Dataset",
            category=CATEGORY,
            description=(
                "Makes a dataset of pictures and captions that come from other nodes: cropped, upscaled, generated, or loaded "
                "by ComfyUI's own dataset nodes. Batches and lists both work."
            ),
            is_input_list=True,
            inputs=[
                io.Image.Input("images", tooltip="The pictures: a batch, or a list of pictures of any sizes."),
                io.String.Input("captions", optional=True, force_input=True, tooltip=(
                    "A caption for each picture, in the same order, or one for all. Leave it out and set a trigger word to "
                    "train on the trigger alone.")),
                io.Mask.Input("masks", optional=True, tooltip="White is trained, black is not. One for each picture, or one for all."),
                io.Int.Input("repeats", default=1, min=1, max=1000, tooltip=(
                    "How often each picture is seen in an epoch. 1 is usual; raise it to balance few pictures against many.")),
                extra(io.String.Input("trigger_word", default="", tooltip=(
                    "The rare word that will call up what you train, such as ohwx. It is put in front of every caption that "
                    "does not hold it."))),
                advanced(io.Combo.Input("role", options=list(ROLES), default=TRAINING, tooltip=(
                    "training: to learn. regularisation: ordinary pictures of the same class, against forgetting. "
                    "validation: never trained, to see overfitting. Join them with Merge Datasets."))),
                advanced(io.Float.Input("loss_weight", default=1.0, min=0.0, max=10.0, step=0.05, tooltip=(
                    "How much these pictures count. 1 is usual; lower for regularisation pictures learns your subject faster."))),
                io.Image.Input("references", optional=True, tooltip=(
                    "For edit models: the pictures before the change. One for each picture in the same order, one for all, or several "
                    "for each: of 4 references for 2 pictures the first two belong to the first.")),
                advanced(io.Boolean.Input("clips", default=False, tooltip=(
                    "For video models (Wan, Hunyuan Video, ...): each batch of images is one clip, with one caption and one mask. "
                    "Load Video and Get Video Components give one. Off: every image is a picture of its own."))),
                advanced(io.Int.Input("clip_frames", default=17, min=0, max=1000, tooltip=(
                    "With clips: how many frames of each are used, from the first. 17 is about a second of Wan; 5 teaches a look, 33 and "
                    "more movement. Memory and time grow with it: Train LoRA says how much. Too high: out of memory. 0: all frames."))),
            ],
            outputs=[
                Dataset.Output(display_name="dataset", tooltip="To Bucket Config, Auto Caption, Merge Datasets or Train LoRA."),
                io.Image.Output(display_name="preview", tooltip="Up to 48 of the pictures; what masks leave out is red."),
            ],
        )

    @classmethod
    def execute(cls, images, repeats, trigger_word=("",), role=(TRAINING,), loss_weight=(1.0,), captions=(), masks=(),
                references=(), clips=(False,), clip_frames=(17,)) -> io.NodeOutput:
        dataset = images_dataset(
            images, captions, masks, repeats=repeats[0], trigger=trigger_word[0], role=role[0], weight=loss_weight[0],
            references=references, clip_frames=clip_frames[0] if clips[0] else None,
        )
        return io.NodeOutput(dataset, dataset_sheet(dataset))
