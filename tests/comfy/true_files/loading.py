"""Lets ComfyUI build what it detected in the small size. Only numbers of its configuration are changed, and only while a
fixture is on: what a file is, ComfyUI finds out by itself."""

import functools
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import torch

from pack.tests.comfy.true_files.make import Shapes, write
from pack.tests.comfy.true_files.sizes import AUTOENCODER_CHANNELS, BUILT_IN, DIFFUSION, ENCODERS, TABLES


@contextmanager
def true_files(comfy, wanted: Callable[[str], bool]) -> Iterator[None]:
    """The wanted files are in the model folders, and this ComfyUI loads them."""
    claims: dict[frozenset[str], Shapes] = {}
    with pytest.MonkeyPatch.context() as patch:
        _build_small(comfy, patch)
        write(comfy, claims, wanted)
        _detect_by_true_shapes(comfy, patch, claims)
        yield


def _build_small(comfy, patch: pytest.MonkeyPatch) -> None:
    for (module, name), changed in BUILT_IN.items():
        if (where := _module(comfy, module)) is not None:
            patch.setattr(where, name, _with(getattr(where, name), changed))
    for (module, name, key), changed in TABLES.items():
        if (where := _module(comfy, module)) is not None:
            table = getattr(where, name)
            patch.setitem(table, key, {**table[key], **changed})
    sd = comfy.module("comfy.sd")
    for name in ("AutoencodingEngine", "AutoencoderKL"):
        patch.setattr(sd, name, _narrow(getattr(sd, name)))
    load = sd.load_text_encoder_state_dicts
    options = {f"{encoder.part}_model_config": dict(encoder.shrunk) for encoder in ENCODERS.values()}

    def load_small(*args, model_options=None, **kwargs):
        return load(*args, model_options={**options, **(model_options or {})}, **kwargs)

    patch.setattr(sd, "load_text_encoder_state_dicts", load_small)


def _detect_by_true_shapes(comfy, patch: pytest.MonkeyPatch, claims: dict[frozenset[str], Shapes]) -> None:
    def claimed(weights: dict) -> dict:
        shapes = claims.get(frozenset(weights))
        return weights if shapes is None else {key: torch.empty(shape, device="meta") for key, shape in shapes.items()}

    sd, detection = comfy.module("comfy.sd"), comfy.module("comfy.model_detection")
    which, find = sd.detect_te_model, detection.model_config_from_unet
    shrunk = {model.kind: model.shrunk for model in DIFFUSION.values()}

    def find_small(state_dict, prefix, *args, **kwargs):
        config = find(claimed(state_dict), prefix, *args, **kwargs)
        if frozenset(state_dict) in claims:
            config.unet_config.update(shrunk[type(config).__name__])
        return config

    patch.setattr(sd, "detect_te_model", lambda weights: which(claimed(weights)))
    patch.setattr(detection, "model_config_from_unet", find_small)


def _with(kind: Callable, changed: dict[str, Any]) -> Callable:
    @functools.wraps(kind, updated=())
    def build(*args, **kwargs):
        return kind(*args, **{**kwargs, **changed})

    return build


def _narrow(kind: Callable) -> Callable:
    def narrowed(value):
        if not isinstance(value, dict):
            return value
        return {key: AUTOENCODER_CHANNELS if key == "ch" else narrowed(inner) for key, inner in value.items()}

    @functools.wraps(kind, updated=())
    def build(**kwargs):
        return kind(**{name: narrowed(value) for name, value in kwargs.items()})

    return build


def _module(comfy, name: str):
    try:
        return comfy.module(name)
    except ModuleNotFoundError:
        return None
