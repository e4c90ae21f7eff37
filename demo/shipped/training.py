"""Training from loaders to a picture with the result: one sheet for every family, with its own loaders and numbers.

What must be set stands open (checkpoint, pictures, prompts, run), what need not be is folded into a column at the right.
"""

from functools import partial
from typing import Any

from .canvas import COLUMN, SHELF, Canvas, Column, Placed
from .families import FAMILIES, Family, Loaded, Model, Parts, Sampling, Socket, unet

PREVIEW_STEPS = 25
#: What Train LoRA shows of a run.
LIVE = 144
PROMPTS = "[trigger] in the snow\nportrait of [trigger]"
HOW, AFTER = "How it learns", "When it is trained"


def train(name: str, info: dict) -> Canvas:
    family = FAMILIES[name]
    canvas = Canvas(name, info)
    first, second, third, fourth = canvas.columns(COLUMN, COLUMN, COLUMN, SHELF)
    loaded = family.loaders.put(first)
    pictures = first.add("LoRACanvasLoadDataset", {"folder": "my_pictures"})
    preview = preview_of(second, family.sampling, family.side)
    second.note(family.note)
    with fourth.frame(HOW) as how:
        dataset = buckets(how, pictures, family.side)
        network = how.fold("LoRACanvasLoRANetwork", {"rank": family.rank, "alpha": float(family.rank), **family.network})
        optimizer = how.fold("LoRACanvasOptimizer", {"learning_rate": family.rate})
        sockets: dict[str, Any] = {}
        if family.objective:
            sockets["objective"] = how.fold("LoRACanvasTrainingObjective", family.objective).out("objective")
    assistant, adapter = _assistant(family)
    trained = third.add(
        "LoRACanvasTrainLoRA", {"run_name": "my_lora", "steps": family.steps, **assistant}, room=LIVE, dataset=dataset,
        network=network.out("network"), optimizer=optimizer.out("optimizer"), preview=preview.out("preview"), model=loaded.model,
        vae=loaded.vae, clip=loaded.clip, models=adapter, **sockets,
    )
    with fourth.frame(AFTER) as after:
        _use_it(after, family, trained, loaded)
    return canvas


TRAININGS = {name: partial(train, name) for name in FAMILIES}


def buckets(column: Column, dataset: Placed, side: int) -> Socket:
    """Pictures in buckets around `side` pixels."""
    sizes = {"resolution": side, "max_bucket": 2 * side}
    return column.fold("LoRACanvasBucketConfig", sizes, dataset=dataset.out("dataset")).out("dataset")


def preview_of(column: Column, sampling: Sampling, side: int) -> Placed:
    return column.add("LoRACanvasSamplePreview", {
        "prompts": PROMPTS, "every_n_steps": 250, "cfg": sampling.cfg, "width": side, "height": side, "sampler_name": sampling.sampler,
        "scheduler": sampling.scheduler, "sampling_steps": min(sampling.steps, PREVIEW_STEPS),
    })


def _assistant(family: Family) -> tuple[dict[str, str], list[Model] | None]:
    """Train LoRA's widget for the training adapter, and the file to load for it."""
    adapter = family.loaders.adapter if isinstance(family.loaders, Parts) else None
    return ({"assistant_name": adapter["name"]}, [adapter]) if adapter else ({}, None)


def _use_it(column: Column, family: Family, trained: Placed, loaded: Loaded) -> None:
    """The file, and the trained model straight into a KSampler."""
    sampling = family.look_at[1] if family.look_at else family.sampling
    column.fold("LoRACanvasSaveLoRA", {"filename": "my_lora"}, lora=trained.out("lora"))
    model = _to_look_at(column, family, trained)
    positive, negative = prompts(column, trained.out("clip"), sampling)
    latent = column.fold(sampling.latent, {"width": family.side, "height": family.side}, title="Size")
    sampler = column.fold("KSampler", {
        "seed": 42, "steps": sampling.steps, "cfg": sampling.cfg, "sampler_name": sampling.sampler, "scheduler": sampling.scheduler,
    }, model=model, positive=positive, negative=negative, latent_image=latent.out("LATENT"))
    show(column, sampler, loaded)


def _to_look_at(column: Column, family: Family, trained: Placed) -> Socket:
    """The model with the LoRA; on another one than it was trained on, where that is how it will be used."""
    if family.look_at is None:
        return trained.out("model")
    base = unet(column, family.look_at[0], folded=True, title="Model to look with")
    return column.fold("LoraModelLoader", title="LoRA on it", model=base, lora=trained.out("lora")).out("model")


def prompts(column: Column, clip: Socket, sampling: Sampling) -> tuple[Socket, Socket]:
    positive = column.fold("CLIPTextEncode", {"text": "a photo of [trigger] on a beach, golden hour"}, title="Prompt", clip=clip)
    words = "" if sampling.cfg == 1 else "blurry, low quality"
    negative = column.fold("CLIPTextEncode", {"text": words}, title="Negative", clip=clip)
    conditioning = positive.out("CONDITIONING")
    if sampling.guidance is not None:
        conditioning = column.fold("FluxGuidance", {"guidance": sampling.guidance}, conditioning=conditioning).out("CONDITIONING")
    return conditioning, negative.out("CONDITIONING")


def show(column: Column, sampler: Placed, loaded: Loaded) -> None:
    decode = column.fold("VAEDecode", samples=sampler.out("LATENT"), vae=loaded.vae)
    column.fold("SaveImage", {"filename_prefix": "lora_canvas/test"}, images=decode.out("IMAGE"))
