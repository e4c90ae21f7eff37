"""Fetching a captioner, with a hub that is played."""

from types import SimpleNamespace

import huggingface_hub
import pytest

from pack.training.captioning.catalog import CATALOG, GENERATOR_PATTERNS, readable
from pack.training.captioning.download import download
from pack.training.errors import ModelError

REPO, PATTERNS = "SmilingWolf/wd-vit-tagger-v3", ("model.onnx", "selected_tags.csv")


@pytest.fixture
def hub(monkeypatch):
    """A hub whose files are `hub.files` (bytes by name); `hub.fetched` lists what was taken."""
    played = SimpleNamespace(files={"model.onnx": 5_000_000, "selected_tags.csv": 1000, "README.md": 9}, fetched=[], error=None)

    def model_info(self, repo, files_metadata):
        assert files_metadata
        if repo != REPO:
            raise ConnectionError("no such model")
        return SimpleNamespace(siblings=[SimpleNamespace(rfilename=name, size=size) for name, size in played.files.items()])

    def hf_hub_download(repo_id, filename, local_dir, tqdm_class=None):
        played.fetched.append(filename)
        with tqdm_class(total=played.files[filename], disable=True) as bar:
            for _ in range(5):
                bar.update(played.files[filename] // 5)
        if played.error:
            raise played.error
        (local_dir / filename).write_bytes(b"x")

    monkeypatch.setattr(huggingface_hub.HfApi, "model_info", model_info)
    monkeypatch.setattr(huggingface_hub, "hf_hub_download", hf_hub_download)
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", False)
    return played


def test_what_is_needed_is_fetched_with_progress(hub, tmp_path):
    seen = []
    download(REPO, PATTERNS, tmp_path / "model", lambda *call: seen.append(call))
    assert hub.fetched == ["model.onnx", "selected_tags.csv"]
    assert seen[0] == (0, 5) and seen[-1] == (5, 5) and [done for done, _ in seen] == sorted(done for done, _ in seen)
    download(REPO, PATTERNS, tmp_path / "model", lambda *call: None)
    assert hub.fetched == ["model.onnx", "selected_tags.csv"]


def test_cancel_passes_through_even_if_the_hub_wraps_it(hub, tmp_path):
    class Cancelled(Exception):
        pass

    def press(done, total):
        if done >= 2:
            raise Cancelled

    with pytest.raises(Cancelled):
        download(REPO, PATTERNS, tmp_path, press)
    assert list(tmp_path.iterdir()) == []


def test_failures_say_where_to_put_what(hub, tmp_path):
    hub.error = OSError("connection reset")
    with pytest.raises(
        ModelError, match="(?s)could not be downloaded .OSError: connection reset.*model.onnx, selected_tags.csv into the folder"
    ) as caught:
        download(REPO, PATTERNS, tmp_path, lambda *call: None)
    assert str(tmp_path) in str(caught.value)
    with pytest.raises(ModelError, match="could not be found on the model hub .ConnectionError: no such model"):
        download("owner/name", PATTERNS, tmp_path, lambda *call: None)


def test_offline_nothing_is_tried(hub, tmp_path, monkeypatch):
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    with pytest.raises(ModelError, match="HF_HUB_OFFLINE is set"):
        download(REPO, PATTERNS, tmp_path, lambda *call: None)
    assert hub.fetched == []


def test_a_full_disk_is_seen_before(hub, tmp_path):
    hub.files["model.onnx"] = 10**18
    with pytest.raises(ModelError, match="has 1000000000.00 GB, but only .* are free"):
        download(REPO, PATTERNS, tmp_path, lambda *call: None)
    assert hub.fetched == []


def test_only_weights_and_settings_are_taken(hub, tmp_path):
    hub.files = dict.fromkeys(
        ["config.json", "model.safetensors", "pytorch_model.bin", "modeling.py", "onnx/model.onnx", "x/../../a.json", "vocab.txt"], 5
    )
    download(REPO, GENERATOR_PATTERNS, tmp_path / "one", lambda *call: None)
    assert hub.fetched == ["config.json", "model.safetensors", "vocab.txt"]
    hub.files, hub.fetched = dict.fromkeys(["config.json", "pytorch_model.bin", "tf_model.h5"], 5), []
    download(REPO, GENERATOR_PATTERNS, tmp_path / "two", lambda *call: None)
    assert hub.fetched == ["config.json", "pytorch_model.bin"]
    hub.files = {"README.md": 1}
    with pytest.raises(ModelError, match="has none of the files"):
        download(REPO, GENERATOR_PATTERNS, tmp_path / "three", lambda *call: None)


def test_sizes_are_readable():
    assert readable(CATALOG["wd-eva02-large-tagger-v3"].size) == "1.26 GB" and readable(466_400_000) == "466 MB" and readable(5) == "1 MB"
