"""Encoders that are not trained are run once a caption; what the trained ones get is the same."""

import pytest
import torch

from pack.tests.comfy.parts import load, network_for, session_of
from pack.training.data.texts import TextCache
from pack.training.network.attach import attached
from pack.training.network.spec import NetworkSpec

CAPTIONS = ("a photo of miku_(vocaloid)", "a fox")


@pytest.fixture(scope="module")
def encoder(comfy, checkpoint):
    def of(kind: str):
        from pack.host.model.text import ComfyTextEncoder

        loaded = load(comfy, checkpoint(kind))
        return loaded, ComfyTextEncoder(loaded.clip)

    return of


def refuse(*_, **__):
    raise AssertionError("a frozen encoder was run again")


def trained_tensors(loaded, encoder, trained: str, cache: TextCache | None) -> list[dict]:
    """Both captions through CLIP-L with adapters; with a cache, any run of another encoder is an error."""
    session = session_of(loaded, clip=loaded.clip)
    parts = [part for part in session.parts() if part.name == trained]
    network = network_for(parts, NetworkSpec(rank=2, alpha=2.0))
    others = [module for name, module in loaded.clip.cond_stage_model.named_children()
              if name != trained and hasattr(module, "encode_token_weights")]
    hooks = [module.register_forward_pre_hook(refuse) for module in others] if cache else []
    try:
        with torch.inference_mode(), session.training(), attached(network, parts, checkpointing=False):
            return [dict(encoder.encode_trainable(text, cache.get(text) if cache else None).tensors) for text in CAPTIONS]
    finally:
        for hook in hooks:
            hook.remove()


@pytest.mark.parametrize("kind", ["sdxl-short", "flux-dev"])
def test_clip_l_is_trained_beside_what_is_played_back(encoder, kind, tmp_path):
    loaded, own = encoder(kind)
    cache = TextCache(own.frozen({"clip_l"}), tmp_path)
    cache.encode_missing(CAPTIONS)
    expected, given = (trained_tensors(loaded, own, "clip_l", used) for used in (None, cache))
    for once, again in zip(expected, given, strict=True):
        assert once.keys() == again.keys()
        for name in once:
            torch.testing.assert_close(again[name], once[name], rtol=1e-5, atol=1e-5)
    # SDXL's text comes from both encoders; FLUX' pooled text from CLIP-L alone.
    assert given[0]["cond" if kind == "sdxl-short" else "pooled_output"].requires_grad
    assert all("encode_token_weights" not in vars(module) for module in loaded.clip.cond_stage_model.children())


def test_which_are_frozen(encoder):
    _, own = encoder("sdxl-short")
    assert own.frozen({"clip_l", "clip_g"}) is None
    one, other = own.frozen({"clip_l"}), own.frozen({"clip_g"})
    assert len({one.identity, other.identity, own.identity}) == 3
    assert {name.split(".")[0] for name in one.encode("a fox").tensors} == {"clip_g"}
    assert {name.split(".")[0] for name in own.frozen(set()).encode("a fox").tensors} == {"clip_l", "clip_g"}
