"""comfy_kitchen's kernels have no backward of their own; here they get that of their twins in plain torch."""

import pytest
import torch

from pack.training.network.in_place import harmless

kitchen = pytest.importorskip("comfy_kitchen", reason="this ComfyUI has no comfy_kitchen")

FREQUENCIES = torch.randn(1, 5, 1, 4, 2, 2, generator=torch.Generator().manual_seed(0))
SCALE = torch.rand(8, generator=torch.Generator().manual_seed(1))
#: kernel -> (how many tensors it turns, what else it takes)
KERNELS = {
    "apply_rope": (2, (FREQUENCIES,)), "apply_rope1": (1, (FREQUENCIES,)), "apply_rope_split_half": (2, (FREQUENCIES,)),
    "rms_rope": (2, (FREQUENCIES, SCALE, SCALE)), "rms_rope1": (1, (FREQUENCIES, SCALE)),
    "rms_rope_split_half": (2, (FREQUENCIES, SCALE)), "adaln": (1, (SCALE.view(1, 1, 1, 8), SCALE.view(1, 1, 1, 8))),
}


@pytest.fixture(autouse=True, scope="module")
def lent(comfy):
    from pack.host.lend.kernels import differentiable

    with differentiable(), harmless():
        yield


def gradients(function, name: str) -> list[torch.Tensor]:
    count, others = KERNELS[name]
    inputs = [torch.randn(1, 5, 2, 8, generator=torch.Generator().manual_seed(seed)).requires_grad_() for seed in range(count)]
    outputs = function(*(tensor * 1 for tensor in inputs), *others)
    outputs = outputs if isinstance(outputs, tuple) else (outputs,)
    return list(torch.autograd.grad(sum(output.sin().sum() for output in outputs), inputs))


@pytest.mark.parametrize("name", [name for name in KERNELS if hasattr(kitchen, name)])
def test_a_kernel_has_the_gradient_of_its_twin(name):
    twin = getattr(kitchen.backends.eager, name)
    for found, expected in zip(gradients(getattr(kitchen, name), name), gradients(twin, name), strict=True):
        assert torch.allclose(found, expected, atol=1e-6) and expected.abs().max() > 0.1


@pytest.mark.parametrize("name", [name for name in KERNELS if hasattr(kitchen, f"{name}_")])
def test_one_that_writes_into_its_inputs_has_it_too(name):
    twin = getattr(kitchen.backends.eager, name)
    for found, expected in zip(gradients(getattr(kitchen, f"{name}_"), name), gradients(twin, name), strict=True):
        assert torch.allclose(found, expected, atol=1e-6)


def test_every_kernel_on_activations_is_covered():
    """A newer comfy_kitchen with another kernel that has no twin fails here."""
    from pack.host.lend.kernels import OPDEFS, _lacks_a_backward

    quantised = ("quantize", "dequantize", "int8", "fp8", "nvfp4", "mxfp8", "svdquant", "awq", "w4a8", "convrot")
    missing = [name for name, definition in OPDEFS.items() if name.startswith("comfy_kitchen::") and _lacks_a_backward(definition)]
    assert [name for name in missing if not any(word in name for word in quantised)] == []


def test_quantised_numbers_get_no_gradient_of_zero():
    x, weight = torch.randn(4, 32, requires_grad=True), torch.randint(-127, 127, (16, 32), dtype=torch.int8)
    with pytest.raises(RuntimeError, match="has no gradient"):
        torch.ops.comfy_kitchen.int8_linear(x, weight, torch.ones(16, 1), None, 0)


def test_the_library_is_given_back():
    from pack.host.lend.kernels import differentiable

    outside = kitchen.rms_rope_
    with differentiable():
        assert kitchen.rms_rope_ is not outside
    assert kitchen.rms_rope_ is outside
