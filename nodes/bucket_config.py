"""Bucket Config: at which sizes the pictures of a dataset are trained, and what is cut off for it."""

from __future__ import annotations

from comfy_api.latest import io

from ..training.data.advice.report import bucket_report
from ..training.data.items import make_items
from ..training.data.specs import CROPS, SMALL_BUCKETS, BucketSpec, crop_from
from ..training.drawing.contact_sheet import crop_sheet
from ..training.errors import SettingsError, raise_problems
from ..training.inputs import SHORT, shown, text_problems
from .early import refusal, typed
from .sockets import Dataset
from .widgets import CATEGORY, advanced, folded


class BucketConfig(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="LoRACanvasBucketConfig",
            display_name="Bucket Config",
            category=CATEGORY,
            description=(
                "Sorts pictures of different shapes into buckets: sizes of about the same area. The preview shows the exact "
                "crop of each picture, the report what is cut off or enlarged. The algorithm is kohya's."
            ),
            inputs=[
                Dataset.Input("dataset", tooltip="From Load Dataset."),
                io.Int.Input("resolution", default=1024, min=64, max=4096, step=8, tooltip=(
                    "The side of the square that no bucket exceeds in area. 512 for SD1.5, 1024 for SDXL and FLUX. Lower "
                    "saves much memory and time but blurs detail; higher than the model knows brings doubled limbs.")),
                folded(io.Int.Input("min_bucket", default=256, min=8, max=4096, step=8, tooltip=(
                    "The shortest side that a bucket may have. 256 is usual; raise it to 512 at resolution 1024 and above "
                    "so that very long pictures are cropped rather than squeezed."))),
                folded(io.Int.Input("max_bucket", default=2048, min=64, max=8192, step=8, tooltip=(
                    "The longest side that a bucket may have. Twice the resolution is usual; lower crops long pictures."))),
                folded(io.Int.Input("bucket_step", default=64, min=8, max=512, step=8, tooltip=(
                    "Sides of buckets are multiples of this. 64 is usual, 32 crops less. The smaller, the more buckets with "
                    "fewer pictures each, and the more batches that are not full."))),
                folded(io.Boolean.Input("no_upscale", default=False, tooltip=(
                    "Never enlarge small pictures: they get small buckets of their own. Enlarged pictures teach blur; "
                    "but many odd buckets make many short batches. min_bucket and max_bucket don't count then."))),
                advanced(io.String.Input("more_resolutions", default="", tooltip=(
                    "Further resolutions, as 512, 768: every picture is trained at each of them, so an epoch has more "
                    "steps. It makes a LoRA work at more sizes. Empty: only the one above."))),
                advanced(io.Combo.Input("crop", options=list(CROPS), default="centre", tooltip=(
                    "Which part is kept where shapes differ. centre: the middle. focal: around the middle of the mask. "
                    "random: several crops a picture, one for each time it is seen."))),
                advanced(io.Int.Input("random_crops", default=4, min=1, max=64, tooltip=(
                    "How many crops are prepared for each picture when crop is 'random'. Each one is encoded once."))),
                advanced(io.Boolean.Input("flip", default=False, tooltip=(
                    "Also train mirrored pictures, half of the time. Helps with few pictures of symmetric things; not "
                    "for faces, text, or anything with a left and a right."))),
                advanced(io.Combo.Input("small_buckets", options=list(SMALL_BUCKETS), default=SMALL_BUCKETS[0], tooltip=(
                    "What happens to buckets with fewer pictures than a batch. short batches: they are trained in smaller "
                    "batches. merge: their pictures go to the bucket of the nearest shape and are cropped more."))),
                advanced(io.Int.Input("batch_size", default=1, min=1, max=256, tooltip=(
                    "The batch size that you will set on Train LoRA: used for the report, and by 'merge'."))),
                advanced(io.Float.Input("colour", default=0.0, min=0.0, max=1.0, step=0.05, tooltip=(
                    "Also trains versions with other brightness, contrast and saturation, each up to this share away: 0.1 is 90 to 110 %. "
                    "0.05-0.1 for few pictures of one light; 0: off. Too high: the LoRA learns odd colours. Not for styles."))),
                advanced(io.Float.Input("rotation", default=0.0, min=0.0, max=45.0, step=1.0, tooltip=(
                    "Also trains versions turned by up to so many degrees to either side, cut so that no corner is empty. 5-10 for "
                    "objects; 0: off. Too high: the LoRA makes pictures that lean."))),
                advanced(io.Float.Input("crop_range", default=1.0, min=0.1, max=1.0, step=0.05, tooltip=(
                    "Also trains versions that show less of the picture: 0.7 shows 70 to 100 % of its sides, enlarged. For details that "
                    "stand small in the pictures. With crop 'random' the place differs too. 1: off. Too low: blur, and cut heads."))),
                advanced(io.Int.Input("augmentations", default=4, min=1, max=64, tooltip=(
                    "How many further versions of each picture colour, rotation and crop_range make together. Each is encoded once, as "
                    "mirrored pictures are; each time a picture is seen one of all is taken."))),
            ],
            outputs=[
                Dataset.Output(display_name="dataset", tooltip="To Train LoRA."),
                io.String.Output(display_name="report", tooltip="Pictures a bucket, short batches, crops, enlarged pictures."),
                io.Image.Output(display_name="preview", tooltip="The crops, framed in yellow; what is cut off is dark."),
            ],
        )

    @classmethod
    def validate_inputs(cls, resolution=None, min_bucket=None, max_bucket=None, bucket_step=None, more_resolutions=None) -> bool | str:
        sides = typed(resolution=resolution, min_bucket=min_bucket, max_bucket=max_bucket, bucket_step=bucket_step)
        if len(sides) < 4:  # they bound one another
            return True
        return refusal(lambda: BucketSpec(**sides, resolutions=_numbers(more_resolutions or "")))

    @classmethod
    def execute(cls, **inputs) -> io.NodeOutput:
        dataset = cls.foreseen(**inputs)
        items = make_items(dataset)
        return io.NodeOutput(dataset, bucket_report(items, dataset.buckets.batch_size), crop_sheet(items))

    @classmethod
    def foreseen(cls, dataset, more_resolutions="", crop="centre", random_crops=4, **settings):
        """The data set, without a look at it: before Run too (host/panel/estimate.py)."""
        return dataset.with_buckets(BucketSpec(resolutions=_numbers(more_resolutions), crop=crop_from(crop, random_crops), **settings))


def _numbers(text: str) -> tuple[int, ...]:
    raise_problems(SettingsError, BucketSpec.WHERE, text_problems("more_resolutions", text, SHORT))
    parts = text.replace(";", ",").replace(" ", ",").split(",")
    try:
        return tuple(int(part) for part in parts if part.strip())
    except ValueError as error:
        raise SettingsError(BucketSpec.WHERE, [f"more_resolutions is '{shown(text)}' but must be numbers such as 512, 768."]) from error
