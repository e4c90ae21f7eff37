"""A tiny model loaded as ComfyUI's executor would, and one hand-made batch: what tests of host/ work with."""

from dataclasses import dataclass

import torch

from pack.training.network.build import Network, build_network
from pack.training.network.spec import NetworkSpec
from pack.training.parts import Trainable
from pack.training.protocols import Condition, PixelGeometry, TextCondition


@dataclass
class Loaded:
    """MODEL, CLIP and VAE of a checkpoint, as a graph holds them."""

    model: object
    clip: object
    vae: object


def load(comfy, name: str, **model_options) -> Loaded:
    """Load under inference mode, where ComfyUI's executor runs nodes: the weights become inference tensors."""
    sd = comfy.module("comfy.sd")
    path = comfy.folder_paths.get_full_path_or_raise("checkpoints", name)
    with torch.inference_mode():
        model, clip, vae, _ = sd.load_checkpoint_guess_config(path, model_options=model_options)
    return Loaded(model, clip, vae)


def session_of(loaded: Loaded, *, clip=None, precision: str | None = None, **options):
    """A Session on the loaded model. `host` can only be imported once ComfyUI runs, hence here."""
    from pack.host.session import Session

    return Session(loaded.model, clip=clip, precision=precision, **options)


def condition(width: int = 768, tokens: int = 77, seed: int = 7, pooled: int | None = None, size=(512, 512)) -> Condition:
    generator = torch.Generator().manual_seed(seed)
    tensors = {"cond": torch.randn(1, tokens, width, generator=generator)}
    if pooled:
        tensors["pooled_output"] = torch.randn(1, pooled, generator=generator)
    geometry = PixelGeometry(original=size, crop=(0, 0), target=size)
    return Condition(text=TextCondition(tensors=tensors), geometry=geometry)


def network_for(parts: list[Trainable], spec: NetworkSpec | None = None, *, seed: int = 3, random_up: bool = True) -> Network:
    """Adapters on every part; `up` gets values too, so that every gradient is alive."""
    network = build_network(spec or NetworkSpec(rank=4, alpha=2.0), parts, seed=seed)
    if random_up:
        generator = torch.Generator().manual_seed(seed)
        for name, parameter in network.named_parameters():
            if name.endswith(".up"):
                parameter.data.normal_(0, 0.02, generator=generator)
    return network
