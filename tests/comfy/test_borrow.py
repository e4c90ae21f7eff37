"""The model is borrowed: nothing is copied, and everything is given back as it was."""

import hashlib

import pytest
import torch

from pack.tests.comfy.parts import condition, load, network_for, session_of
from pack.training.network.attach import attached
from pack.training.network.spec import NetworkSpec


@pytest.fixture(scope="module")
def sd15(comfy, sd15_checkpoint):
    return load(comfy, sd15_checkpoint)


def snapshot(model: torch.nn.Module) -> dict:
    """Every object, value, forward and flag of a model that training could have touched."""
    tensors = {**dict(model.named_parameters()), **dict(model.named_buffers())}
    return {
        "objects": {name: id(tensor) for name, tensor in tensors.items()},
        "storages": {name: tensor.untyped_storage().data_ptr() for name, tensor in tensors.items()},
        "hash": hashlib.sha256(b"".join(t.detach().float().numpy().tobytes() for t in tensors.values())).hexdigest(),
        "flags": {name: (tensor.requires_grad, tensor.is_inference(), tensor.grad is None) for name, tensor in tensors.items()},
        "modules": {
            name: (
                module.training,
                sorted(key for key in vars(module) if key not in ("_parameters", "_buffers")),
                len(module._forward_hooks), len(module._forward_pre_hooks), len(module._backward_hooks),
            )
            for name, module in model.named_modules()
        },
    }


def one_step(session, network, *, checkpointing: bool = False) -> None:
    with session.training(), attached(network, session.parts(), checkpointing=checkpointing):
        x0 = torch.randn(1, 4, 8, 8)
        sigma = torch.tensor([1.0])
        x_t = session.denoiser.add_noise(x0, torch.randn_like(x0), sigma)
        session.denoiser.denoise(x_t, sigma, [condition()]).square().mean().backward()


@pytest.fixture
def session(sd15):
    session = session_of(sd15)
    session.load()
    return session


def test_weights_are_inference_tensors_and_still_train(sd15, session):
    assert next(sd15.model.model.diffusion_model.parameters()).is_inference()
    network = network_for(session.parts())
    with torch.inference_mode():
        one_step(session, network)
    assert all(parameter.grad is not None for _, parameter in network.named_parameters())


@pytest.mark.parametrize("checkpointing", [False, True])
def test_everything_is_as_before(sd15, session, checkpointing):
    before = snapshot(sd15.model.model)
    network = network_for(session.parts())
    with torch.inference_mode():
        one_step(session, network, checkpointing=checkpointing)
    assert snapshot(sd15.model.model) == before


@pytest.mark.parametrize("precision", ["bf16", "fp16"])
def test_another_compute_dtype_leaves_no_trace(sd15, session, precision):
    before = snapshot(sd15.model.model)
    other = session_of(sd15, precision=precision)
    with torch.inference_mode():
        one_step(other, network_for(other.parts()))
    assert snapshot(sd15.model.model) == before
    assert sd15.model.model.manual_cast_dtype is None


def test_an_exception_in_the_middle_leaves_no_trace(sd15, session):
    before = snapshot(sd15.model.model)
    network = network_for(session.parts())
    with pytest.raises(RuntimeError, match="in the middle"), torch.inference_mode():
        with session.training(), attached(network, session.parts(), checkpointing=True):
            raise RuntimeError("in the middle")
    assert snapshot(sd15.model.model) == before


def test_storages_are_the_same_while_training(sd15, session):
    before = snapshot(sd15.model.model)["storages"]
    with torch.inference_mode(), session.training():
        assert snapshot(sd15.model.model)["storages"] == before
        assert not any(p.is_inference() or p.requires_grad for p in sd15.model.model.parameters())
        with session.returned():
            assert all(p.is_inference() for p in sd15.model.model.diffusion_model.parameters())
            assert torch.is_inference_mode_enabled()
        assert not torch.is_inference_mode_enabled()


def test_adapters_off_is_the_base_model(sd15, session):
    network = network_for(session.parts())
    x, sigma = torch.randn(1, 4, 8, 8), torch.tensor([1.0])
    with session.training(), torch.no_grad():
        base = session.denoiser.denoise(x, sigma, [condition()])
        with attached(network, session.parts(), checkpointing=False):
            changed = session.denoiser.denoise(x, sigma, [condition()])
            with network.disabled():
                off = session.denoiser.denoise(x, sigma, [condition()])
    assert torch.equal(off, base)
    assert not torch.allclose(changed, base)


def test_kohya_s_targets(session):
    """One level of SD1.5: 3 transformers of 12 modules (kohya: 192 = 16 x 12 on the full model)."""
    network = network_for(session.parts(), NetworkSpec(rank=2))
    assert len(network) == 3 * 12
    assert all(key.startswith("lora_unet_") for key in network.file_keys.values())
    assert not any("input_blocks" in key for key in network.file_keys.values())


@pytest.mark.parametrize("checkpointing", [False, True])
def test_trained_norms_outside_of_the_blocks_act_in_previews_and_after_them(session, checkpointing):
    network = network_for(session.parts(), NetworkSpec(rank=2, train_norms=True))
    for name, parameter in network.named_parameters():
        parameter.data.fill_(0.1 if "norm" in name.rsplit(".", 1)[-1] else 0.0)
    x, sigma = torch.randn(1, 4, 8, 8, generator=torch.Generator().manual_seed(0)), torch.tensor([1.0])

    def denoised():
        return session.denoiser.denoise(x, sigma, [condition()])

    with session.training(), torch.no_grad(), attached(network, session.parts(), checkpointing=checkpointing):
        before = denoised()
        with network.disabled():
            assert not torch.equal(denoised(), before)
        with session.returned(), torch.inference_mode():
            assert torch.equal(denoised(), before)
        assert torch.equal(denoised(), before)
