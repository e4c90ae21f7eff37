"""The offline converter agrees with ComfyUI: templates that ComfyUI ships become prompts that its server accepts."""

import importlib.util
import json
from importlib import resources

import pytest

from pack.demo.comfyui.client import ComfyClient, PromptRefused
from pack.demo.comfyui.workflow import find, to_api

PACKAGES = ("comfyui_workflow_templates_media_other", "comfyui_workflow_templates_media_image", "comfyui_workflow_templates_json")
#: Those of 2025; and those that ComfyUI of 2026 has without subgraphs, which only the canvas can unpack.
OLDER = ("default", "lora", "image2image", "lora_multiple", "inpaint_example", "hiresfix_latent_workflow")
NEWER = ("sd3.5_simple_example", "flux_schnell", "flux_schnell_full_text_to_image", "text_to_video_wan", "hidream_i1_dev")


def template(name: str) -> dict | None:
    for package in filter(importlib.util.find_spec, PACKAGES):
        path = resources.files(package) / "templates" / f"{name}.json"
        if path.is_file():
            return json.loads(path.read_text(encoding="utf-8"))
    return None


TEMPLATES = [name for name in (*OLDER, *NEWER) if template(name)]


@pytest.fixture(scope="module")
def object_info(comfy_server):
    return ComfyClient(comfy_server.address).get("/object_info")


@pytest.mark.parametrize("name", TEMPLATES)
def test_the_server_misses_only_the_files(client, object_info, name):
    """Every complaint is about a file that is not there; none about a value, a type or a connection."""
    with pytest.raises(PromptRefused) as refused:
        client.queue(to_api(template(name), object_info))
    complaints = str(refused.value).splitlines()[1:]
    complaints = [line for line in complaints if line.startswith("node ")]
    assert complaints
    for line in complaints:
        assert "Value not in list" in line or "Invalid image file" in line, line


def test_there_are_templates_to_try():
    assert len(TEMPLATES) >= 2


@pytest.mark.skipif("default" not in TEMPLATES, reason="the templates of this ComfyUI have no default graph")
def test_the_default_template_runs(client, object_info, server_checkpoint):
    prompt = to_api(template("default"), object_info)
    find(prompt, "CheckpointLoaderSimple")["ckpt_name"] = server_checkpoint("sd15")
    find(prompt, "EmptyLatentImage").update(width=64, height=64)
    sampler = find(prompt, "KSampler")
    assert {"steps", "cfg", "sampler_name", "scheduler", "denoise", "seed"} <= set(sampler)
    sampler["steps"] = 2
    name, data = client.wait(client.queue(prompt), timeout=120)
    assert name == "execution_success", data
