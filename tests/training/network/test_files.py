"""Network <-> the tensors of a LoRA file."""

import pytest
import torch

from pack.tests.training.network.models import Tower, part_of, randomise
from pack.training.errors import FileError
from pack.training.network.build import build_network
from pack.training.network.files import load_tensors, to_tensors
from pack.training.network.spec import NetworkSpec, TargetSpec


def network_of(preset="attention", seed=0):
    spec = NetworkSpec(rank=2, alpha=1.0, targets=TargetSpec(preset=preset))
    return build_network(spec, [part_of(Tower(depth=1))], seed=seed)


def test_keys_shapes_and_dtype():
    tensors = to_tensors(network_of(), torch.float16)
    assert sorted(tensors) == sorted(
        f"diffusion_model.layers.0.attn1.{name}.{suffix}"
        for name in ("to_q", "to_out.0")
        for suffix in ("lora_down.weight", "lora_up.weight", "alpha")
    )
    assert {tensor.dtype for tensor in tensors.values()} == {torch.float16}
    assert all(tensor.is_contiguous() and tensor.device.type == "cpu" for tensor in tensors.values())


def test_the_tensors_are_copies():
    network = network_of()
    tensors = to_tensors(network)
    before = {name: tensor.clone() for name, tensor in tensors.items()}
    randomise(network)
    assert all(torch.equal(tensors[name], before[name]) for name in tensors)


def test_there_and_back_bit_for_bit():
    one, other = network_of(), network_of(seed=9)
    randomise(one)
    load_tensors(other, to_tensors(one))
    assert all(torch.equal(a, b) for (_, a), (_, b) in zip(one.named_parameters(), other.named_parameters(), strict=True))


def test_a_file_that_lacks_modules():
    with pytest.raises(FileError, match="2 of 4 modules are not in the file, the first is 'diffusion_model.layers.0.ff.0'"):
        load_tensors(network_of("attention + feed-forward"), to_tensors(network_of()))
