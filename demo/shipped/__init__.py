"""What is shipped, one idea a file: workflows (name -> function that makes a canvas) and blueprints (name -> function that makes a file)."""

from collections.abc import Callable

from ..canvas import Canvas
from .one_node import NAME, train_in_one_node
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

BLUEPRINTS: dict[str, Callable[[dict], dict]] = {NAME: train_in_one_node}
