"""Merge Datasets: several datasets in one run."""

from __future__ import annotations

from comfy_api.latest import io

from ..training.data.advice.report import dataset_report
from ..training.data.from_graph.merge import merge_datasets
from .sockets import Dataset
from .widgets import CATEGORY

MORE = ("dataset_c", "dataset_d", "dataset_e", "dataset_f")


class MergeDatasets(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        keeps = "It keeps its own buckets, trigger word and caption settings."
        return io.Schema(
            node_id="LoRACanvasMergeDatasets",
            display_name="Merge Datasets",
            category=CATEGORY,
            description=(
                "Joins datasets, so that one LoRA learns from all of them. Each keeps the settings it brings; a Bucket Config "
                "behind this node sets the sizes of all. Balance them with their repeats."
            ),
            inputs=[
                Dataset.Input("dataset_a", tooltip=f"The first dataset. {keeps}"),
                Dataset.Input("dataset_b", tooltip=f"The second dataset. {keeps}"),
                *(Dataset.Input(name, optional=True, tooltip=f"A further dataset. {keeps}") for name in MORE),
            ],
            outputs=[
                Dataset.Output(display_name="dataset", tooltip="All pictures, in the order of the inputs."),
                io.String.Output(display_name="report", tooltip="What it holds now."),
            ],
        )

    @classmethod
    def execute(cls, **datasets) -> io.NodeOutput:
        merged = cls.foreseen(**datasets)
        return io.NodeOutput(merged, dataset_report(merged))

    @classmethod
    def foreseen(cls, dataset_a, dataset_b, **more):
        """The data set, without a look at it: before Run too (host/panel/estimate.py)."""
        return merge_datasets([dataset_a, dataset_b, *(more[name] for name in MORE if more.get(name) is not None)])
