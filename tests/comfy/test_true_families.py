"""The training workflows of today's families, run as shipped: ComfyUI's own loaders find out by detection what the tiny files
under the true names are (tests/comfy/true_files says what is small in them)."""

import logging

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import save_file

from pack.tests.comfy.graphs import place_pictures
from pack.tests.comfy.object_info import object_info
from pack.tests.comfy.shipped_prompts import small, workflow
from pack.tests.comfy.true_files.loading import true_files
from pack.tests.comfy.true_files.sizes import NEEDS

#: Template -> what its LoRA says it is for. (Klein is told from FLUX.2 dev by its width, which is shrunk here.)
VERSIONS = {
    "Train Z-Image LoRA": "z_image", "Train Z-Image Turbo LoRA": "z_image", "Train FLUX.2 Klein LoRA": "flux_2_dev",
    "Train Qwen-Image LoRA": "qwen_image", "Train Krea 2 LoRA": "krea2", "Train Anima LoRA": "anima",
    "Train Wan 2.2 LoRA on pictures": "wan",
}

QUICK = {"run_name": "family", "every_n_steps": 2}
COMPLAINTS = ("missing", "unexpected", "not loaded")
TOKENIZER = "clip unexpected: ['spiece_model']"  # Wan's text encoder brings its tokenizer, which is no weight


@pytest.fixture(scope="module")
def info(comfy):
    place_pictures(comfy)
    return object_info(comfy)


@pytest.mark.slow
@pytest.mark.parametrize("name", VERSIONS)
def test_it_runs_as_shipped(comfy, run_prompt, info, name, caplog):
    _skip_where_it_is_not_known(comfy, name)
    files = {model["name"] for node in workflow(name)["nodes"] for model in node["properties"].get("models", [])}
    with true_files(comfy, lambda file: file in files), caplog.at_level(logging.DEBUG):
        _training_adapter(comfy, files)
        result = run_prompt(small(name, info, **QUICK))
    assert not [line for line in caplog.messages if any(word in line for word in COMPLAINTS) and line != TOKENIZER]
    assert any("images" in shown for shown in result.outputs.values())
    for path in _saved(result, name, info):
        with safe_open(path, "pt") as file:
            metadata = file.metadata()
            assert all(file.get_tensor(key).isfinite().all() for key in file.keys())
            assert all(key.startswith("diffusion_model.") for key in file.keys())
        assert metadata["ss_base_model_version"] == VERSIONS[name]


def _skip_where_it_is_not_known(comfy, name: str) -> None:
    module, needed = NEEDS.get(name, ("comfy.sd", "VAE"))
    if not hasattr(comfy.module(module), needed):
        pytest.skip(f"this ComfyUI has no {module}.{needed}")


def _training_adapter(comfy, files: set[str]) -> None:
    """A LoRA as others publish it, under diffusers' names."""
    for name in files:
        if "training_adapter" in name:
            keys = {"A": torch.full((2, 288), 0.01), "B": torch.full((288, 2), 0.01)}
            save_file({f"diffusion_model.layers.0.attention.to_q.lora_{side}.weight": value for side, value in keys.items()},
                      comfy.base / "models" / "loras" / name)


def _saved(result, name: str, info) -> list[str]:
    numbers = [number for number, node in small(name, info).items() if node["class_type"] == "LoRACanvasSaveLoRA"]
    assert numbers
    return [result.value(number) for number in numbers]
