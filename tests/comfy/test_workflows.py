"""The shipped workflows: every node and widget exists, every node of the pack is used, and each of them runs (those of today's
families in test_true_families.py)."""

import json
import shutil
from pathlib import Path

import pytest

from pack.demo.comfyui.workflow import to_api
from pack.demo.shipped import BLUEPRINTS, WORKFLOWS
from pack.tests.comfy.graphs import place_pictures
from pack.tests.comfy.object_info import object_info
from pack.tests.comfy.shipped_prompts import small
from pack.tests.comfy.test_true_families import VERSIONS

ROOT = Path(__file__).resolve().parents[2]
FILES = sorted((ROOT / "workflows").glob("*.json"))
NEEDS_MODELS = {"Caption a folder"}  # a captioner of a gigabyte; its own tests run it on tiny ones


@pytest.fixture(scope="module")
def info(comfy):
    return object_info(comfy)


def load(path: Path) -> dict:
    return json.loads(path.read_text(encoding="utf-8"))


def test_there_is_a_file_for_each_and_nothing_else():
    assert {path.stem for path in FILES} == set(WORKFLOWS)


@pytest.mark.parametrize("name", WORKFLOWS)
def test_the_file_is_what_the_maker_makes_today(info, name):
    """Run `python -m demo.shipped.make_workflows` after a node has changed."""
    made = json.loads(json.dumps(WORKFLOWS[name](info).workflow()))
    shipped = load(ROOT / "workflows" / f"{name}.json")
    without_new_widgets(shipped, made)
    assert without_new_sockets(shipped) == without_new_sockets(made)


def without_new_widgets(shipped: dict, made: dict) -> None:
    """Newer ComfyUI's own nodes have more widgets at their end (Load LoRA Model), are taller, and push those below them down."""
    for one, other in zip(shipped["nodes"], made["nodes"], strict=True):
        if not one["type"].startswith("LoRACanvas") and one.get("widgets_values") != other.get("widgets_values"):
            other["widgets_values"] = other["widgets_values"][: len(one["widgets_values"])]
            column = one["pos"][0]
            for a, b in zip(shipped["nodes"], made["nodes"], strict=True):
                if a["pos"][0] == column or a is one:
                    b["pos"], b["size"] = a["pos"], a["size"]


def without_new_sockets(workflow: dict) -> dict:
    """Core's own nodes without outputs that nothing is connected to: newer ComfyUI has more of them (Save Image)."""
    for one in workflow["nodes"]:
        if not one["type"].startswith("LoRACanvas"):
            one["outputs"] = [output for output in one["outputs"] if output["links"]]
    return workflow


def test_every_workflow_has_its_picture():
    """The template browser shows it; `make pictures` takes it."""
    assert {path.stem for path in (ROOT / "workflows").glob("*.jpg")} == set(WORKFLOWS)


@pytest.mark.parametrize("name", BLUEPRINTS)
def test_the_blueprint_is_what_the_maker_makes_today_and_joins_what_exists(info, name):
    file = load(ROOT / "subgraphs" / f"{name}.json")
    assert file == json.loads(json.dumps(BLUEPRINTS[name](info)))
    [one], [inside] = file["nodes"], file["definitions"]["subgraphs"]
    assert one["type"] == inside["id"]
    nodes = {node["id"]: node for node in inside["nodes"]}
    for link in inside["links"]:
        if link["target_id"] in nodes:
            assert nodes[link["target_id"]]["inputs"][link["target_slot"]]["link"] == link["id"]
        if link["origin_id"] in nodes:
            assert link["id"] in nodes[link["origin_id"]]["outputs"][link["origin_slot"]]["links"]
    for ends, side in ((inside["inputs"], "origin"), (inside["outputs"], "target")):
        for slot, end in enumerate(ends):
            joined = [link["id"] for link in inside["links"] if link[f"{side}_id"] < 0 and link[f"{side}_slot"] == slot]
            assert joined == end["linkIds"] != []


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_it_is_a_workflow_of_format_0_4(info, path):
    workflow = load(path)
    assert workflow["version"] == 0.4
    numbers = {node["id"] for node in workflow["nodes"]}
    for link, source, slot, target, socket, kind in workflow["links"]:
        assert {source, target} <= numbers
        nodes = {node["id"]: node for node in workflow["nodes"]}
        assert link in nodes[source]["outputs"][slot]["links"] and nodes[target]["inputs"][socket]["link"] == link
        assert kind == nodes[source]["outputs"][slot]["type"]
    assert any(node["type"] == "MarkdownNote" for node in workflow["nodes"])
    for node in workflow["nodes"]:
        if node["type"].startswith("LoRACanvas"):
            assert node["properties"]["cnr_id"] == "lora-canvas"


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_it_opens_readable(path):
    """The frontend shows all of a template in three quarters of the window: letters of 12 units are 11 pixels there, at 1280 x 720."""
    boxes = [(*node["pos"], *(node["size"] if not node["flags"].get("collapsed") else (0, 0))) for node in load(path)["nodes"]]
    width = max(x + w for x, _, w, _ in boxes) - min(x for x, *_ in boxes) + 20
    height = max(y + h for _, y, _, h in boxes) - min(y for _, y, *_ in boxes) + 30 + 20
    assert 12 * min(0.75 * 1280 / width, 0.75 * 720 / height) >= 11


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_its_prompt_names_only_what_exists(info, path):
    for node in to_api(load(path), info).values():
        given = info[node["class_type"]]["input"]
        known = {**given.get("required", {}), **given.get("optional", {})}
        assert node["inputs"].keys() <= known.keys()
        assert given.get("required", {}).keys() <= node["inputs"].keys()


def test_every_node_of_the_pack_is_used(info):
    used = {node["type"] for path in FILES for node in load(path)["nodes"]}
    assert {name for name in info if name.startswith("LoRACanvas")} <= used


def on_tiny_models(name: str, info: dict, checkpoint) -> dict:
    prompt = small(name, info, run_name="workflow")
    for node in prompt.values():
        given = node["inputs"]
        if "ckpt_name" in given:
            given["ckpt_name"] = checkpoint("sdxl-short" if "xl" in given["ckpt_name"] else "sd15")
    return prompt


@pytest.mark.slow
@pytest.mark.parametrize("path", [path for path in FILES if path.stem not in {*NEEDS_MODELS, *VERSIONS}], ids=lambda path: path.stem)
def test_it_runs(comfy, run_prompt, info, checkpoint, path):
    place_pictures(comfy)
    shutil.copy(next((ROOT / "demo" / "pictures").rglob("*.png")), comfy.base / "input" / "example.png")
    prompt = on_tiny_models(path.stem, info, checkpoint)
    if any(node["class_type"] == "UNETLoader" for node in prompt.values()):
        prompt = _flux_from_one_file(prompt, checkpoint("flux-dev"))
    if path.stem in ("Compare checkpoints", "Go on from a LoRA"):
        _make_a_run(comfy, run_prompt, info, checkpoint)
        for node in prompt.values():
            if "lora_name" in node["inputs"]:
                node["inputs"]["lora_name"] = "workflow/workflow.safetensors"
    outputs = run_prompt(prompt).outputs
    assert outputs


def _make_a_run(comfy, run_prompt, info, checkpoint) -> None:
    """The run called 'workflow', if no test has made it yet."""
    if not (comfy.base / "output" / "lora_canvas" / "workflow" / "workflow.safetensors").is_file():
        run_prompt(on_tiny_models("Train SD1.5 LoRA", info, checkpoint))


def _flux_from_one_file(prompt: dict, checkpoint: str) -> dict:
    """The tiny FLUX is one file: its three loaders become one, everything else stays."""
    slots = {"UNETLoader": 0, "DualCLIPLoader": 1, "VAELoader": 2}
    loaders = {number: slots[node["class_type"]] for number, node in prompt.items() if node["class_type"] in slots}
    rest = {number: node for number, node in prompt.items() if number not in loaders}
    for node in rest.values():
        for name, value in node["inputs"].items():
            if isinstance(value, list) and value[0] in loaders:
                node["inputs"][name] = ["one file", loaders[value[0]]]
    return {**rest, "one file": {"class_type": "CheckpointLoaderSimple", "inputs": {"ckpt_name": checkpoint}}}
