"""Weights that ComfyUI fetches for the moment of one layer (dynamic VRAM, cast buffers): gradients are the same, nothing stays held.

Dynamic VRAM needs a GPU. A pager stands in for it here: it speaks the same protocol, hands out one buffer again and again, and
spoils it as soon as a layer gives it back, as ComfyUI may.
"""

import pytest
import torch

from pack.tests.comfy.parts import condition, load, network_for, session_of
from pack.training.network.attach import attached
from pack.training.network.spec import NetworkSpec
from pack.training.objective.objective import Objective
from pack.training.objective.spec import ObjectiveSpec
from pack.training.objective.timesteps import Uniform
from pack.training.objective.weights import NoWeighting


class Pager:
    """comfy.ops' cast and uncast, for layers with a page (`_v`)."""

    def __init__(self, ops):
        self._cast, self._uncast = ops.cast_bias_weight, ops.uncast_bias_weight
        self._buffers: dict[str, torch.Tensor] = {}
        self.held = 0
        self.fetched: set[int] = set()

    def cast(self, s, input=None, dtype=None, device=None, bias_dtype=None, offloadable=False, **options):
        if not hasattr(s, "_v"):
            return self._cast(s, input, dtype, device, bias_dtype, offloadable, **options)
        dtype = dtype or (s.weight if input is None else input).dtype
        self.held += 1
        self.fetched.add(id(s))
        return self._page("weight", s.weight, dtype), self._page("bias", s.bias, dtype), (None, torch.device("cpu"), None)

    def uncast(self, s, weight, bias, held):
        if not isinstance(held, tuple) or torch.is_tensor(held[1]):
            return self._uncast(s, weight, bias, held)
        self.held -= 1
        for tensor in (weight, bias):
            if tensor is not None:
                tensor.data.fill_(float("nan"))  # unseen by autograd, like another layer's weights

    def _page(self, name: str, value: torch.Tensor | None, dtype: torch.dtype) -> torch.Tensor | None:
        if value is None:
            return None
        with torch.no_grad():
            buffer = self._buffers.setdefault(name, torch.empty(40_000_000))[: value.numel()].view(value.shape)
            buffer.data.copy_(value)
        return buffer.to(dtype)


@pytest.fixture
def paged(comfy, sd15_checkpoint, monkeypatch):
    """A loaded SD1.5 whose every layer is paged, and its pager."""
    ops = comfy.module("comfy.ops")
    pager = Pager(ops)
    monkeypatch.setattr(ops, "cast_bias_weight", pager.cast)
    monkeypatch.setattr(ops, "uncast_bias_weight", pager.uncast)
    loaded = load(comfy, sd15_checkpoint)
    for part in (loaded.model.model.diffusion_model, loaded.clip.cond_stage_model):
        for layer in part.modules():
            if hasattr(layer, "comfy_cast_weights") and getattr(layer, "weight", None) is not None:
                layer._v, layer.comfy_cast_weights = object(), True
    return loaded, pager


def step(loaded, spec: NetworkSpec | None = None, *, checkpointing: bool = False) -> tuple[float, torch.Tensor]:
    """Loss and gradients of one step through CLIP and the diffusion model."""
    from pack.host.model.text import ComfyTextEncoder
    from pack.training.network.build import prepare

    session = session_of(loaded, clip=loaded.clip, precision="fp32")
    network = network_for(session.parts(), spec)
    objective = Objective(ObjectiveSpec(timesteps=Uniform(), weighting=NoWeighting()), session.denoiser)
    x0 = torch.randn(1, 4, 8, 8, generator=torch.Generator().manual_seed(1))
    with session.training(), attached(network, session.parts(), checkpointing=checkpointing):
        prepare(network, session.parts())
        text = ComfyTextEncoder(loaded.clip).encode_trainable("a fox in the snow")
        noising = objective.noise(x0, [4])
        given = condition()
        denoised = session.denoiser.denoise(noising.x_t, noising.sigma, [type(given)(text=text, geometry=given.geometry)])
        loss = objective.losses(denoised, x0, noising).mean()
        loss.backward()
    gradients = [p.grad.flatten() for _, p in network.named_parameters() if p.grad is not None]
    return float(loss.detach()), torch.cat(gradients)


@pytest.mark.parametrize("checkpointing", [False, True])
@pytest.mark.parametrize(
    "spec",
    [None, NetworkSpec(algorithm="dora", rank=2, alpha=2.0), NetworkSpec(rank=2, alpha=2.0, train_norms=True, train_biases=True)],
    ids=["lora", "dora", "norms"],
)
def test_the_same_loss_and_gradients(comfy, sd15_checkpoint, paged, spec, checkpointing):
    loaded, pager = paged
    expected_loss, expected = step(load(comfy, sd15_checkpoint), spec)
    loss, gradients = step(loaded, spec, checkpointing=checkpointing)
    assert loss == pytest.approx(expected_loss, rel=1e-5)
    torch.testing.assert_close(gradients, expected, rtol=1e-4, atol=1e-7)
    assert pager.held == 0 and len(pager.fetched) > 150


def test_a_preview_of_paged_norms_is_that_of_loaded_ones(comfy, sd15_checkpoint, paged):
    """ComfyUI has the model back, its pages too, when it samples."""
    def previewed(loaded):
        session = session_of(loaded, precision="fp32")
        network = network_for(session.parts(), NetworkSpec(rank=2, alpha=2.0, train_norms=True))
        for name, own in network.named_parameters():
            if name.endswith("norm"):
                own.data.fill_(0.1)
        with session.training(), attached(network, session.parts(), checkpointing=True), session.returned(), torch.inference_mode():
            text = condition().text.tensors["cond"]
            return loaded.model.model.apply_model(torch.ones(1, 4, 8, 8), torch.ones(1), c_crossattn=text)

    loaded, pager = paged
    expected = previewed(load(comfy, sd15_checkpoint))
    assert torch.equal(previewed(loaded), expected) and pager.held == 0 and expected.isfinite().all()


def test_every_layer_is_as_it_was(paged):
    loaded, _ = paged
    unet = loaded.model.model.diffusion_model
    session_of(loaded, clip=loaded.clip, precision="fp32").load()
    before = [(dict(vars(layer)), dict(layer._parameters)) for layer in unet.modules()]
    step(loaded)
    for layer, (attributes, parameters) in zip(unet.modules(), before, strict=True):
        assert layer.__dict__.keys() == attributes.keys()
        assert getattr(layer, "_v", None) is attributes.get("_v")
        assert all(layer._parameters[name] is value for name, value in parameters.items())


def test_what_comfyui_notes_on_a_weight_is_there_while_it_is_lent(comfy, sd15_checkpoint):
    """The dtype that a page is laid out for: without it ComfyUI would write past the page's end."""
    loaded = load(comfy, sd15_checkpoint)
    layer = loaded.model.model.diffusion_model.time_embed[0]
    layer.weight._model_dtype = torch.float16
    with session_of(loaded).training():
        assert layer.weight._model_dtype is torch.float16


def test_what_comfyui_makes_meanwhile_is_left_to_it(comfy, sd15_checkpoint):
    loaded = load(comfy, sd15_checkpoint)
    layer = loaded.model.model.diffusion_model.time_embed[0]
    with torch.inference_mode():
        layer._pin = torch.zeros(4)
    with session_of(loaded).training():
        del layer._pin
    assert not hasattr(layer, "_pin")


def test_a_weight_on_another_device_is_fetched_once(comfy, sd15_checkpoint, monkeypatch):
    """Partly loaded models: norms stay where the run computes, linears are fetched when they are needed."""
    from pack.host.lend import paged, weights

    loaded = load(comfy, sd15_checkpoint)
    asked = []
    monkeypatch.setattr(weights, "fetched", lambda layer, device: asked.append(layer) or (torch.ones(2), None))
    elsewhere = torch.device("meta")
    unet = loaded.model.model.diffusion_model
    with paged.settled(unet, elsewhere):
        assert {type(layer).__name__ for layer in asked} == {"GroupNorm", "LayerNorm"}
        assert all(layer.weight.tolist() == [1, 1] for layer in asked)
    assert all(layer.weight.numel() > 2 for layer in asked)
