"""What each family's training workflow asks for: its loaders, and the numbers that its users found good.

Where the numbers come from: musubi-tuner's guides (zimage.md, qwen_image.md, krea2.md, wan.md), sd-scripts' anima_train_network.md,
ai-toolkit's defaults for each model (rank and alpha 32, 1e-4, 3000 steps, 25 steps a sample), and, for sampling, ComfyUI's own templates.
"""

from dataclasses import dataclass, field
from typing import Any

from . import models
from .canvas import Column, Placed
from .notes import (
    ANIMA_NOTE,
    FLUX_NOTE,
    KLEIN_NOTE,
    KREA2_NOTE,
    QWEN_IMAGE_NOTE,
    SD15_NOTE,
    SDXL_NOTE,
    Z_IMAGE_NOTE,
    Z_IMAGE_TURBO_NOTE,
)

Socket = tuple[Placed, str]
Model = dict[str, str]


@dataclass(frozen=True)
class Loaded:
    """What the loaders of a family give."""

    model: Socket
    clip: Socket
    vae: Socket


@dataclass(frozen=True)
class Checkpoint:
    """All in one file."""

    file: Model

    def put(self, column: Column) -> Loaded:
        loader = column.add("CheckpointLoaderSimple", {"ckpt_name": self.file["name"]}, models=[self.file])
        return Loaded(loader.out("MODEL"), loader.out("CLIP"), loader.out("VAE"))


@dataclass(frozen=True)
class Parts:
    """A file for each part. `kind` is the text encoders' type; `shift` that of ModelSamplingAuraFlow, where the family has
    one of its own; `adapter` a training adapter that lies under the LoRA while it is trained."""

    model: Model
    encoders: tuple[Model, ...]
    kind: str
    vae: Model
    dtype: str = "default"
    shift: float | None = None
    adapter: Model | None = None

    def put(self, column: Column) -> Loaded:
        model = unet(column, self.model, self.dtype)
        if self.shift is not None:
            model = column.fold("ModelSamplingAuraFlow", {"shift": self.shift}, title="Shift", model=model).out("MODEL")
        return Loaded(model, text_encoders(column, self.kind, *self.encoders), vae(column, self.vae))


def unet(column: Column, file: Model, dtype: str = "default", folded: bool = False, **more: Any) -> Socket:
    put = column.fold if folded else column.add
    return put("UNETLoader", {"unet_name": file["name"], "weight_dtype": dtype}, models=[file], **more).out("MODEL")


def text_encoders(column: Column, kind: str, *files: Model) -> Socket:
    if len(files) == 1:
        names = {"clip_name": files[0]["name"]}
        return column.fold("CLIPLoader", {**names, "type": kind}, title="Text encoder", models=list(files)).out("CLIP")
    names = {f"clip_name{number}": file["name"] for number, file in enumerate(files, 1)}
    return column.fold("DualCLIPLoader", {**names, "type": kind}, title="Text encoders", models=list(files)).out("CLIP")


def vae(column: Column, file: Model) -> Socket:
    return column.fold("VAELoader", {"vae_name": file["name"]}, title="VAE", models=[file]).out("VAE")


@dataclass(frozen=True)
class Sampling:
    """Of the test and of the previews. `guidance` is distilled guidance; `latent` the node that makes an empty one."""

    cfg: float
    steps: int = 20
    sampler: str = "euler"
    scheduler: str = "simple"
    latent: str = "EmptySD3LatentImage"
    guidance: float | None = None


@dataclass(frozen=True)
class Family:
    """`network` and `objective` are widgets of LoRA Network and Training Objective that differ from their defaults; `look_at` is
    another model to look at the LoRA with, and how to sample there."""

    loaders: Checkpoint | Parts
    sampling: Sampling
    note: str
    side: int = 1024
    rank: int = 16
    rate: float = 1e-4
    steps: int = 2000
    network: dict[str, Any] = field(default_factory=dict)
    objective: dict[str, Any] = field(default_factory=dict)
    look_at: tuple[Model, Sampling] | None = None


_TURBO = Sampling(1.0, 8)

SD15 = Family(Checkpoint(models.SD15), Sampling(7.0, scheduler="normal", latent="EmptyLatentImage"), SD15_NOTE, side=512, steps=1500)
SDXL = Family(Checkpoint(models.SDXL), Sampling(6.0, scheduler="normal", latent="EmptyLatentImage"), SDXL_NOTE)
FLUX = Family(
    Parts(models.FLUX, (models.CLIP_L, models.T5), "flux", models.FLUX_VAE, dtype="fp8_e4m3fn"), Sampling(1.0, guidance=3.5), FLUX_NOTE,
)
Z_IMAGE = Family(
    Parts(models.Z_IMAGE, (models.QWEN3_4B,), "lumina2", models.Z_IMAGE_VAE), Sampling(4.0, 25, "res_multistep"), Z_IMAGE_NOTE,
    rank=32, steps=3000, objective={"timesteps": "shift", "shift": 2.0},
)
Z_IMAGE_TURBO = Family(
    Parts(models.Z_IMAGE_TURBO, (models.QWEN3_4B,), "lumina2", models.Z_IMAGE_VAE, adapter=models.Z_IMAGE_ADAPTER),
    Sampling(1.0, 8, "res_multistep"), Z_IMAGE_TURBO_NOTE, rank=32, objective={"timesteps": "shift", "shift": 2.0},
)
KLEIN = Family(
    Parts(models.KLEIN, (models.QWEN3_4B,), "flux2", models.FLUX2_VAE), Sampling(5.0, latent="EmptyFlux2LatentImage"), KLEIN_NOTE,
    rank=32, steps=3000,
)
QWEN_IMAGE = Family(
    Parts(models.QWEN_IMAGE, (models.QWEN25_VL,), "qwen_image", models.QWEN_IMAGE_VAE, shift=3.1), Sampling(4.0, 50), QWEN_IMAGE_NOTE,
    rate=5e-5, steps=3000, objective={"timesteps": "shift", "shift": 2.2},
)
KREA2 = Family(
    Parts(models.KREA2_RAW, (models.QWEN3_VL,), "krea2", models.QWEN_IMAGE_VAE), Sampling(5.5, 28), KREA2_NOTE,
    rank=32, steps=3000, network={"targets": "all linear"}, objective={"timesteps": "shift", "shift": 2.5},
    look_at=(models.KREA2_TURBO, _TURBO),
)
ANIMA = Family(
    Parts(models.ANIMA, (models.QWEN3_06B,), "stable_diffusion", models.QWEN_IMAGE_VAE), Sampling(4.0, 30), ANIMA_NOTE,
    rank=32, steps=3000, objective={"timesteps": "sigmoid"},
)

FAMILIES: dict[str, Family] = {
    "Train SD1.5 LoRA": SD15, "Train SDXL LoRA": SDXL, "Train FLUX LoRA": FLUX, "Train Z-Image LoRA": Z_IMAGE,
    "Train Z-Image Turbo LoRA": Z_IMAGE_TURBO, "Train FLUX.2 Klein LoRA": KLEIN, "Train Qwen-Image LoRA": QWEN_IMAGE,
    "Train Krea 2 LoRA": KREA2, "Train Anima LoRA": ANIMA,
}
