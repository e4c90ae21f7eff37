"""A model of a class that no list knows: tried in the smallest way first, then trained and told so, or refused with what was found."""

import pytest
import torch

from pack.tests.comfy import tiny_models
from pack.tests.comfy.graphs import place_pictures, train_graph
from pack.tests.comfy.parts import load
from pack.tests.comfy.test_borrow import snapshot
from pack.tests.comfy.tiny_models import TRAINED


@pytest.fixture
def parts(comfy, sd15_checkpoint):
    """SD1.5, whose class nobody has heard of."""
    found = load(comfy, sd15_checkpoint)
    config = found.model.model.model_config
    config.__class__ = type("Unheard", (type(config),), {})
    return found


@pytest.fixture
def trial(comfy):
    """(model, parts) -> what is said of the model."""

    def run(model, parts) -> str:
        from pack.host.advice.trial import tried
        from pack.host.session import Session

        with torch.inference_mode():
            return tried(Session(model, precision="fp32"), parts.vae, parts.clip)

    return run


@pytest.fixture
def refused(trial):
    """(model, parts) -> the one problem that is named."""
    from pack.training.errors import ModelError

    def run(model, parts) -> str:
        with pytest.raises(ModelError) as caught:
            trial(model, parts)
        (problem,) = caught.value.problems
        return problem

    return run


def test_one_that_works_is_trained_with_a_notice(trial, parts):
    from pack.host.advice.known import is_proven

    assert not is_proven(parts.model)
    said = trial(parts.model, parts)
    assert said.startswith("Unheard is a model that LoRA Canvas has not been proven on. It was tried with one step's forward on latents of "
                           "1 x 4 x 32 x 32 and text of 1 x 77 x 768 (cond)")
    loaded = snapshot(parts.model.model)
    assert trial(parts.model, parts) == said
    assert snapshot(parts.model.model) == loaded


def test_a_vae_of_other_channels(comfy, refused, parts):
    flux = tiny_models.patcher(comfy, next(tiny for tiny in TRAINED if tiny.kind == "Flux"))
    problem = refused(flux, parts)
    assert "(Flux)" in problem and "the VAE makes latents of 1 x 4 x 32 x 32, with 4 channels, but it works on 16." in problem


def test_text_of_another_width(comfy, refused, parts):
    narrow = tiny_models.patcher(comfy, next(tiny for tiny in TRAINED if tiny.kind == "SD15"))
    problem = refused(narrow, parts)
    assert "it does not run on latents of 1 x 4 x 32 x 32 and text of 1 x 77 x 768 (cond)" in problem
    assert "(RuntimeError: mat1 and mat2 shapes cannot be multiplied" in problem


@pytest.mark.parametrize(("forward", "word"), [
    (lambda x, *args, **kwargs: {}["lq_latent"], "(KeyError: 'lq_latent')"),
    (lambda x, *args, **kwargs: x.mean((2, 3), keepdim=True).repeat(1, 1, 2, 2), "it does not run on latents"),
    (lambda x, *args, **kwargs: x / 0, "infinities"),
    (lambda x, *args, **kwargs: x * 0.5, "two captions give the same picture"),
])
def test_a_forward_that_does_what_no_model_of_pictures_does(refused, parts, monkeypatch, forward, word):
    monkeypatch.setattr(parts.model.model.diffusion_model, "forward", forward)
    assert word in refused(parts.model, parts)


def test_a_cancel_is_no_fault_of_the_model(comfy, trial, parts, monkeypatch):
    interrupt = comfy.module("comfy.model_management").InterruptProcessingException

    def cancelled(*args, **kwargs):
        raise interrupt

    monkeypatch.setattr(parts.model.model.diffusion_model, "forward", cancelled)
    with pytest.raises(interrupt):
        trial(parts.model, parts)


def test_the_run_tries_it_and_says_so(comfy, run_prompt, sd15_checkpoint, monkeypatch):
    from pack.host.advice import known

    monkeypatch.setattr(known, "PROVEN", frozenset())
    result = run_prompt(train_graph(sd15_checkpoint, place_pictures(comfy), run_name="unheard", steps=1))
    told = [record for data in result.events_named("lora_canvas.run") for record in data["records"]]
    texts = [record["text"] for record in told if record["event"] == "message"]
    assert any(text.startswith("SD15 is a model that LoRA Canvas has not been proven on.") for text in texts)
    assert [record["step"] for record in told if record["event"] == "step"] == [1]
