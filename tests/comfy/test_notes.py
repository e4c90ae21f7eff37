"""What a model notes on itself in a forward is gone after it."""

import pytest
import torch
from torch import nn

from pack.tests.comfy.parts import load


class Remembering(nn.Module):
    """Keeps the first result, in every way that models do."""

    def __init__(self):
        super().__init__()
        self.inner = nn.Linear(4, 4)
        self.scale = torch.ones(4)
        self.cache = None
        self.entries = []
        self.by_name = {"seed": 1}
        self.calls = 0

    def forward(self, x):
        self.calls += 1
        if self.cache is None and not self.entries and "y" not in self.by_name and not hasattr(self.inner, "noted"):
            self.cache = self.inner(x) * self.scale
            self.entries.append({"kv": (self.cache,)})
            self.by_name["y"] = self.cache
            self.inner.noted = [self.cache]
            self.fresh = self.cache
        return self.cache


@pytest.fixture
def model(comfy):
    from pack.host.lend.notes import forgotten

    model = Remembering()
    with forgotten(model):
        yield model


def test_every_forward_is_the_first_one(model):
    x = torch.randn(2, 4)
    first = model(x)
    first.sum().backward()
    with torch.no_grad():
        model.inner.weight.add_(1)
    second = model(x)
    second.sum().backward()  # through a graph of its own
    assert not torch.equal(first, second)
    assert (model.cache, model.entries, model.by_name, hasattr(model, "fresh"), hasattr(model.inner, "noted")) == (
        None, [], {"seed": 1}, False, False)
    assert model.calls == 2 and torch.equal(model.scale, torch.ones(4))


def test_what_recomputing_left_is_gone_before_the_next(model):
    x = torch.randn(2, 4)
    model.cache = torch.zeros(2, 4)
    assert model(x).abs().max() > 0


def test_what_comfyui_keeps_on_a_layer_stays(comfy):
    """Pinned memory (newer ComfyUI, on a card) is noted on the layers in a forward, and looked for there when the model is unloaded."""
    from pack.host.lend.notes import forgotten

    class Pinned(nn.Linear):
        def forward(self, x):
            for name in ("_pins", "_pin_state", "_prefetch", "_v_weight"):
                vars(self).setdefault(name, {"weights": {"pin": torch.ones(1)}})
            return super().forward(x)

    model = Pinned(4, 4)
    with forgotten(model):
        model(torch.randn(2, 4))
    assert {"_pins", "_pin_state", "_prefetch", "_v_weight"} <= vars(model).keys()


class OfHiDream(Remembering):
    def clear_kv_cache(self):
        self.entries = []


def test_what_a_sampling_left_is_not_taken_for_the_first_step_s(comfy):
    from pack.host.lend.notes import forgotten

    model = OfHiDream()
    model.entries = [{"kv": (torch.zeros(2, 4),)}]
    with forgotten(model):
        assert model(torch.randn(2, 4)) is not None and model.entries == []


def test_the_model_s_own_function_empties_it_before_a_preview(comfy, sd15_checkpoint, monkeypatch):
    from pack.host.model.sampler import ComfySampler
    from pack.training.specs import SamplingSpec

    loaded, asked = load(comfy, sd15_checkpoint), []
    monkeypatch.setattr(loaded.model.model.diffusion_model, "clear_kv_cache", lambda: asked.append(1), raising=False)
    spec = SamplingSpec(prompts=("a",), width=64, height=64, sampling_steps=1)
    ComfySampler(loaded.model, loaded.clip, loaded.vae).sample(spec, "a", 1)
    assert asked == [1]


def test_the_forward_is_given_back(comfy):
    from pack.host.lend.notes import forgotten

    model = Remembering()
    with forgotten(model):
        pass
    assert "forward" not in vars(model)
    assert model(torch.randn(2, 4)) is model.cache
