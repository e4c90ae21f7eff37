"""The server comes up with the pack's folder linked in, runs prompts, reports progress and can be interrupted."""

import pytest

from pack.demo.comfyui.client import PromptRefused


def sampling(name: str, steps: int) -> dict:
    def node(kind, **inputs):
        return {"class_type": kind, "inputs": inputs}

    return {
        "1": node("CheckpointLoaderSimple", ckpt_name=name),
        "2": node("CLIPTextEncode", clip=["1", 1], text="a fox"),
        "4": node("EmptyLatentImage", width=64, height=64, batch_size=1),
        "5": node(
            "KSampler",
            model=["1", 0],
            positive=["2", 0],
            negative=["2", 0],
            latent_image=["4", 0],
            seed=1,
            steps=steps,
            cfg=1.0,
            sampler_name="euler",
            scheduler="normal",
            denoise=1.0,
        ),
        "6": node("VAEDecode", samples=["5", 0], vae=["1", 2]),
        "7": node("SaveImage", images=["6", 0], filename_prefix="harness"),
    }


def test_a_prompt_runs_and_leaves_its_file(client, comfy_server, server_checkpoint):
    prompt_id = client.queue(sampling(server_checkpoint("sd15"), steps=3))
    name, data = client.wait(prompt_id, timeout=120)
    assert name == "execution_success", data
    (image,) = client.history(prompt_id)["outputs"]["7"]["images"]
    assert (comfy_server.base / "output" / image["filename"]).stat().st_size > 0
    steps = [data["value"] for name, data in client.events if name == "progress"]
    assert steps in ([1, 2, 3], [1, 3])  # newer ComfyUI passes on only some of them


def test_interrupt_ends_the_prompt(client, server_checkpoint):
    prompt_id = client.queue(sampling(server_checkpoint("sd15"), steps=5000))
    client.wait_for(lambda name, data: name == "progress", timeout=120)
    client.interrupt()
    name, data = client.wait(prompt_id, timeout=60)
    assert name == "execution_interrupted"
    assert data["node_type"] == "KSampler"


def test_a_bad_prompt_is_refused(client):
    with pytest.raises(PromptRefused, match="no_such.safetensors"):
        client.queue(sampling("no_such.safetensors", steps=1))
