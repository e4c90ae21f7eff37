"""The smaller workflows: one task each."""

from typing import Any

from . import models
from .canvas import Canvas, Placed
from .notes import CAPTION_NOTE, COMPARE_NOTE, GRAPH_NOTE, KINDS_NOTE, RESUME_NOTE, START_NOTE

COLUMN = 400


def caption_a_folder(info: dict) -> Canvas:
    canvas = Canvas("Caption a folder", info)
    canvas.note(CAPTION_NOTE, (-520, 0), (470, 380))
    dataset = canvas.column(0, COLUMN).add("LoRACanvasLoadDataset", {"folder": "my_pictures"})
    captioned = canvas.column(460, COLUMN).add("LoRACanvasAutoCaption", dataset=dataset.out("dataset"))
    configured = canvas.column(920, COLUMN).add("LoRACanvasCaptionConfig", {"trigger_word": "ohwx"}, dataset=captioned.out("dataset"))
    last = canvas.column(1380, 500)
    last.add("LoRACanvasCaptionPreview", room=400, dataset=configured.out("dataset"))
    last.add("LoRACanvasDatasetDoctor", room=400, dataset=configured.out("dataset"))
    return canvas


def resume_a_run(info: dict) -> Canvas:
    canvas = Canvas("Resume a run", info)
    canvas.note(RESUME_NOTE, (-520, 0), (470, 240))
    dataset = canvas.column(0, COLUMN, y=190).add("LoRACanvasLoadDataset", {"folder": "my_pictures"})
    train = _short_training(canvas, dataset, {"run_name": "my_lora", "steps": 3000, "resume": "latest"})
    canvas.column(1900, COLUMN).add("LoRACanvasSaveLoRA", {"filename": "my_lora"}, lora=train.out("lora"))
    return canvas


def compare_checkpoints(info: dict) -> Canvas:
    canvas = Canvas("Compare checkpoints", info)
    canvas.note(COMPARE_NOTE, (-520, 0), (470, 300))
    loader = canvas.column(0, COLUMN).add("CheckpointLoaderSimple", {"ckpt_name": models.SD15["name"]}, models=[models.SD15])
    test = canvas.column(460, COLUMN).add("LoRACanvasLoRATest", {
        "prompts": "a photo of my subject in the snow\nmy subject as a marble statue", "strengths": "0.7, 1.0", "run": "my_lora",
    }, model=loader.out("MODEL"), clip=loader.out("CLIP"), vae=loader.out("VAE"))
    canvas.column(920, 700).add("SaveImage", {"filename_prefix": "lora_canvas/compare"}, room=640, images=test.out("grid"))
    return canvas


def train_on_the_graph_s_images(info: dict) -> Canvas:
    canvas = Canvas("Train on images of the graph", info)
    canvas.note(GRAPH_NOTE, (-520, 0), (470, 240))
    column = canvas.column(0, COLUMN, y=190)
    pictures = [column.add("LoadImage", {"image": "example.png"}, room=240) for _ in range(2)]
    batch = column.add("ImageBatch", image1=pictures[0].out("IMAGE"), image2=pictures[1].out("IMAGE"))
    made = column.add("LoRACanvasImagesToDataset", {"trigger_word": "ohwx, a drawing"}, images=batch.out("IMAGE"))
    folder = column.add("LoRACanvasLoadDataset", {"folder": "my_pictures"})
    merged = column.add("LoRACanvasMergeDatasets", dataset_a=made.out("dataset"), dataset_b=folder.out("dataset"))
    objective = canvas.column(1900, COLUMN).add("LoRACanvasTrainingObjective")
    train = _short_training(canvas, merged, {"run_name": "from_the_graph", "steps": 500}, objective=objective.out("objective"))
    canvas.column(2360, COLUMN).add("LoRACanvasSaveLoRA", {"filename": "from_the_graph"}, lora=train.out("lora"))
    return canvas


def compare_kinds(info: dict) -> Canvas:
    canvas = Canvas("Compare kinds of network", info)
    canvas.note(KINDS_NOTE, (-520, 0), (470, 260))
    loader = canvas.column(0, COLUMN).add("CheckpointLoaderSimple", {"ckpt_name": models.SD15["name"]}, models=[models.SD15])
    kinds = (("lora", None), ("lokr", "LoRACanvasLoKrOptions"), ("oft", "LoRACanvasOFTOptions"), ("ia3", "LoRACanvasIA3Options"),
             ("dylora", "LoRACanvasDyLoRAOptions"))
    for number, (algorithm, options) in enumerate(kinds):
        column = canvas.column(460 + number * 460, COLUMN)
        sockets: dict[str, Any] = {"options": column.add(options).out("options")} if options else {}
        network = column.add("LoRACanvasLoRANetwork", {"algorithm": algorithm}, **sockets)
        blocks = column.add("LoRACanvasBlockWeights", network=network.out("network"), model=loader.out("MODEL"))
        column.add("PreviewAny", room=300, title=f"What {algorithm} trains", source=blocks.out("report"))
    return canvas


def go_on_from_a_lora(info: dict) -> Canvas:
    canvas = Canvas("Go on from a LoRA", info)
    canvas.note(START_NOTE, (-520, 0), (470, 260))
    loader = canvas.column(0, COLUMN).add("CheckpointLoaderSimple", {"ckpt_name": models.SD15["name"]}, models=[models.SD15])
    column = canvas.column(0, COLUMN, y=190)
    picture = column.add("LoadImage", {"image": "example.png"}, room=240)
    latent = column.add("VAEEncode", pixels=picture.out("IMAGE"), vae=loader.out("VAE"))
    caption = column.add("CLIPTextEncode", {"text": "ohwx"}, clip=loader.out("CLIP"))
    dataset = column.add("LoRACanvasImportCoreDataset", latents=latent.out("LATENT"), conditioning=caption.out("CONDITIONING"))
    second = canvas.column(460, COLUMN)
    network = second.add("LoRACanvasLoRANetwork")
    start = second.add("LoRACanvasStartFromLoRA", network=network.out("network"))
    optimizer = canvas.column(920, COLUMN).add("LoRACanvasOptimizer", {"learning_rate": 5e-5})
    train = canvas.column(1380, 460).add(
        "LoRACanvasTrainLoRA", {"run_name": "from_a_lora", "steps": 300}, room=400, model=loader.out("MODEL"), vae=loader.out("VAE"),
        clip=loader.out("CLIP"), dataset=dataset.out("dataset"), network=start.out("network"), optimizer=optimizer.out("optimizer"),
    )
    canvas.column(1900, COLUMN).add("LoRACanvasSaveLoRA", {"filename": "from_a_lora"}, lora=train.out("lora"))
    return canvas


def _short_training(canvas: Canvas, dataset: Placed, widgets: dict, **sockets) -> Placed:
    """Loader, buckets, network, optimizer and Train LoRA, on SD1.5."""
    loader = canvas.column(0, COLUMN).add("CheckpointLoaderSimple", {"ckpt_name": models.SD15["name"]}, models=[models.SD15])
    column = canvas.column(460, COLUMN)
    buckets = column.add("LoRACanvasBucketConfig", {"resolution": 512, "max_bucket": 1024}, dataset=dataset.out("dataset"))
    network = column.add("LoRACanvasLoRANetwork")
    optimizer = canvas.column(920, COLUMN).add("LoRACanvasOptimizer")
    return canvas.column(1380, 460).add(
        "LoRACanvasTrainLoRA", widgets, room=400, model=loader.out("MODEL"), vae=loader.out("VAE"), clip=loader.out("CLIP"),
        dataset=buckets.out("dataset"), network=network.out("network"), optimizer=optimizer.out("optimizer"), **sockets,
    )
