"""Writes the files, under their true names, into the folders of ComfyUI's models."""

from collections.abc import Callable
from importlib import import_module
from pathlib import Path

import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from pack.tests.comfy.newer_configs import completed
from pack.tests.comfy.tiny_models import fill
from pack.tests.comfy.true_files.sizes import AUTOENCODER_CHANNELS, DIFFUSION, ENCODERS, VAES, Diffusion, Encoder

META, CPU = torch.device("meta"), torch.device("cpu")
Shapes = dict[str, torch.Size]

#: FLUX's autoencoder as ComfyUI's VAE describes it.
_AUTOENCODER = {"double_z": True, "resolution": 256, "in_channels": 3, "out_ch": 3, "ch": AUTOENCODER_CHANNELS, "ch_mult": [1, 2, 4, 4],
                "num_res_blocks": 2, "attn_resolutions": [], "dropout": 0.0}
_WAN = {"dim": 8, "z_dim": 16, "dim_mult": [1, 2, 4, 4], "num_res_blocks": 2, "attn_scales": [],
        "temperal_downsample": [False, True, True], "dropout": 0.0}


def diffusion_weights(comfy, model: Diffusion) -> tuple[nn.Module, Shapes]:
    """(the small model with random weights, its keys' shapes at true size)."""
    kind = getattr(comfy.module("comfy.supported_models"), model.kind)
    true = kind(completed(comfy, model.true)).get_model({}, device=META).diffusion_model.state_dict()
    config = kind(completed(comfy, {**model.true, **model.shrunk}))
    small = _filled(config, lambda config: config.get_model({}, device=CPU).diffusion_model)
    return small, _at_true_size(small, true)


def encoder_weights(model: Encoder) -> tuple[nn.Module, Shapes]:
    """As `diffusion_weights`, of a text encoder; the small parts that are BUILT_IN must be in place, which the true shapes
    do not depend on: detection reads none of them."""
    module, _, name = model.model.rpartition(".")
    kind, option = getattr(import_module(f"comfy.text_encoders.{module}"), name), f"{model.part}_model_config"
    depth = {key: value for key, value in model.shrunk.items() if key == "num_hidden_layers"}
    true = getattr(kind(device="meta", dtype=torch.float16, model_options={option: depth}), model.part).transformer.state_dict()
    options = {option: dict(model.shrunk)}
    made = _filled(kind, lambda one: getattr(one(device="cpu", dtype=torch.float32, model_options=options), model.part))
    return made.transformer, _at_true_size(made.transformer, true)


def vae_weights(comfy, channels: int | None) -> nn.Module:
    if channels is None:
        return _filled(comfy.module("comfy.ldm.wan.vae").WanVAE, lambda kind: kind(**_WAN))
    kinds = comfy.module("comfy.ldm.models.autoencoder")
    config = {**_AUTOENCODER, "z_channels": channels}
    if channels == 32:  # FLUX.2's has a normalisation of its latents, and convolutions around them
        return _filled(kinds.AutoencoderKL, lambda kind: kind(ddconfig={**config, "batch_norm_latent": True}, embed_dim=channels))
    part = {"target": "comfy.ldm.modules.diffusionmodules.model.{}", "params": config}
    sides = {f"{side.lower()}_config": {**part, "target": part["target"].format(side)} for side in ("Encoder", "Decoder")}
    regulariser = {"target": "comfy.ldm.models.autoencoder.DiagonalGaussianRegularizer"}
    return _filled(kinds.AutoencodingEngine, lambda kind: kind(regularizer_config=regulariser, **sides))


def write(comfy, claims: dict[frozenset[str], Shapes], wanted: Callable[[str], bool]) -> None:
    """Every file that is `wanted` and not there yet; `claims` gets, by a file's keys, their shapes at true size."""
    models = comfy.base / "models"
    for name, model in filter(lambda entry: wanted(entry[0]), DIFFUSION.items()):
        small, shapes = diffusion_weights(comfy, model)
        claims[frozenset(shapes)] = shapes
        _save(models / "diffusion_models" / name, {model.prefix + key: value for key, value in small.state_dict().items()})
    for name, encoder in filter(lambda entry: wanted(entry[0]), ENCODERS.items()):
        small, shapes = encoder_weights(encoder)
        shapes = {_renamed(key, encoder): shape for key, shape in shapes.items()}
        claims[frozenset(shapes)] = shapes
        weights = {_renamed(key, encoder): value for key, value in small.state_dict().items()}
        if encoder.part == "umt5xxl":
            weights["spiece_model"] = _sentence_pieces(comfy)
            claims[frozenset(weights)] = shapes
        _save(models / "text_encoders" / name, weights)
    for name, channels in filter(lambda entry: wanted(entry[0]), VAES.items()):
        _save(models / "vae" / name, vae_weights(comfy, channels).state_dict())


def _filled(kind, build: Callable) -> nn.Module:
    with torch.inference_mode():
        made = build(kind)
        fill(made, 0)
    return made


def _at_true_size(small: nn.Module, true: dict[str, Tensor]) -> Shapes:
    """Every key of the small file is one of the true file's."""
    keys = small.state_dict().keys()
    return {key: true[key].shape for key in keys}


def _renamed(key: str, encoder: Encoder) -> str:
    for old, new in encoder.renamed.items():
        if key.startswith(old):
            return new + key.removeprefix(old)
    return key


def _sentence_pieces(comfy) -> Tensor:
    """A tokenizer of the kind that Wan's text encoder brings in its file."""
    path = comfy.path / "comfy" / "text_encoders" / "t5_pile_tokenizer" / "tokenizer.model"
    return torch.frombuffer(bytearray(path.read_bytes()), dtype=torch.uint8)


def _save(path: Path, weights: dict[str, Tensor]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    half = {key: (value.to(torch.bfloat16) if value.is_floating_point() else value).contiguous() for key, value in weights.items()}
    save_file(half, path)
