"""A VAE of another family with as many channels is told by the file that it comes from."""

from types import SimpleNamespace

import pytest

from pack.tests.comfy.graphs import node


@pytest.fixture
def warned(comfy):
    """`warned(format, **vae loader's widgets)`: what is said to a MODEL that works on latents of a format."""
    vae = comfy.module("pack.host.advice.vae")
    formats = comfy.module("comfy.latent_formats")

    def ask(kind: str, loader: str, slot: int, **widgets) -> str | None:
        model = SimpleNamespace(get_model_object=lambda name: getattr(formats, kind)())
        prompt = {"vae": node(loader, **widgets), "way": node("Reroute", vae=["vae", slot]), "train": node("T", vae=["way", 0])}
        return vae.vae_warning(model, prompt, "train")

    return ask


def test_of_a_checkpoint_its_shapes_tell(warned, sd15_checkpoint, sdxl_checkpoint):
    text = warned("SD15", "CheckpointLoaderSimple", 2, ckpt_name=sdxl_checkpoint)
    assert text is not None and text.startswith(
        f"the VAE comes from {sdxl_checkpoint}, made for latents of SDXL, but the model works on those of SD15.")
    assert warned("SDXL", "CheckpointLoaderSimple", 2, ckpt_name=sd15_checkpoint) is not None
    assert warned("SD15", "CheckpointLoaderSimple", 2, ckpt_name=sd15_checkpoint) is None
    assert warned("SDXL", "CheckpointLoaderSimple", 2, ckpt_name="no such file") is None


@pytest.mark.parametrize(("name", "fits", "fits_not"), [
    ("sdxl_vae.safetensors", "SDXL", "SD15"), ("vae-ft-mse-840000-ema-pruned.safetensors", "SD15", "SDXL"),
    ("ae.safetensors", "Flux", "SD3"), ("wan_2.1_vae.safetensors", "Wan21", "Flux"), ("qwen_image_vae.safetensors", "Wan21", "Flux"),
    ("my own.safetensors", "SDXL", None),
])
def test_of_a_vae_alone_its_name_does(comfy, warned, tmp_path, monkeypatch, name, fits, fits_not):
    from safetensors.torch import save_file

    save_file({"decoder.x": comfy.module("torch").zeros(1)}, tmp_path / name)
    monkeypatch.setitem(comfy.folder_paths.folder_names_and_paths, "vae", ([str(tmp_path)], {".safetensors"}))
    monkeypatch.setattr(comfy.folder_paths, "filename_list_cache", {})
    assert warned(fits, "VAELoader", 0, vae_name=name) is None
    assert fits_not is None or "Connect the VAE output" in warned(fits_not, "VAELoader", 0, vae_name=name)
