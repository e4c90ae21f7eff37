"""Training from loaders to a picture with the result: the same four columns for every family, with its own loaders and numbers."""

from functools import partial

from .canvas import Canvas, Column, Placed
from .families import FAMILIES, Family, Loaded, Model, Parts, Sampling, Socket, unet

COLUMN, SPACE = 400, 60
TEST = 4 * (COLUMN + SPACE) + 60
PREVIEW_STEPS = 25
PROMPTS = "a photo of my subject in the snow\nportrait of my subject, smiling"


def train(name: str, info: dict) -> Canvas:
    family = FAMILIES[name]
    canvas = Canvas(name, info)
    first, second, third = (canvas.column(number * (COLUMN + SPACE), COLUMN) for number in range(3))
    fourth = canvas.column(3 * (COLUMN + SPACE), COLUMN + 60)
    loaded = family.loaders.put(first)
    dataset = dataset_of(first, family.side)
    network = second.add("LoRACanvasLoRANetwork", {"rank": family.rank, "alpha": float(family.rank), **family.network})
    preview = preview_of(second, family.sampling, family.side)
    optimizer = third.add("LoRACanvasOptimizer", {"learning_rate": family.rate})
    sockets = {"objective": third.add("LoRACanvasTrainingObjective", family.objective).out("objective")} if family.objective else {}
    assistant, adapter = _assistant(family)
    trained = fourth.add(
        "LoRACanvasTrainLoRA", {"run_name": "my_lora", "steps": family.steps, **assistant}, room=400, dataset=dataset,
        network=network.out("network"),
        optimizer=optimizer.out("optimizer"), preview=preview.out("preview"), model=loaded.model, vae=loaded.vae, clip=loaded.clip,
        models=adapter, **sockets,
    )
    fourth.add("LoRACanvasSaveLoRA", {"filename": "my_lora"}, lora=trained.out("lora"))
    bottom = max(column.end for column in (first, second, third, fourth)) + 40
    frames(canvas, bottom)
    _use_it(canvas, family, trained, loaded)
    canvas.note(family.note, (-520, -90), (470, 700))
    return canvas


TRAININGS = {name: partial(train, name) for name in FAMILIES}


def dataset_of(column: Column, side: int) -> Socket:
    """Pictures in buckets around `side` pixels."""
    dataset = column.add("LoRACanvasLoadDataset", {"folder": "my_pictures"})
    sizes = {"resolution": side, "max_bucket": 2 * side}
    return column.add("LoRACanvasBucketConfig", sizes, dataset=dataset.out("dataset")).out("dataset")


def preview_of(column: Column, sampling: Sampling, side: int) -> Placed:
    return column.add("LoRACanvasSamplePreview", {
        "prompts": PROMPTS, "every_n_steps": 250, "cfg": sampling.cfg, "width": side, "height": side, "sampler_name": sampling.sampler,
        "scheduler": sampling.scheduler, "sampling_steps": min(sampling.steps, PREVIEW_STEPS),
    })


def frames(canvas: Canvas, bottom: int) -> None:
    for title, x, width in (("1  Model and pictures", 0, COLUMN), ("2  How it learns", COLUMN + SPACE, 2 * COLUMN + SPACE),
                            ("3  Training", 3 * (COLUMN + SPACE), COLUMN + 60),
                            ("4  Test it in the same canvas", TEST, 2 * COLUMN + SPACE)):
        canvas.group(title, (x - 20, -90, width + 40, bottom + 90))


def _assistant(family: Family) -> tuple[dict[str, str], list[Model] | None]:
    """Train LoRA's widget for the training adapter, and the file to load for it."""
    adapter = family.loaders.adapter if isinstance(family.loaders, Parts) else None
    return ({"assistant_name": adapter["name"]}, [adapter]) if adapter else ({}, None)


def _use_it(canvas: Canvas, family: Family, trained: Placed, loaded: Loaded) -> None:
    """The trained model straight into a KSampler."""
    column, second = canvas.column(TEST, COLUMN), canvas.column(TEST + COLUMN + SPACE, COLUMN)
    sampling = family.look_at[1] if family.look_at else family.sampling
    positive, negative = prompts(column, trained.out("clip"), sampling)
    latent = column.add(sampling.latent, {"width": family.side, "height": family.side})
    column.add("PreviewImage", room=340, title="Loss", images=trained.out("loss_plot"))
    sampler = second.add("KSampler", {
        "seed": 42, "steps": sampling.steps, "cfg": sampling.cfg, "sampler_name": sampling.sampler, "scheduler": sampling.scheduler,
    }, model=_to_look_at(second, family, trained), positive=positive, negative=negative, latent_image=latent.out("LATENT"))
    show(second, sampler, loaded)


def _to_look_at(column: Column, family: Family, trained: Placed) -> Socket:
    """The model with the LoRA; on another one than it was trained on, where that is how it will be used."""
    if family.look_at is None:
        return trained.out("model")
    base = unet(column, family.look_at[0], title="The model to look with")
    return column.add("LoraModelLoader", title="The LoRA on it", model=base, lora=trained.out("lora")).out("model")


def prompts(column: Column, clip: Socket, sampling: Sampling) -> tuple[Socket, Socket]:
    positive = column.add("CLIPTextEncode", {"text": "a photo of my subject on a beach, golden hour"}, title="Prompt", clip=clip)
    words = "" if sampling.cfg == 1 else "blurry, low quality"
    negative = column.add("CLIPTextEncode", {"text": words}, title="Negative prompt", clip=clip)
    conditioning = positive.out("CONDITIONING")
    if sampling.guidance is not None:
        conditioning = column.add("FluxGuidance", {"guidance": sampling.guidance}, conditioning=conditioning).out("CONDITIONING")
    return conditioning, negative.out("CONDITIONING")


def show(column: Column, sampler: Placed, loaded: Loaded) -> None:
    decode = column.add("VAEDecode", samples=sampler.out("LATENT"), vae=loaded.vae)
    column.add("SaveImage", {"filename_prefix": "lora_canvas/test"}, room=420, images=decode.out("IMAGE"))
