"""Base weights in every dtype, compute in every dtype; a frozen op keeps no cast copy of its weight for backward."""

import pytest
import torch

from pack.tests.comfy.parts import condition, load, network_for, session_of
from pack.training.devices.determinism import deterministic
from pack.training.network.attach import attached
from pack.training.objective.objective import Objective
from pack.training.objective.spec import ObjectiveSpec
from pack.training.objective.timesteps import Uniform
from pack.training.objective.weights import NoWeighting

STORED = {"fp32": None, "fp16": torch.float16, "bf16": torch.bfloat16, "fp8": torch.float8_e4m3fn}


@pytest.fixture(scope="module")
def models(comfy, sd15_checkpoint):
    """The same checkpoint, kept in each dtype as ComfyUI keeps it."""
    return {
        name: load(comfy, sd15_checkpoint, **({} if dtype is None else {"dtype": dtype}))
        for name, dtype in STORED.items()
    }


def step(loaded, precision: str):
    """Loss, gradients, and the bytes that autograd kept for backward beside the model's own weights and the adapters."""
    session = session_of(loaded, precision=precision)
    network = network_for(session.parts())
    own = {p.untyped_storage().data_ptr() for p in loaded.model.model.parameters()}
    own |= {p.untyped_storage().data_ptr() for _, p in network.named_parameters()}
    kept: dict[int, int] = {}

    def keep(tensor):
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in own:
            kept[storage.data_ptr()] = storage.nbytes()
        return tensor

    objective = Objective(ObjectiveSpec(timesteps=Uniform(), weighting=NoWeighting()), session.denoiser)
    x0 = torch.randn(1, 4, 8, 8, generator=torch.Generator().manual_seed(1))
    with session.training(), attached(network, session.parts(), checkpointing=False):
        noising = objective.noise(x0, [4])
        with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
            loss = objective.losses(session.denoiser.denoise(noising.x_t, noising.sigma, [condition()]), x0, noising).mean()
            saved = sum(kept.values())
        loss.backward()
    return float(loss.detach()), torch.cat([p.grad.flatten() for _, p in network.named_parameters()]), saved


def similarity(a: torch.Tensor, b: torch.Tensor) -> float:
    return float(torch.nn.functional.cosine_similarity(a, b, dim=0))


def norm_bytes(loaded, dtype_bytes: int) -> int:
    """Norm weights and biases are cast copies of a few KiB each; they are not worth a fetch in backward."""
    return sum(p.numel() for p in loaded.model.model.diffusion_model.parameters() if p.ndim == 1) * dtype_bytes


@pytest.mark.parametrize("stored", ["fp32", "fp16", "bf16", "fp8"])
def test_stored_dtype_is_kept(models, stored):
    expected = STORED[stored] or torch.float32
    weight = models[stored].model.model.diffusion_model.input_blocks[1][1].proj_in.weight
    assert weight.dtype is expected


@pytest.mark.parametrize("stored", ["fp16", "bf16", "fp8"])
def test_no_cast_copy_is_kept_for_backward(models, stored):
    """The activations are the same whatever the storage; a kept copy of the weights would be 54 MB more."""
    reference_loss, reference, plain = step(models["fp32"], "fp32")
    loss, gradient, saved = step(models[stored], "fp32")
    assert saved <= plain + norm_bytes(models[stored], 4)
    assert loss == pytest.approx(reference_loss, rel=0.05)
    assert similarity(gradient, reference) > (0.9 if stored == "fp8" else 0.9999)


@pytest.mark.parametrize("precision", ["bf16", "fp16"])
@pytest.mark.parametrize("stored", ["fp32", "bf16", "fp8"])
def test_narrow_compute_follows_fp32(models, stored, precision):
    """Compute narrower than stored, and wider than fp8: gradients point where fp32 compute points, adapters stay fp32."""
    _, reference, _ = step(models[stored], "fp32")
    _, gradient, _ = step(models[stored], precision)
    assert gradient.dtype is torch.float32
    assert gradient.isfinite().all()
    assert similarity(gradient, reference) > 0.99


def test_narrow_compute_keeps_no_cast_copy(models):
    """fp32 stored, bf16 computed: the cast weights of all layers would be 27 MB."""
    model_bytes = 2 * sum(p.numel() for p in models["fp32"].model.model.diffusion_model.parameters())
    _, _, same = step(models["bf16"], "bf16")
    _, _, cast = step(models["fp32"], "bf16")
    assert cast - same < 0.1 * model_bytes


@pytest.mark.parametrize(("precision", "inside"), [("fp32", "ieee"), ("bf16", "tf32")])
def test_fp32_is_multiplied_in_full_while_the_model_is_lent(models, precision, inside):
    """TF32 is PyTorch's default for convolutions; previews are made as ComfyUI makes them."""
    convolutions = torch.backends.cudnn.conv
    before, convolutions.fp32_precision = convolutions.fp32_precision, "tf32"
    try:
        session = session_of(models["fp32"], precision=precision)
        with session.training():
            assert convolutions.fp32_precision == inside
            with session.returned():
                assert convolutions.fp32_precision == "tf32"
            assert convolutions.fp32_precision == inside
        assert convolutions.fp32_precision == "tf32"
    finally:
        convolutions.fp32_precision = before


def test_a_run_that_repeats_itself_has_the_same_gradients_on_a_cpu(models):
    loss, gradients = step(models["fp32"], "fp32")[:2]
    with deterministic(print):
        again, same = step(models["fp32"], "fp32")[:2]
    assert again == loss and torch.equal(same, gradients)
