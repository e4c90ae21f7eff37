"""Our safetensors files are those of the library, and need no second copy of the tensors."""

import tracemalloc

import pytest
import torch
from safetensors.torch import load_file, save

from pack.training.files.tensors import pieces, write_tensors

TENSORS = {
    "b.half": torch.randn(3, 5).half(), "a.brain": torch.randn(7).bfloat16(), "c.alpha": torch.tensor(2.5), "empty": torch.empty(0, 4),
    "flags": torch.tensor([True, False, True]), "codes": torch.arange(256, dtype=torch.uint8),
    "signed": torch.arange(-3, 4, dtype=torch.int8),
    "steps": torch.tensor([1, 2**40]), "small": torch.arange(5, dtype=torch.int32), "double": torch.randn(2, 2, dtype=torch.float64),
    "short": torch.arange(3, dtype=torch.int16), "narrow": torch.randn(9).to(torch.float8_e4m3fn),
    "narrower": torch.randn(9).to(torch.float8_e5m2),
    "z.turned": torch.randn(4, 6).T, "\u72d0.name": torch.randn(2),
}


@pytest.mark.parametrize("metadata", [{}, {"only": "one \u72d0 \"quoted\"\n"}])
def test_the_same_bytes_as_the_library_writes(metadata):
    contiguous = {name: tensor.contiguous() for name, tensor in TENSORS.items()}
    assert b"".join(bytes(piece) for piece in pieces(TENSORS, metadata)) == save(contiguous, metadata or None)


def test_metadata_is_in_the_order_of_its_keys(tmp_path):
    for name, metadata in (("one", {"b": "2", "a": "1"}), ("other", {"a": "1", "b": "2"})):
        write_tensors(tmp_path / name, TENSORS, metadata)
    assert (tmp_path / "one").read_bytes() == (tmp_path / "other").read_bytes()


def test_what_is_read_back_is_what_was_written(tmp_path):
    write_tensors(tmp_path / "x.safetensors", TENSORS, {"a": "b"})
    back = load_file(tmp_path / "x.safetensors")
    assert back.keys() == TENSORS.keys()
    assert all(torch.equal(back[name].float(), tensor.float()) and back[name].dtype is tensor.dtype for name, tensor in TENSORS.items())


def test_no_copy_of_the_tensors_is_made(tmp_path):
    large = {str(number): torch.zeros(1_000_000) for number in range(8)}  # 32 MB
    tracemalloc.start()
    write_tensors(tmp_path / "x.safetensors", large, {})
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 1_000_000 and (tmp_path / "x.safetensors").stat().st_size > 32_000_000
