"""The makers of what is shipped: workflows (name -> function that makes a canvas) and blueprints (name -> function that makes a file).

    training             training from loaders to a picture, for every family
    families             each family's loaders and numbers
    wan                  Wan 2.2: two models, two LoRAs
    small                the smaller workflows, one task each
    one_node             the whole training as one node
    notes                what the notes on the workflows say
    models               the models that the workflows ask for
    canvas               places nodes and writes the workflow format
    blueprint            folds a canvas into one node
    make_workflows       writes workflows/ and subgraphs/
    cards                draws the workflows' cards for the template browser
    make_pictures        takes README's pictures and has the cards drawn
    make_demo_pictures   runs the demo's workflow for them
    make_family_table    writes README's table of models
"""

from collections.abc import Callable

from .canvas import Canvas
from .one_node import NAME, train_in_one_node
from .small import (
    caption_a_folder,
    compare_checkpoints,
    compare_kinds,
    go_on_from_a_lora,
    resume_a_run,
    train_on_the_graph_s_images,
)
from .training import TRAININGS
from .wan import train_wan

WORKFLOWS: dict[str, Callable[[dict], Canvas]] = {
    **TRAININGS,
    "Train Wan 2.2 LoRA on pictures": train_wan,
    "Caption a folder": caption_a_folder,
    "Resume a run": resume_a_run,
    "Compare checkpoints": compare_checkpoints,
    "Compare kinds of network": compare_kinds,
    "Go on from a LoRA": go_on_from_a_lora,
    "Train on images of the graph": train_on_the_graph_s_images,
}

BLUEPRINTS: dict[str, Callable[[dict], dict]] = {NAME: train_in_one_node}
