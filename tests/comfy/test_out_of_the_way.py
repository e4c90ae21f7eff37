"""What ComfyUI does for speed alone (weights fetched ahead, CUDA graphs, its compiler, another attention) stays off while training."""

import sys
from types import ModuleType, SimpleNamespace

import pytest
import torch

from pack.tests.comfy.parts import condition, load, session_of


@pytest.fixture(scope="module")
def sd15(comfy, sd15_checkpoint):
    return load(comfy, sd15_checkpoint)


@pytest.fixture
def session(sd15):
    session = session_of(sd15)
    session.load()
    return session


@pytest.fixture
def asked(sd15, monkeypatch):
    """The transformer_options that the diffusion model is called with."""
    seen = []
    forward = sd15.model.model.diffusion_model.forward

    def watched(*args, transformer_options, **kwargs):
        seen.append(transformer_options)
        return forward(*args, transformer_options=transformer_options, **kwargs)

    monkeypatch.setattr(sd15.model.model.diffusion_model, "forward", watched)
    return seen


def test_weights_are_not_fetched_ahead_after_a_sampling_that_was_interrupted(sd15, session, asked, monkeypatch):
    """It leaves its patcher on the model; a dynamic one has blocks fetched ahead, into memory that is used again."""
    model = sd15.model.model
    monkeypatch.setattr(model, "current_patcher", sd15.model)
    monkeypatch.setattr(sd15.model, "is_dynamic", lambda: True, raising=False)
    with session.training():
        session.denoiser.denoise(torch.randn(1, 4, 8, 8), torch.tensor([1.0]), [condition()])
        assert model.current_patcher is None
        with session.returned():
            assert model.current_patcher is sd15.model
    assert model.current_patcher is sd15.model
    assert not any(options.get("prefetch_dynamic_vbars") for options in asked) and asked


@pytest.mark.parametrize("option", ["disable_cuda_graphs", "disable_comfy_compiler"])
def test_nothing_is_recorded_and_replayed(comfy, session, option, monkeypatch):
    """What is asked at the beginning of every forward, in a ComfyUI that has it."""
    args = comfy.module("comfy.cli_args").args
    monkeypatch.setattr(args, option, False, raising=False)
    with session.training():
        assert getattr(args, option) is True
        with session.returned():
            assert getattr(args, option) is False
    assert getattr(args, option) is False


@pytest.mark.parametrize("switch", ["prefetch_dynamic_vbars", "prefix_cache_enabled"])
def test_switches_of_modules_are_off(sd15, session, switch, monkeypatch):
    block = next(iter(sd15.model.model.diffusion_model.children()))
    monkeypatch.setattr(block, switch, True, raising=False)
    with session.training():
        assert getattr(block, switch) is False
    assert getattr(block, switch) is True


@pytest.fixture
def attention(comfy):
    return comfy.module("comfy.ldm.modules.attention")


@pytest.fixture
def qkv():
    return torch.randn(3, 1, 16, 64, generator=torch.Generator().manual_seed(0)).unbind()


def broken(*args, **kwargs):
    raise AssertionError("an attention without a backward was asked")


def test_every_name_of_comfyui_s_attention_means_sdpa(comfy, attention, qkv, monkeypatch):
    pinned = comfy.module("pack.host.lend.attention").pinned
    theirs = ModuleType("somebody_s_model")  # a custom node with a model of its own
    theirs.optimized_attention = attention.attention_sub_quad
    unrelated = ModuleType("somebody_else")
    unrelated.optimized_attention = broken
    for module in (theirs, unrelated):
        monkeypatch.setitem(sys.modules, module.__name__, module)
    monkeypatch.setattr(attention, "optimized_attention", broken)  # by launch option, or patched in by a node
    monkeypatch.setitem(attention.REGISTERED_ATTENTION_FUNCTIONS, "somebody's", broken)
    expected = attention.attention_pytorch(*qkv, 4)
    with pinned():
        for function in (attention.optimized_attention, attention.optimized_attention_masked, theirs.optimized_attention,
                         attention.optimized_attention_for_device(torch.device("cpu"), small_input=True),
                         attention.get_attention_function("somebody's"), attention.get_attention_function("optimized")):
            assert torch.equal(function(*qkv, 4), expected)
        assert unrelated.optimized_attention is broken
    assert attention.optimized_attention is broken and theirs.optimized_attention is attention.attention_sub_quad
    assert attention.get_attention_function("somebody's") is broken


def test_an_attention_that_a_layer_of_the_checkpoint_asks_for_is_not_asked(comfy, attention, qkv, monkeypatch):
    """ComfyUI 0.37 and newer: layers hand on what their checkpoint prefers (int8), and any of its functions gives way to that."""
    expected = attention.attention_pytorch(*qkv, 4)
    plain = attention.attention_pytorch

    def gives_way(*args, preferred_attention=None, **kwargs):
        return preferred_attention.function(*args, **kwargs) if preferred_attention else plain(*args, **kwargs)

    monkeypatch.setattr(attention, "attention_pytorch", gives_way)
    host = comfy.module("pack.host.lend.attention")
    wish = SimpleNamespace(function=broken)
    with host.pinned():
        assert torch.equal(attention.optimized_attention(*qkv, 4, preferred_attention=wish), expected)
    assert torch.equal(host.override(broken, *qkv, 4, preferred_attention=wish), expected)


def test_tensors_that_come_in_containers_are_taken_out(comfy, attention, qkv):
    container = getattr(attention, "AttentionTensorContainer", None)
    if container is None:
        pytest.skip("this ComfyUI hands no tensors over in containers")
    held = [container(tensor) for tensor in qkv]
    with comfy.module("pack.host.lend.attention").pinned():
        assert torch.equal(attention.optimized_attention(*held, 4), attention.attention_pytorch(*qkv, 4))
    assert all(one.tensor is None for one in held)
