"""Save LoRA: the file, what it says, and that it is read back."""

import hashlib
import json

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file

from pack.tests.comfy.graphs import node, place_pictures, train_graph
from pack.training.errors import FileError, SettingsError
from pack.training.network.kinds.menu import ALGORITHMS


@pytest.fixture(scope="module")
def trained(comfy, sd15_checkpoint):
    """What Train LoRA gives after three steps: a LORA_MODEL with its metadata."""
    graph = train_graph(sd15_checkpoint, place_pictures(comfy), run_name="for saving")
    graph["optimizer"]["inputs"]["text_encoder_lr"] = 1e-3
    graph["network"]["inputs"] |= {"algorithm": "rslora", "alpha": 3.0}
    return comfy.run(graph).value("train", 2)


def save(lora, **widgets):
    from pack.nodes import SaveLoRA

    class Node(SaveLoRA):
        class hidden:
            extra_pnginfo = {"workflow": {"nodes": ["mine"]}}

    output = Node.execute(**{"lora": lora, "filename": "saved", "dtype": "fp16", **widgets})
    return output.args[0], output.ui.as_dict()["text"][0]


def metadata_of(path) -> dict:
    with safe_open(path, framework="pt") as file:
        return file.metadata()


@pytest.mark.parametrize("dtype", ["fp32", "fp16", "bf16"])
def test_written_and_read_back(trained, dtype):
    path, told = save(trained, dtype=dtype, filename=f"tests/{dtype}")
    tensors = load_file(path)
    assert tensors.keys() == trained.keys()
    assert {str(t.dtype) for t in tensors.values()} == {{"fp32": "torch.float32", "fp16": "torch.float16", "bf16": "torch.bfloat16"}[dtype]}
    assert f"{len(trained) // 3} modules read back by ComfyUI's loader, 0 unmapped keys" in told
    error = float(told.rsplit("error ", 1)[1].split()[0])
    assert (error == 0) == (dtype == "fp32") and error < 1e-3


def test_a_name_that_exists_is_not_overwritten(trained):
    first, _ = save(trained, filename="twice")
    before = open(first, "rb").read()
    second, told = save(trained, filename="twice")
    assert second.endswith("twice_2.safetensors") and open(first, "rb").read() == before and "twice_2" in told


@pytest.mark.parametrize(("filename", "listed"), [
    ("names/my_style_v1.5", "names/my_style_v1.5"), ("names/my_style_v1.6", "names/my_style_v1.6"), (r"names\under\fox", "names/under/fox"),
    ("names/what?\nnow*", "names/what__now_"), ("names/fox.safetensors", "names/fox"), ("names/for saving", "names/for saving"),
])  # fmt: skip
def test_names_keep_what_files_may_be_called(trained, filename, listed):
    path, told = save(trained, filename=filename)
    assert f"Saved {listed}.safetensors: " in told and path.endswith(f"/{listed}.safetensors")
    assert metadata_of(path)["ss_output_name"] == listed.rpartition("/")[2]


def test_a_run_whose_name_got_a_counter_gives_it_to_the_file(trained, monkeypatch):
    monkeypatch.setattr(trained, "metadata", {**trained.metadata, "ss_output_name": "counted_7"})
    assert save(trained, filename="counted")[0].endswith("/counted_7.safetensors")
    assert save(trained, filename="counted")[0].endswith("/counted_7_2.safetensors")
    assert save(trained, filename="another")[0].endswith("/another.safetensors")


def test_a_name_that_no_disk_takes_is_a_sentence(trained):
    with pytest.raises(SettingsError, match="filename is too long: the name of .* Make it shorter by"):
        save(trained, filename="x" * 300)


@pytest.mark.parametrize("filename", ["C:fox", r"C:\fox", r"a\..\..\out", "a//b", "", "../out",
                                       "a/../../out", "/etc/passwd", "folder/", "."])
def test_names_that_point_elsewhere(trained, filename):
    with pytest.raises(SettingsError, match="must name a file inside the loras folder"):
        save(trained, filename=filename)


@pytest.mark.parametrize("widget", ["filename", "trigger_words", "description"])
def test_half_an_emoji_is_named_before_anything_is_written(trained, widget):
    with pytest.raises(SettingsError, match=f"{widget} has half a character behind 'smile '"):
        save(trained, **{widget: "smile \ud83d"})


def test_what_the_file_says(trained, comfy):
    picture = torch.rand(2, 32, 48, 3)
    path, _ = save(trained, filename="said", trigger_words="lcfox", author="me", description="a fox", license="CC0",
                   tags="character", usage_hint="0.8",
                   workflow=True, thumbnail=picture)
    told = metadata_of(path)
    assert told["ss_output_name"] == told["modelspec.title"] == "said"
    about = {key: told[f"modelspec.{key}"] for key in ("author", "description", "license", "tags", "usage_hint", "trigger_phrase")}
    assert about == {"author": "me", "description": "a fox", "license": "CC0", "tags": "character",
                     "usage_hint": "0.8", "trigger_phrase": "lcfox"}
    assert told["modelspec.thumbnail"].startswith("data:image/jpeg;base64,") and json.loads(told["workflow"]) == {"nodes": ["mine"]}
    assert told["ss_sd_model_name"].startswith("tiny-sd15") and len(told["ss_sd_model_hash"]) == 8
    checkpoint = comfy.base / "models" / "checkpoints" / told["ss_sd_model_name"]
    assert told["ss_new_sd_model_hash"] == hashlib.sha256(checkpoint.read_bytes()).hexdigest()
    assert told["ss_steps"] == "3" and told["ss_text_encoder_lr"] == "0.001"
    assert float(told["ss_training_started_at"]) < float(told["ss_training_finished_at"])
    assert json.loads(told["ss_tag_frequency"])["5_lcfox character"]["lcfox"] == 12


def test_a_model_is_hashed_once_and_again_when_it_changes(comfy, tmp_path, monkeypatch):
    from pack.host.model import hashes as file_hashes

    path = tmp_path / "model.safetensors"
    path.write_bytes(b"one")
    assert file_hashes.sha256_of(path) == hashlib.sha256(b"one").hexdigest()
    path.write_bytes(b"three")
    assert file_hashes.sha256_of(path) == hashlib.sha256(b"three").hexdigest()
    monkeypatch.setattr(file_hashes, "_read", lambda path: "read again")
    assert file_hashes.sha256_of(path) == hashlib.sha256(b"three").hexdigest()


def test_a_model_that_has_gone_is_no_reason_not_to_save(trained, tmp_path, monkeypatch):
    monkeypatch.setattr(trained, "model_files", {"ss_new_sd_model_hash": tmp_path / "gone.safetensors"})
    path, _ = save(trained, filename="gone")
    assert "ss_new_sd_model_hash" not in metadata_of(path)


def test_privacy(trained, comfy):
    path, _ = save(trained, filename="private", metadata="no folder names")
    told = metadata_of(path)
    assert all(name.startswith("dataset ") for name in json.loads(told["ss_dataset_dirs"]))
    path, _ = save(trained, filename="least", metadata="minimum")
    assert "ss_tag_frequency" not in metadata_of(path) and metadata_of(path)["ss_network_dim"] == "4"
    assert str(comfy.base) not in json.dumps(metadata_of(path)) + json.dumps(told)


def test_no_workflow_unless_asked(trained):
    path, _ = save(trained, filename="bare")
    assert "workflow" not in metadata_of(path) and "modelspec.thumbnail" not in metadata_of(path)


def test_a_lora_of_another_node_is_saved_too(trained):
    """Core's own training node gives a plain dict."""
    path, told = save({"diffusion_model.x.lora_up.weight": torch.randn(4, 2), "diffusion_model.x.lora_down.weight": torch.randn(2, 6)},
                      filename="core")
    assert "1 modules read back" in told
    assert metadata_of(path)["ss_output_name"] == "core"


def test_keys_that_nobody_understands(trained):
    with pytest.raises(FileError, match="would not load 1 keys of it, the first is 'diffusion_model.x.lora_magic'"):
        save({**trained, "diffusion_model.x.lora_magic": torch.zeros(2)}, filename="broken")


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_every_kind_is_read_back(comfy, algorithm):
    """On layers of every sort, with values that narrow floats cannot hold exactly."""
    from pack.host.lora.verify import read_back_tensors
    from pack.tests.comfy.test_kinds import randomise, wired
    from pack.training.lora_file.file import write_lora
    from pack.training.network.files import to_tensors

    ops = comfy.module("comfy.ops").manual_cast
    _, _, network = wired(ops, algorithm)
    randomise(network)
    tensors = to_tensors(network)
    path = comfy.base / "models" / "loras" / f"kind-{algorithm}.safetensors"
    for dtype, least, most in ((torch.float32, 0, 0), (torch.bfloat16, 1e-6, 0.1)):
        write_lora(path, tensors, {}, dtype)
        read = read_back_tensors(path, tensors, dtype)
        assert read.modules == 7 and read.unmapped == () and least <= read.largest_error <= most


def test_from_the_canvas(comfy, sd15_checkpoint):
    graph = train_graph(sd15_checkpoint, place_pictures(comfy), run_name="to the end")
    graph["save"] = node("LoRACanvasSaveLoRA", lora=["train", 2], filename="from canvas", dtype="bf16")
    path = comfy.run(graph).value("save")
    assert metadata_of(path)["ss_network_module"] == "networks.lora"
