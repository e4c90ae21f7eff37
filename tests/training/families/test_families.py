"""Families: what a file of the folder says, and which of them a model's classes belong to."""

from dataclasses import replace
from pathlib import Path

import pytest

from pack.training import families
from pack.training.families import CLIP_BLOCKS, FAMILIES, recognised
from pack.training.families.base import ON_REQUEST_BLOCKS, dotted, underscored

FILES = {path.stem for path in Path(families.__path__[0]).glob("*.py")} - {"__init__", "base", "unet"}


def test_a_family_is_a_file_that_bears_its_name():
    assert FILES == set(FAMILIES) and all(family.name == name for name, family in FAMILIES.items())
    assert not [name for name, family in FAMILIES.items() if not family.classes and name != "other"]


def ancestry(*names: str) -> list[str]:
    return [*names, "comfy.model_base.BaseModel", "builtins.object"]


@pytest.mark.parametrize(
    ("model", "config", "family"),
    [
        (ancestry("comfy.model_base.SDXL"), ancestry("comfy.supported_models.SDXL"), "sdxl"),
        (ancestry("comfy.model_base.SDXL_instructpix2pix", "comfy.model_base.SDXL"), ancestry("comfy.supported_models.SDXL"), "sdxl"),
        (ancestry(), ancestry("comfy.supported_models.SD15"), "sd15"),
        (ancestry("comfy.model_base.SD21UNCLIP"), ancestry("comfy.supported_models.SD21UnclipL", "comfy.supported_models.SD20"), "sd2"),
        (ancestry("comfy.model_base.Flux"), ancestry("comfy.supported_models.FluxSchnell", "comfy.supported_models.Flux"), "flux"),
        (ancestry("comfy.model_base.Chroma", "comfy.model_base.Flux"), ancestry("comfy.supported_models.Chroma"), "other"),
        (ancestry("comfy.model_base.Flux2", "comfy.model_base.Flux"), ancestry("comfy.supported_models.Flux2"), "flux2"),
        (ancestry("comfy.model_base.WAN21"), ancestry("comfy.supported_models.WAN22_T2V", "comfy.supported_models.WAN21_T2V"), "wan"),
        (ancestry("somewhere.SDXL"), ancestry("somewhere.SD15"), "other"),
    ],
)
def test_recognised_by_the_classes_of_the_model_or_its_configuration(model, config, family):
    assert recognised(model, config) is FAMILIES[family]


def test_the_nearest_class_decides(monkeypatch):
    """A family for a class that derives from another family's is found before that, whatever it is called."""
    for name in ("a", "z"):
        own = replace(FAMILIES["sdxl"], name=name, classes=("pack.Own",))
        monkeypatch.setitem(FAMILIES, name, own)
        assert recognised(ancestry("pack.Own", "comfy.model_base.SDXL")) is own
        monkeypatch.delitem(FAMILIES, name)


def test_ways_of_naming():
    assert underscored("lora_unet_")("layers.0.attn1.to_q") == "lora_unet_layers_0_attn1_to_q"
    assert dotted("diffusion_model.")("layers.0.attn1.to_q") == "diffusion_model.layers.0.attn1.to_q"


def test_names_of_models_that_predict_v():
    sd2, sdxl, other = FAMILIES["sd2"], FAMILIES["sdxl"], FAMILIES["other"]
    assert [sd2.version_for(kind) for kind in ("epsilon", "v")] == ["sd_v2", "sd_v2_v"]
    assert [sd2.architecture_for(kind) for kind in ("epsilon", "v")] == ["stable-diffusion-v2-512/lora", "stable-diffusion-v2-768-v/lora"]
    assert sdxl.version_for("v") == sdxl.version_for("epsilon") and sdxl.architecture_for("v") == sdxl.architecture
    assert (other.version_for("v"), other.architecture_for("v")) == ("other", "")


def test_words_of_each_part():
    flux = FAMILIES["flux"]
    assert flux.blocks_of("diffusion_model") is flux.blocks
    assert flux.blocks_of("clip_l") is CLIP_BLOCKS and flux.blocks_of("t5xxl") is ON_REQUEST_BLOCKS


@pytest.mark.parametrize(("width", "version"), [(3072, "flux_2_klein_4b"), (4096, "flux_2_klein_9b"), (6144, "flux_2_dev")])
def test_models_of_one_class_are_told_apart_by_their_size(width, version):
    family = FAMILIES["flux2"].of_size({"hidden_size": width})
    assert family.version_for("flow") == version
    assert family.architecture_for("flow").lower().replace("/lora", "") == version.replace("flux_2", "flux.2").replace("_", "-")
    assert FAMILIES["sdxl"].of_size({"hidden_size": width}) is FAMILIES["sdxl"]


def test_a_fused_layer_is_several_of_diffusers():
    z_image = FAMILIES["z_image"]
    assert z_image.diffusers_names("layers.3.attention.qkv") == tuple(f"layers.3.attention.to_{x}" for x in "qkv")
    assert z_image.diffusers_names("layers.3.feed_forward.w1") == ("layers.3.feed_forward.w1",)
    assert z_image.diffusers_names("x_embedder") == FAMILIES["sd15"].diffusers_names("layers.3.attention.qkv") == ()
