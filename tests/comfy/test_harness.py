"""The harness tells success, failure, refusal and cancel apart, as ComfyUI's queue would."""

import pytest

from pack.tests.comfy.inprocess import NodeFailed, PromptInterrupted, PromptRefused


def sampling(name: str, steps: int = 2) -> dict:
    """Text to image with core nodes; the preview is node 7."""
    return {
        "1": {"class_type": "CheckpointLoaderSimple", "inputs": {"ckpt_name": name}},
        "2": {"class_type": "CLIPTextEncode", "inputs": {"clip": ["1", 1], "text": "a fox"}},
        "3": {"class_type": "CLIPTextEncode", "inputs": {"clip": ["1", 1], "text": ""}},
        "4": {"class_type": "EmptyLatentImage", "inputs": {"width": 64, "height": 64, "batch_size": 1}},
        "5": {
            "class_type": "KSampler",
            "inputs": {
                "model": ["1", 0],
                "positive": ["2", 0],
                "negative": ["3", 0],
                "latent_image": ["4", 0],
                "seed": 1,
                "steps": steps,
                "cfg": 5.0,
                "sampler_name": "euler",
                "scheduler": "normal",
                "denoise": 1.0,
            },
        },
        "6": {"class_type": "VAEDecode", "inputs": {"samples": ["5", 0], "vae": ["1", 2]}},
        "7": {"class_type": "PreviewImage", "inputs": {"images": ["6", 0]}},
    }


@pytest.mark.parametrize("kind", ["sd15", "sdxl-short", "flux-dev", "flux-schnell"])
def test_a_tiny_checkpoint_samples_an_image(run_prompt, checkpoint, kind):
    result = run_prompt(sampling(checkpoint(kind)))
    image = result.value("6")
    assert image.shape == (1, 64, 64, 3)
    assert image.isfinite().all()
    assert image.std() > 0.02
    assert result.outputs["7"]["images"][0]["type"] == "temp"
    assert [data["value"] for data in result.events_named("progress")] == [1, 2]


def test_a_failing_node_is_named(run_prompt, comfy):
    prompt = {
        "1": {"class_type": "EmptyImage", "inputs": {"width": 8, "height": 8, "batch_size": 1, "color": 0}},
        "2": {"class_type": "ImageBlur", "inputs": {"image": ["1", 0], "blur_radius": 31, "sigma": 1.0}},
        "3": {"class_type": "PreviewImage", "inputs": {"images": ["2", 0]}},
    }
    with pytest.raises(NodeFailed, match="ImageBlur") as failure:
        run_prompt(prompt)
    assert failure.value.node_id == "2"
    assert "Padding size" in failure.value.message


def test_a_bad_prompt_is_refused(run_prompt):
    prompt = {"1": {"class_type": "PreviewImage", "inputs": {}}}
    with pytest.raises(PromptRefused, match="images"):
        run_prompt(prompt)


def test_cancel_stops_at_the_step(run_prompt, comfy, sd15_checkpoint):
    def cancel_at_one(name, data):  # newer ComfyUI passes on only some steps, the first one always
        if name == "progress" and data["value"] == 1:
            comfy.interrupt()

    with pytest.raises(PromptInterrupted) as stopped:
        run_prompt(sampling(sd15_checkpoint, steps=5), on_event=cancel_at_one)
    steps = [data["value"] for name, data in stopped.value.events if name == "progress"]
    assert stopped.value.node_type == "KSampler"
    assert steps == [1]


def test_an_executor_caches_between_prompts(run_prompt, comfy, sd15_checkpoint):
    executor = comfy.new_executor()
    run_prompt(sampling(sd15_checkpoint), executor=executor)
    again = run_prompt(sampling(sd15_checkpoint, steps=1), executor=executor)
    assert "1" in again.events_named("execution_cached")[0]["nodes"]
