"""Train SD1.5, SDXL and FLUX: the same four columns, with each family's own loaders and numbers."""

from dataclasses import dataclass

from . import models
from .canvas import Canvas, Column, Placed
from .notes import FLUX_NOTE, SD15_NOTE, SDXL_NOTE

Socket = tuple[Placed, str]
COLUMN, SPACE = 400, 60
TEST = 4 * (COLUMN + SPACE) + 60


@dataclass(frozen=True)
class Loaded:
    """What the loaders of a family give."""

    model: Socket
    clip: Socket
    vae: Socket


@dataclass(frozen=True)
class Numbers:
    """A family's own settings."""

    side: int
    rank: int
    alpha: float
    rate: float
    steps: int
    cfg: float
    scheduler: str


def train_sd15(info: dict) -> Canvas:
    return _from_checkpoint("Train SD1.5 LoRA", info, models.SD15, Numbers(512, 16, 16.0, 1e-4, 1500, 7.0, "normal"), SD15_NOTE)


def train_sdxl(info: dict) -> Canvas:
    return _from_checkpoint("Train SDXL LoRA", info, models.SDXL, Numbers(1024, 16, 16.0, 1e-4, 2000, 6.0, "normal"), SDXL_NOTE)


def train_flux(info: dict) -> Canvas:
    canvas = Canvas("Train FLUX LoRA", info)
    column = canvas.column(0, COLUMN)
    model = column.add("UNETLoader", {"unet_name": models.FLUX["name"], "weight_dtype": "fp8_e4m3fn"}, models=[models.FLUX])
    clip = column.add("DualCLIPLoader", {"clip_name1": models.CLIP_L["name"], "clip_name2": models.T5["name"], "type": "flux"},
                      models=[models.CLIP_L, models.T5])
    vae = column.add("VAELoader", {"vae_name": models.FLUX_VAE["name"]}, models=[models.FLUX_VAE])
    loaded = Loaded(model.out("MODEL"), clip.out("CLIP"), vae.out("VAE"))
    return _training(canvas, column, loaded, Numbers(1024, 16, 16.0, 1e-4, 2000, 1.0, "simple"), FLUX_NOTE)


def _from_checkpoint(name: str, info: dict, model: dict, numbers: Numbers, note: str) -> Canvas:
    canvas = Canvas(name, info)
    column = canvas.column(0, COLUMN)
    loader = column.add("CheckpointLoaderSimple", {"ckpt_name": model["name"]}, models=[model])
    loaded = Loaded(loader.out("MODEL"), loader.out("CLIP"), loader.out("VAE"))
    return _training(canvas, column, loaded, numbers, note)


def _training(canvas: Canvas, first: Column, loaded: Loaded, numbers: Numbers, note: str) -> Canvas:
    dataset = first.add("LoRACanvasLoadDataset", {"folder": "my_pictures"})
    buckets = first.add("LoRACanvasBucketConfig", {"resolution": numbers.side, "max_bucket": 2 * numbers.side},
                        dataset=dataset.out("dataset"))
    second = canvas.column(COLUMN + SPACE, COLUMN)
    network = second.add("LoRACanvasLoRANetwork", {"rank": numbers.rank, "alpha": numbers.alpha})
    preview = second.add("LoRACanvasSamplePreview", {
        "prompts": "a photo of my subject in the snow\nportrait of my subject, smiling", "every_n_steps": 250, "cfg": numbers.cfg,
        "width": numbers.side, "height": numbers.side, "scheduler": numbers.scheduler,
    })
    third = canvas.column(2 * (COLUMN + SPACE), COLUMN)
    optimizer = third.add("LoRACanvasOptimizer", {"learning_rate": numbers.rate})
    fourth = canvas.column(3 * (COLUMN + SPACE), COLUMN + 60)
    train = fourth.add(
        "LoRACanvasTrainLoRA", {"run_name": "my_lora", "steps": numbers.steps}, room=400,
        model=loaded.model, vae=loaded.vae, clip=loaded.clip, dataset=buckets.out("dataset"),
        network=network.out("network"), optimizer=optimizer.out("optimizer"), preview=preview.out("preview"),
    )
    fourth.add("LoRACanvasSaveLoRA", {"filename": "my_lora"}, lora=train.out("lora"))
    bottom = max(column.end for column in (first, second, third, fourth)) + 40
    for title, x, width in (("1  Model and pictures", 0, COLUMN), ("2  How it learns", COLUMN + SPACE, 2 * COLUMN + SPACE),
                            ("3  Training", 3 * (COLUMN + SPACE), COLUMN + 60),
                            ("4  Test it in the same canvas", TEST, 2 * COLUMN + SPACE)):
        canvas.group(title, (x - 20, -90, width + 40, bottom + 90))
    _use_it(canvas, train, loaded, numbers)
    canvas.note(note, (-520, -90), (470, 660))
    return canvas


def _use_it(canvas: Canvas, train: Placed, loaded: Loaded, numbers: Numbers) -> None:
    """The trained model straight into a KSampler."""
    guided = numbers.cfg == 1
    column, second = canvas.column(TEST, COLUMN), canvas.column(TEST + COLUMN + SPACE, COLUMN)
    positive = column.add("CLIPTextEncode", {"text": "a photo of my subject on a beach, golden hour"},
                          title="Prompt", clip=train.out("clip"))
    negative = column.add("CLIPTextEncode", {"text": "" if guided else "blurry, low quality"},
                          title="Negative prompt", clip=train.out("clip"))
    latent = column.add("EmptySD3LatentImage" if guided else "EmptyLatentImage", {"width": numbers.side, "height": numbers.side})
    conditioning = positive.out("CONDITIONING")
    if guided:
        conditioning = column.add("FluxGuidance", {"guidance": 3.5}, conditioning=conditioning).out("CONDITIONING")
    column.add("PreviewImage", room=340, title="Loss", images=train.out("loss_plot"))
    sampler = second.add(
        "KSampler", {"seed": 42, "steps": 20, "cfg": numbers.cfg, "sampler_name": "euler", "scheduler": numbers.scheduler},
        model=train.out("model"), positive=conditioning, negative=negative.out("CONDITIONING"), latent_image=latent.out("LATENT"),
    )
    decode = second.add("VAEDecode", samples=sampler.out("LATENT"), vae=loaded.vae)
    second.add("SaveImage", {"filename_prefix": "lora_canvas/test"}, room=420, images=decode.out("IMAGE"))
