"""The workflows that are shipped, one idea a file: name -> function that puts its nodes on a canvas."""

from collections.abc import Callable

from ..canvas import Canvas
from .small import (
    caption_a_folder,
    compare_checkpoints,
    compare_kinds,
    go_on_from_a_lora,
    resume_a_run,
    train_on_the_graph_s_images,
)
from .training import train_flux, train_sd15, train_sdxl

WORKFLOWS: dict[str, Callable[[dict], Canvas]] = {
    "Train SD1.5 LoRA": train_sd15,
    "Train SDXL LoRA": train_sdxl,
    "Train FLUX LoRA": train_flux,
    "Caption a folder": caption_a_folder,
    "Resume a run": resume_a_run,
    "Compare checkpoints": compare_checkpoints,
    "Compare kinds of network": compare_kinds,
    "Go on from a LoRA": go_on_from_a_lora,
    "Train on images of the graph": train_on_the_graph_s_images,
}
