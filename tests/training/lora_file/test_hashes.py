"""The hashes by which programs know a LoRA file, against the rules as those programs apply them to the file itself."""

import hashlib
import json
import struct

import pytest
import torch

from pack.training.lora_file.file import TrainedLora, read_lora, unused_path, write_lora

TENSORS = {"b.lora_up.weight": torch.randn(40, 4), "b.lora_down.weight": torch.randn(4, 30), "b.alpha": torch.tensor(2.5),
           "a.odd": torch.randn(3, 5)}
LARGE = {"big.lora_up.weight": torch.randn(300_000, 4)}
METADATA = {"ss_network_dim": "4", "ss_output_name": "x", "modelspec.title": "x", "workflow": "{}"}


def read(path):
    """(metadata, everything behind the header) of a safetensors file, by its specification."""
    content = path.read_bytes()
    (length,) = struct.unpack("<Q", content[:8])
    return json.loads(content[8 : 8 + length])["__metadata__"], content[8 + length :]


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16])
def test_model_hash_is_that_of_the_file_on_disk(tmp_path, dtype):
    """A1111 (use_addnet_hash): sha256 of the file from behind its header on."""
    write_lora(tmp_path / "x.safetensors", TENSORS, METADATA, dtype)
    metadata, behind = read(tmp_path / "x.safetensors")
    assert metadata["sshs_model_hash"] == hashlib.sha256(behind).hexdigest()
    assert {key: metadata[key] for key in METADATA} == METADATA


def test_model_hash_does_not_change_with_what_is_said(tmp_path):
    write_lora(tmp_path / "x.safetensors", TENSORS, METADATA, torch.float16)
    write_lora(tmp_path / "y.safetensors", TENSORS, {"ss_output_name": "other", "modelspec.author": "me"}, torch.float16)
    one, other = (read(tmp_path / name)[0]["sshs_model_hash"] for name in ("x.safetensors", "y.safetensors"))
    assert one == other


@pytest.mark.parametrize("tensors", [TENSORS, LARGE], ids=["smaller than 1 MiB", "larger"])
def test_legacy_hash(tmp_path, tensors):
    """kohya's rule: 8 hex digits of sha256 over 0x10000 bytes at 0x100000 of the file that holds the ss_* entries alone."""
    from safetensors.torch import save_file

    write_lora(tmp_path / "x.safetensors", tensors, METADATA, torch.float32)
    save_file(tensors, tmp_path / "ss.safetensors", metadata={key: value for key, value in METADATA.items() if key.startswith("ss_")})
    with (tmp_path / "ss.safetensors").open("rb") as file:
        file.seek(0x100000)
        expected = hashlib.sha256(file.read(0x10000)).hexdigest()[:8]
    assert read(tmp_path / "x.safetensors")[0]["sshs_legacy_hash"] == expected


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_alpha_is_cast_with_the_rest_as_in_kohya_s(tmp_path, dtype):
    write_lora(tmp_path / "x.safetensors", TENSORS, {}, dtype)
    back = read_lora(tmp_path / "x.safetensors")
    assert {tensor.dtype for tensor in back.values()} == {dtype}
    assert all(torch.equal(back[name], tensor.to(dtype)) for name, tensor in TENSORS.items())


def test_a_name_that_exists_gets_a_counter(tmp_path):
    for name in ("x.safetensors", "x_2.safetensors"):
        (tmp_path / name).touch()
    assert unused_path(tmp_path, "x").name == "x_3.safetensors" and unused_path(tmp_path, "y").name == "y.safetensors"


def test_a_trained_lora_is_a_plain_dict_to_others():
    lora = TrainedLora(TENSORS, METADATA)
    assert isinstance(lora, dict) and lora == TENSORS and lora.metadata == METADATA
