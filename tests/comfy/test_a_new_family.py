"""A family with key names of its own is one file: it is found by its model's class, trained, named in the metadata, saved
and loaded, with no other line anywhere."""

import sys

import pytest
import torch

from pack.tests.comfy import tiny_models
from pack.tests.comfy.tiny_models import UNETS
from pack.tests.training.lora_file.test_metadata import _metadata, order
from pack.training import families
from pack.training.lora_file.file import write_lora
from pack.training.network.build import build_network
from pack.training.network.files import to_tensors
from pack.training.network.spec import NetworkSpec

#: SD1.5 under SimpleTuner's names, which ComfyUI reads too.
FILE = """
from .base import Family, underscored
from .unet import UNET_BLOCKS

FAMILY = Family(
    name="made_up", title="Made Up", classes=("somewhere.models.MadeUp",), file_key=underscored("lycoris_"), diffusers_paths=True,
    base_model_version="made_up_1", v_architecture="made-up-v/lora", architecture="made-up/lora", blocks=UNET_BLOCKS, resolution=512,
)
"""


@pytest.fixture
def made_up(tmp_path, monkeypatch):
    (tmp_path / "made_up.py").write_text(FILE, encoding="utf-8")
    monkeypatch.setattr(families, "__path__", [*families.__path__, str(tmp_path)])
    monkeypatch.setitem(families.FAMILIES, "made_up", families.collected()["made_up"])
    yield families.FAMILIES["made_up"]
    del families.made_up, sys.modules[f"{families.__name__}.made_up"]


@pytest.fixture
def patcher(comfy):
    """A tiny model whose configuration is of a class that derives from SD1.5's."""
    made = tiny_models.patcher(comfy, UNETS[0])
    config = made.model.model_config
    config.__class__ = type("MadeUp", (type(config),), {"__module__": "somewhere.models"})
    return made


def test_one_file_is_enough(made_up, patcher, tmp_path):
    from pack.host.lora.verify import read_back
    from pack.host.model.family import family_of
    from pack.host.model.parts import trainable_parts

    assert family_of(patcher) is made_up
    parts = trainable_parts(patcher, None, made_up, torch.float32)
    network = build_network(NetworkSpec(rank=2), parts, seed=0)
    keys = list(network.file_keys.values())
    assert "lycoris_down_blocks_0_attentions_0_transformer_blocks_0_attn1_to_q" in keys
    assert all(key.startswith(("lycoris_down_blocks", "lycoris_mid_block", "lycoris_up_blocks")) for key in keys)
    for name, parameter in network.named_parameters():
        parameter.data.normal_(0, 0.1, generator=torch.Generator().manual_seed(len(name)))
    told = _metadata(order(tmp_path, "made_up", "v"))
    assert (told["ss_base_model_version"], told["modelspec.architecture"], told["ss_v2"]) == ("made_up_1", "made-up-v/lora", "False")
    write_lora(tmp_path / "made_up.safetensors", to_tensors(network), told, torch.float32)
    read = read_back(tmp_path / "made_up.safetensors", network, patcher, None)
    assert read.modules == len(network) and read.unmapped == () and read.largest_error < 1e-6


def test_without_the_file_it_is_what_it_derives_from(comfy, patcher):
    from pack.host.model.family import family_of

    assert family_of(patcher) is families.FAMILIES["sd15"]
