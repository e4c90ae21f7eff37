"""The whole training as one node, for a first LoRA: it stands in the node library under Subgraph Blueprints."""

from .blueprint import blueprint, door
from .canvas import Canvas

COLUMN = 400
NAME = "Train a LoRA (one node)"
DESCRIPTION = (
    "Trains a LoRA on the connected model from a folder of pictures, and writes it to models/loras. "
    "Resolution: 512 for SD1.5, 1024 for SDXL and FLUX. cfg, of the pictures it makes on the way: 7 for SD1.5, 6 for SDXL, 1 for FLUX. "
    "Open it to see the steps inside."
)


def train_in_one_node(info: dict) -> dict:
    canvas = Canvas(NAME, info)
    data, how, runs, last = canvas.columns(COLUMN, COLUMN, COLUMN, COLUMN)
    dataset = data.add("LoRACanvasLoadDataset", {"folder": "my_pictures"})
    buckets = data.add("LoRACanvasBucketConfig", dataset=dataset.out("dataset"))
    network = how.add("LoRACanvasLoRANetwork", {"rank": 16, "alpha": 16.0})
    optimizer = how.add("LoRACanvasOptimizer")
    preview = data.add("LoRACanvasSamplePreview", {"prompts": "a photo of [trigger] in the snow", "every_n_steps": 250})
    train = runs.add(
        "LoRACanvasTrainLoRA", {"run_name": "my_lora", "steps": 1500}, room=400, dataset=buckets.out("dataset"),
        network=network.out("network"), optimizer=optimizer.out("optimizer"), preview=preview.out("preview"),
    )
    save = last.add("LoRACanvasSaveLoRA", {"filename": "my_lora"}, lora=train.out("lora"))
    inputs = [
        door("model", (train, "model")), door("clip", (train, "clip")), door("vae", (train, "vae")),
        door("folder", (dataset, "folder")), door("name", (train, "run_name"), (save, "filename")),
        door("steps", (train, "steps")), door("learning_rate", (optimizer, "learning_rate")),
        door("resolution", (buckets, "resolution"), (preview, "width"), (preview, "height")),
        door("prompts", (preview, "prompts")), door("resume", (train, "resume")), door("cfg", (preview, "cfg")),
    ]
    outputs = [door(name, (train, name)) for name in ("model", "clip", "loss_plot", "samples")] + [door("path", (save, "path"))]
    return blueprint(canvas, DESCRIPTION, inputs, outputs)
