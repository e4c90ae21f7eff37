"""What the pack tells ComfyUI when it is imported."""

import pytest


@pytest.mark.parametrize("has_circle", [False, True])
def test_a_circle_of_links_keeps_nobody_from_starting(comfy, tmp_path, monkeypatch, has_circle):
    """ComfyUI follows links wherever it looks for LoRAs: it would never come to an end, or fail, in every node that lists them."""
    startup = comfy.module("pack.host.startup")
    run = tmp_path / "output" / "lora_canvas" / "fox"
    run.mkdir(parents=True)
    (run / "fox.safetensors").write_bytes(b"")
    monkeypatch.setattr(comfy.folder_paths, "output_directory", str(tmp_path / "output"))
    monkeypatch.setitem(comfy.folder_paths.folder_names_and_paths, "loras", ([str(tmp_path / "loras")], {".safetensors"}))
    monkeypatch.setattr(comfy.folder_paths, "filename_list_cache", {})
    if has_circle:
        (run / "all").symlink_to("..")
    startup.offer_runs()
    names = comfy.folder_paths.get_filename_list("loras")
    assert names == ([] if has_circle else ["fox/fox.safetensors"])
