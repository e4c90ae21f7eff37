"""Dataset Doctor: what will hurt, before any time is spent on training."""

from __future__ import annotations

from comfy_api.latest import io, ui

from ..host.progress import node_progress
from ..training.data.advice.doctor import diagnose, doctor_report
from .sockets import Dataset
from .widgets import CATEGORY


class DatasetDoctor(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="LoRACanvasDatasetDoctor",
            display_name="Dataset Doctor",
            category=CATEGORY,
            description=(
                "Looks for what spoils a LoRA: near-duplicates, pictures that are too small or broken, missing or identical "
                "captions, a forgotten trigger word, transparency, empty masks, validation pictures that are also trained on. "
                "Each line names the files and what to do. Nothing is changed."
            ),
            is_output_node=True,
            inputs=[Dataset.Input("dataset", tooltip="Best from Bucket Config, so that it knows at which size you train.")],
            outputs=[
                Dataset.Output(display_name="dataset", tooltip="The same dataset."),
                io.String.Output(display_name="report", tooltip="The findings, as shown on the node."),
            ],
        )

    @classmethod
    def execute(cls, dataset) -> io.NodeOutput:
        report = doctor_report(diagnose(dataset, node_progress()))
        return io.NodeOutput(dataset, report, ui=ui.PreviewText(report))
