"""Workflows, the blueprint and prompts that were saved before the code was cut into rooms: every node, socket and widget is still
there, ComfyUI accepts them, and every widget has the value that was saved."""

import asyncio
import uuid

import pytest

from pack.demo.comfyui.workflow import AS_BEFORE, to_api, widget_values
from pack.tests.comfy.object_info import object_info
from pack.tests.fixtures import comfy_runs as before

WORKFLOWS = sorted(path.stem for path in (before.FOLDER / "workflows").glob("*.json"))
BLUEPRINTS = sorted(path.stem for path in (before.FOLDER / "subgraphs").glob("*.json"))
PROMPTS, INSIDES = before.read("prompts.json"), before.read("blueprints.json")
#: Inputs that name files of the user's, which no test has.
FILES = {"ckpt_name", "lora_name", "unet_name", "vae_name", "clip_name1", "clip_name2", "image", "folder", "run", "start_from"}


@pytest.fixture(scope="module")
def info(comfy):
    return object_info(comfy)


def known(info: dict) -> dict:
    return {**info["input"].get("required", {}), **info["input"].get("optional", {})}


def complaints(comfy, prompt: dict) -> list[str]:
    """What ComfyUI has against a prompt, save that a file is not there."""
    for node in prompt.values():
        if node["class_type"] == "LoRACanvasLoadDataset":
            (comfy.base / "input" / node["inputs"]["folder"]).mkdir(parents=True, exist_ok=True)  # Load Dataset looks before Run
    _, error, _, node_errors = asyncio.run(comfy.execution.validate_prompt(str(uuid.uuid4()), prompt, None))
    found = [f"{node}: {complaint['message']}: {complaint['details']}"
             for node, report in node_errors.items() for complaint in report["errors"]
             if complaint.get("extra_info", {}).get("input_name") not in FILES]
    return found + ([f"{error['message']}: {error['details']}"] if error and not node_errors else [])


def not_offered(prompt: dict, info: dict) -> list[str]:
    """Choices of the pack's nodes that are no longer among the options: ComfyUI 0.3.75 does not look at them."""
    return [
        f"{number}: {name} {value!r}"
        for number, node in prompt.items() if node["class_type"].startswith("LoRACanvas")
        for name, value in node["inputs"].items() if name not in FILES and not isinstance(value, list)
        for kind, options in [known(info[node["class_type"]])[name][:2]] if kind == "COMBO" and value not in options["options"]
    ]


def test_there_are_all_of_them():
    assert (len(WORKFLOWS), len(BLUEPRINTS)) == (9, 1)
    assert set(PROMPTS) == set(WORKFLOWS) and set(INSIDES) == set(BLUEPRINTS)


@pytest.mark.parametrize("name", WORKFLOWS)
def test_a_workflow_becomes_the_prompt_that_it_was(info, name):
    """Nothing is missing, nothing has moved to another widget; what a node has gained since has its default."""
    prompt = to_api(before.read(f"workflows/{name}.json"), info)
    assert prompt.keys() == PROMPTS[name].keys()
    for number, old in PROMPTS[name].items():
        now = prompt[number]
        assert now["class_type"] == old["class_type"]
        assert {key: value for key, value in now["inputs"].items() if key in old["inputs"]} == old["inputs"]
        given = known(info[now["class_type"]])
        assert now["inputs"].keys() <= given.keys()
        for key in now["inputs"].keys() - old["inputs"].keys():
            assert now["inputs"][key] == AS_BEFORE.get((now["class_type"], key), given[key][1]["default"])


@pytest.mark.parametrize("name", WORKFLOWS)
def test_its_sockets_are_those_of_the_nodes(info, name):
    """By name and type, as the canvas joins them when it opens a file."""
    for node in before.read(f"workflows/{name}.json")["nodes"]:
        if node["type"].startswith("LoRACanvas"):
            _same_sockets(node, info[node["type"]])


def _same_sockets(node: dict, info: dict) -> None:
    given = known(info)
    for socket in node.get("inputs", []):
        kind = given[socket["name"]][0]
        assert socket["type"] == ("COMBO" if isinstance(kind, (list, tuple)) else kind), socket["name"]
    outputs = [(output["name"], output["type"]) for output in node.get("outputs", [])]
    assert list(zip(info["output_name"], info["output"]))[: len(outputs)] == outputs


@pytest.mark.parametrize("name", [*WORKFLOWS, "prompt.json", "rates_prompt.json"])
def test_comfyui_accepts_the_prompt(comfy, info, name):
    """As it was sent through the API, with the old set of inputs."""
    prompt = PROMPTS[name] if name in PROMPTS else before.read(name)
    assert not_offered(prompt, info) == []
    assert complaints(comfy, prompt) == []


@pytest.mark.parametrize("name", BLUEPRINTS)
def test_the_blueprint_has_its_values(info, name):
    [inside] = before.read(f"subgraphs/{name}.json")["definitions"]["subgraphs"]
    for node in inside["nodes"]:
        now, old = widget_values(node, info[node["type"]]), INSIDES[name][str(node["id"])]
        assert {key: value for key, value in now.items() if key in old} == old
        _same_sockets(node, info[node["type"]])


def test_a_wrong_value_would_be_seen(comfy, info):
    """The test's own sight: the complaints that it lets pass are those about files alone."""
    prompt = before.read("prompt.json")
    prompt["network"]["inputs"] |= {"algorithm": "lorra", "rank": 0}
    found = complaints(comfy, prompt)
    assert len(not_offered(prompt, info)) == 1
    assert found and all(complaint.startswith("network:") for complaint in found)
    del prompt["train"]["inputs"]["optimizer"]
    [other] = [complaint for complaint in complaints(comfy, prompt) if complaint not in found]
    assert other.startswith("train:") and "optimizer" in other
