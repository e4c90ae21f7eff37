"""What a preset's file may hold, and everything that is refused in it."""

import json
import sys

import pytest

from pack.training.errors import SettingsError
from pack.training.presets.files import MOST, read_preset


def ours(**changed) -> str:
    nodes = {"LoRACanvasLoRANetwork": {"rank": 8}}
    return json.dumps({"format": "lora_canvas preset", "version": 1, "name": "Mine", "nodes": nodes, **changed})


def test_our_own():
    preset = read_preset("x.json", ours())
    assert (preset.name, preset.kind) == ("Mine", "ours")
    assert [(one.node, one.widget, one.value) for one in preset.settings] == [("LoRACanvasLoRANetwork", "rank", 8)]


def run(**nodes) -> str:
    return json.dumps({"format": "lora_canvas run settings", "version": 1, "name": "fox", "nodes": nodes})


def test_the_settings_of_a_run_hold_its_own_names_too():
    text = run(LoRACanvasLoadDataset={"folder": "dogs", "trigger_word": "ohwx"}, LoRACanvasIA3Options={"x": True},
               CheckpointLoaderSimple={"ckpt_name": "sd15.safetensors"}, LoRACanvasSamplePreview={"prompts": "a fox\n" * 1000})
    preset = read_preset("fox.settings.json", text)
    assert (preset.name, preset.kind, len(preset.settings)) == ("fox", "run", 5)
    assert preset.settings[0].value == "dogs"


@pytest.mark.parametrize(("node", "widget", "value", "said"), [
    ("KSampler", "seed", 1, "KSampler.seed is no setting of a run"), ("LoRACanvasTrainLoRA", "resume", "latest", "resume is no setting"),
    ("LoRACanvasTrainLoRA", "../x", 1, "is no setting"), ("LoRACanvasSamplePreview", "prompts", "x" * 50_001, "at most 50,000"),
    ("LoRACanvasTrainLoRA", "steps", [1], "must be a number"),
])
def test_what_the_settings_of_a_run_do_not_hold(node, widget, value, said):
    with pytest.raises(SettingsError, match=said):
        read_preset("fox.settings.json", run(**{node: {widget: value}}))


@pytest.mark.parametrize(("changed", "said"), [
    ({"version": 2}, "version 1"), ({"nodes": []}, "must have 'nodes'"),
    ({"nodes": {"KSampler": {"seed": 1}}}, "KSampler.seed is no widget"),
    ({"nodes": {"LoRACanvasLoadDataset": {"folder": "/etc"}}}, "folder is no setting"),
    ({"nodes": {"LoRACanvasLoRANetwork": {"rank": [8]}}}, "must be a number"),
    ({"nodes": {"LoRACanvasLoRANetwork": {f"w{n}": 1 for n in range(201)}}}, "201 settings"),
    ({"nodes": {"LoRACanvasLoRANetwork": {"include": "x" * 2001}}}, "at most 2,000"),
])
def test_what_no_preset_holds(changed, said):
    with pytest.raises(SettingsError, match=said):
        read_preset("x.json", ours(**changed))


@pytest.mark.parametrize(("name", "text", "said"), [
    ("x.json", "{", "no JSON"), ("x.json", "[1]", "no object"), ("x.json", '{"a": 1}', "no setting that is known"),
    ("x.toml", "a = ", "no TOML"),
    ("x.json", " " * (MOST + 1), "but may have"), ("x.json", "[" * 100_000, "no JSON"), ("C:\\my\\x.json", '{"a": 1}', "'x.json'")])
def test_what_is_no_preset(name, text, said):
    with pytest.raises(SettingsError, match=said):
        read_preset(name, text)


@pytest.mark.skipif(sys.version_info < (3, 11), reason="Python 3.10 has no tomllib")
def test_toml():
    preset = read_preset("C:\\my\\run 1.toml", "\ufeff[network]\r\nnetwork_dim = 8\r\n")
    assert (preset.name, preset.kind) == ("run 1", "sd-scripts (TOML)")
    assert [one.value for one in preset.settings if one.widget == "rank"] == [8]
