"""The smaller workflows: one task each, on one sheet."""

from typing import Any

from . import models
from .canvas import COLUMN, SHEET, SHELF, SPACE, Canvas, Column, Placed
from .families import Checkpoint, Loaded
from .notes import CAPTION_NOTE, COMPARE_NOTE, GRAPH_NOTE, KINDS_NOTE, RESUME_NOTE, START_NOTE
from .training import AFTER, HOW, LIVE, buckets

SD15 = Checkpoint(models.SD15)
#: For the text that a node shows.
TEXT = 200
KINDS = {"lora": None, "lokr": "LoRACanvasLoKrOptions", "oft": "LoRACanvasOFTOptions", "ia3": "LoRACanvasIA3Options",
         "dylora": "LoRACanvasDyLoRAOptions"}


def caption_a_folder(info: dict) -> Canvas:
    canvas = Canvas("Caption a folder", info)
    first, second, third, fourth = canvas.columns(COLUMN, COLUMN, COLUMN, SHELF)
    dataset = first.add("LoRACanvasLoadDataset", {"folder": "my_pictures"})
    first.note(CAPTION_NOTE)
    captioned = second.add("LoRACanvasAutoCaption", {"write_files": "new files", "download_model": True}, room=TEXT - 4,
                           dataset=dataset.out("dataset"))
    configured = second.add("LoRACanvasCaptionConfig", {"trigger_word": "ohwx"}, dataset=captioned.out("dataset"))
    third.add("LoRACanvasCaptionPreview", room=TEXT, dataset=configured.out("dataset"))
    fourth.add("LoRACanvasDatasetDoctor", room=TEXT, dataset=configured.out("dataset"))
    return canvas


def resume_a_run(info: dict) -> Canvas:
    canvas = Canvas("Resume a run", info)
    first, second, third, fourth = canvas.columns(COLUMN, COLUMN, COLUMN, SHELF)
    loaded = SD15.put(first)
    dataset = first.add("LoRACanvasLoadDataset", {"folder": "my_pictures"})
    second.note(RESUME_NOTE)
    widgets = {"run_name": "my_lora", "steps": 3000, "resume": "latest"}
    train = third.add("LoRACanvasTrainLoRA", widgets, room=LIVE, **_model(loaded), **_learning(fourth, dataset))
    _file(fourth, "my_lora", train)
    return canvas


def compare_checkpoints(info: dict) -> Canvas:
    canvas = Canvas("Compare checkpoints", info)
    first, second = canvas.columns(COLUMN, SHEET[0] - COLUMN - SPACE)
    loaded = SD15.put(first)
    test = first.add("LoRACanvasLoRATest", {
        "prompts": "my subject in the snow\nmy subject in marble", "strengths": "0.7, 1.0", "run": "my_lora",
    }, **_model(loaded))
    second.add("SaveImage", {"filename_prefix": "lora_canvas/compare"}, room=320, images=test.out("grid"))
    second.note(COMPARE_NOTE)
    return canvas


def train_on_the_graph_s_images(info: dict) -> Canvas:
    canvas = Canvas("Train on images of the graph", info)
    first, second, third, fourth = canvas.columns(COLUMN, COLUMN, COLUMN, SHELF)
    loaded = SD15.put(first)
    picture = first.add("LoadImage", {"image": "example.png"}, room=180)
    with fourth.frame("The pictures") as shelf:
        pictures = [picture, shelf.fold("LoadImage", {"image": "example.png"}, title="Another picture")]
        batch = shelf.fold("ImageBatch", title="Both pictures", image1=pictures[0].out("IMAGE"), image2=pictures[1].out("IMAGE"))
        made = second.add("LoRACanvasImagesToDataset", {"trigger_word": "ohwx, a drawing"}, images=batch.out("IMAGE"))
        folder = shelf.fold("LoRACanvasLoadDataset", {"folder": "my_pictures"}, title="More, from a folder")
        merged = shelf.fold("LoRACanvasMergeDatasets", title="Merge", dataset_a=made.out("dataset"), dataset_b=folder.out("dataset"))
        objective = shelf.fold("LoRACanvasTrainingObjective")
    second.note(GRAPH_NOTE)
    train = third.add("LoRACanvasTrainLoRA", {"run_name": "from_the_graph", "steps": 500}, room=LIVE, **_model(loaded),
                      objective=objective.out("objective"), **_learning(fourth, merged))
    _file(fourth, "from_the_graph", train)
    return canvas


def compare_kinds(info: dict) -> Canvas:
    canvas = Canvas("Compare kinds of network", info)
    first, second, third, fourth = canvas.columns(COLUMN, COLUMN, COLUMN, SHELF)
    loaded = SD15.put(first)
    with fourth.frame("The kinds") as networks, first.frame("Their layers") as layers:
        for (algorithm, options), place in zip(KINDS.items(), (second, second, second, third, third), strict=True):
            sockets: dict[str, Any] = {"options": networks.fold(options).out("options")} if options else {}
            network = networks.fold("LoRACanvasLoRANetwork", {"algorithm": algorithm}, title=algorithm, **sockets)
            blocks = layers.fold("LoRACanvasBlockWeights", title=f"{algorithm}: blocks", network=network.out("network"), model=loaded.model)
            place.add("PreviewAny", room=60, title=f"What {algorithm} trains", source=blocks.out("report"))
    third.note(KINDS_NOTE)
    return canvas


def go_on_from_a_lora(info: dict) -> Canvas:
    canvas = Canvas("Go on from a LoRA", info)
    first, second, third, fourth = canvas.columns(COLUMN, COLUMN, COLUMN, SHELF)
    loaded = SD15.put(first)
    picture = first.add("LoadImage", {"image": "example.png"}, room=180)
    caption = second.add("CLIPTextEncode", {"text": "ohwx"}, title="Caption", clip=loaded.clip)
    with fourth.frame(HOW) as how:
        latent = how.fold("VAEEncode", pixels=picture.out("IMAGE"), vae=loaded.vae)
        dataset = how.fold("LoRACanvasImportCoreDataset", title="As a dataset", latents=latent.out("LATENT"),
                           conditioning=caption.out("CONDITIONING"))
        network = how.fold("LoRACanvasLoRANetwork")
        optimizer = how.fold("LoRACanvasOptimizer", {"learning_rate": 5e-5})
    start = second.add("LoRACanvasStartFromLoRA", network=network.out("network"))
    second.note(START_NOTE)
    train = third.add(
        "LoRACanvasTrainLoRA", {"run_name": "from_a_lora", "steps": 300}, room=LIVE, **_model(loaded), dataset=dataset.out("dataset"),
        network=start.out("network"), optimizer=optimizer.out("optimizer"),
    )
    _file(fourth, "from_a_lora", train)
    return canvas


def _model(loaded: Loaded) -> dict[str, Any]:
    return {"model": loaded.model, "clip": loaded.clip, "vae": loaded.vae}


def _learning(column: Column, dataset: Placed) -> dict[str, Any]:
    """Buckets, network and optimizer, for SD1.5: what Train LoRA takes of them."""
    with column.frame(HOW) as how:
        return {
            "dataset": buckets(how, dataset, 512), "network": how.fold("LoRACanvasLoRANetwork").out("network"),
            "optimizer": how.fold("LoRACanvasOptimizer").out("optimizer"),
        }


def _file(column: Column, name: str, trained: Placed) -> None:
    with column.frame(AFTER) as after:
        after.fold("LoRACanvasSaveLoRA", {"filename": name}, lora=trained.out("lora"))
