"""The workflow that users open, run as they run it: over the server, on a folder of pictures, to a LoRA that loads."""

import pytest
import torch
from PIL import Image
from safetensors.torch import load_file

from pack.demo import foxes
from pack.demo.comfyui.workflow import find
from pack.demo.stage import PROMPTS, fit_to_world, load_workflow, place_checkpoint, place_pictures, prompt_of, results
from pack.demo.world import score

STEPS, SIDE = 4, 128  # SIDE: what the world's pictures have


@pytest.fixture(scope="module")
def finished(comfy_server):
    """The prompt, its events and its history, after a run of a few steps."""
    from pack.demo.comfyui.client import ComfyClient

    base, workflow = comfy_server.base, load_workflow()
    with ComfyClient(comfy_server.address) as client:
        info = client.get("/object_info")
        prompt = prompt_of(workflow, info, place_checkpoint(base, None), place_pictures(base))
        fit_to_world(prompt, STEPS)
        find(prompt, "LoRACanvasSamplePreview")["sampling_steps"] = find(prompt, "KSampler")["steps"] = 2
        prompt_id = client.queue(prompt, {"extra_pnginfo": {"workflow": workflow}})
        name, data = client.wait(prompt_id, timeout=300)
        assert name == "execution_success", data.get("exception_message")
        return prompt, list(client.events), client.history(prompt_id)


def test_every_result_is_there(comfy_server, finished):
    _, _, history = finished
    found = results(comfy_server.base, history["outputs"])
    assert set(found) == {"LoRA", "Loss plot", "Sample grid", "Pictures with the LoRA", "The whole run"}
    assert all(found.values()), found
    with Image.open(found["Loss plot"][0]) as plot:
        assert min(plot.size) > 100


def test_the_lora_was_trained(comfy_server, finished):
    _, _, history = finished
    weights = load_file(results(comfy_server.base, history["outputs"])["LoRA"][0])
    ups = [value for key, value in weights.items() if key.endswith("lora_up.weight")]
    assert ups and all(value.isfinite().all() for value in ups)
    assert torch.stack([value.abs().max() > 0 for value in ups]).all()


def test_the_saved_file_draws_at_both_strengths(client, comfy_server, finished, monkeypatch, tmp_path):
    """What the demo counts foxes in: the same noise at strength 0 and 1, and what comes out differs."""
    monkeypatch.setattr(foxes, "EACH", 1)
    monkeypatch.setattr(score, "STEPS", 2)
    prompt, _, history = finished
    lora = results(comfy_server.base, history["outputs"])["LoRA"][0]
    name = lora.relative_to(comfy_server.base / "models" / "loras").as_posix()
    foxes.draw(client, comfy_server.base, tmp_path, score.Source(find(prompt, "CheckpointLoaderSimple")["ckpt_name"], name))
    pictures = {path.name: path.read_bytes() for path in (tmp_path / foxes.FOLDER).iterdir()}
    assert sorted(pictures) == [f"strength_{strength}_{number:02}.png" for strength in (0, 1) for number in range(len(PROMPTS))]
    assert all(pictures[f"strength_0_{number:02}.png"] != pictures[f"strength_1_{number:02}.png"] for number in range(len(PROMPTS)))


def test_the_tab_saw_every_step(finished):
    _, events, _ = finished
    records = [record for name, data in events if name == "lora_canvas.run" for record in data["records"]]
    assert [record["step"] for record in records if record["event"] == "step"] == [1, 2, 3, 4]
    assert [record["reason"] for record in records if record["event"] == "ended"] == ["finished"]
    assert any("0 unmapped keys" in record["text"] for record in records if record["event"] == "message")


def test_the_saved_file_loads_in_the_same_canvas(client, comfy_server, finished):
    """LoraLoader on the file that Save LoRA wrote, with the sampler settings of the workflow."""
    prompt, _, history = finished
    path = results(comfy_server.base, history["outputs"])["LoRA"][0]
    name = path.relative_to(comfy_server.base / "models" / "loras").as_posix()
    checkpoint = find(prompt, "CheckpointLoaderSimple")["ckpt_name"]
    nodes = {
        "1": ("CheckpointLoaderSimple", {"ckpt_name": checkpoint}),
        "2": ("LoraLoader", {"model": ["1", 0], "clip": ["1", 1], "lora_name": name, "strength_model": 1.0, "strength_clip": 1.0}),
        "3": ("CLIPTextEncode", {"clip": ["2", 1], "text": "lcfox"}),
        "4": ("EmptyLatentImage", {"width": SIDE, "height": SIDE, "batch_size": 1}),
        "5": (
            "KSampler",
            {"model": ["2", 0], "positive": ["3", 0], "negative": ["3", 0], "latent_image": ["4", 0], "seed": 0, "steps": 2,
             "cfg": 1.0, "sampler_name": "euler", "scheduler": "normal", "denoise": 1.0},
        ),
        "6": ("VAEDecode", {"samples": ["5", 0], "vae": ["1", 2]}),
        "7": ("SaveImage", {"images": ["6", 0], "filename_prefix": "loaded"}),
    }  # fmt: skip
    prompt_id = client.queue({key: {"class_type": kind, "inputs": inputs} for key, (kind, inputs) in nodes.items()})
    name, data = client.wait(prompt_id, timeout=120)
    assert name == "execution_success", data
    assert "lora key not loaded" not in comfy_server.log.read_text(errors="replace")
