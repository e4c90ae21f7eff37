"""FLUX in a real ComfyUI: CLIP-L trained, T5 when it is named, guidance, and schnell behind an assistant LoRA."""

import pytest
import torch
from safetensors.torch import load_file, save_file

from pack.tests.comfy.graphs import node, place_pictures, sample_graph, train_graph
from pack.tests.comfy.test_train_sdxl import steps_of

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def folder(comfy) -> str:
    return place_pictures(comfy)


def flux_graph(checkpoint: str, folder: str, **train) -> dict:
    graph = train_graph(checkpoint, folder, gradient_checkpointing=True, **train)
    graph["network"]["inputs"] |= {"rank": 2, "alpha": 2.0}
    return graph


def prefixes(tensors) -> set[str]:
    return {"_".join(key.split("_")[:2]) for key in tensors}


def test_clip_l_is_trained_and_the_file_makes_the_same_picture(comfy, run_prompt, flux_checkpoint, folder):
    """text_encoder_lr trains CLIP-L; T5 stays as it is, whatever the targets are."""
    from pack.host.lora.patches import complaints

    graph = flux_graph(flux_checkpoint, folder, run_name="flux", steps=2)
    graph["network"]["inputs"]["targets"] = "all linear"
    graph["optimizer"]["inputs"]["text_encoder_lr"] = 1e-3
    graph["save"] = node("LoRACanvasSaveLoRA", lora=["train", 2], filename="flux", dtype="fp32")
    trained = run_prompt({**graph, **sample_graph(["train", 0], ["train", 1], ["load", 2], steps=2)})
    tensors = load_file(trained.value("save"))
    assert prefixes(tensors) == {"lora_unet", "lora_te1"}
    # FLUX takes CLIP-L's pooled text only: what its last layer attends to from the end token.
    assert any(value.abs().max() > 0 for key, value in tensors.items() if key.startswith("lora_te1") and key.endswith("up.weight"))
    loader = {"load": node("CheckpointLoaderSimple", ckpt_name=flux_checkpoint),
              "lora": node("LoraLoader", model=["load", 0], clip=["load", 1], lora_name="flux.safetensors", strength_model=1.0,
                           strength_clip=1.0)}
    with complaints() as unmapped:
        from_file = run_prompt({**loader, **sample_graph(["lora", 0], ["lora", 1], ["load", 2], steps=2)}).value("picture")
    assert unmapped == []
    assert torch.equal(trained.value("picture"), from_file)


def test_t5_is_trained_when_include_names_it(comfy, run_prompt, flux_checkpoint, folder):
    """Attention of T5 only; every key is one that ComfyUI loads, or the run's own check of its file would fail."""
    graph = flux_graph(flux_checkpoint, folder, run_name="t5", steps=2)
    graph["network"]["inputs"] |= {"include": "/t5xxl.*SelfAttention/", "exclude": "double\nsingle"}
    graph["optimizer"]["inputs"]["text_encoder_lr"] = 1e-3
    result = run_prompt(graph)
    tensors = result.value("train", 2)
    t5 = [key for key in tensors if key.startswith("lora_te3_") and key.endswith("lora_up.weight")]
    assert prefixes(tensors) == {"lora_te1", "lora_te3"}
    assert len(t5) == 2 * 4 and all("SelfAttention" in key for key in t5)
    assert all(tensors[key].abs().max() > 0 for key in t5)


def test_guidance_is_1_unless_the_objective_says_otherwise(comfy, run_prompt, flux_checkpoint, folder):
    def loss(guidance: float | None) -> float:
        graph = flux_graph(flux_checkpoint, folder, run_name="guidance", steps=1)
        if guidance is not None:
            graph["objective"] = node("LoRACanvasTrainingObjective", loss="l2", timesteps="auto", weighting="auto", noise_offset=0.0,
                                      guidance=guidance)
            graph["train"]["inputs"]["objective"] = ["objective", 0]
        return steps_of(run_prompt(graph))[0]["loss"]

    plain = loss(None)
    assert loss(1.0) == plain
    assert loss(3.5) != plain


@pytest.fixture(scope="module")
def assistant(comfy) -> str:
    """A LoRA file for FLUX that changes the model visibly."""
    generator = torch.Generator().manual_seed(9)
    key = "lora_unet_double_blocks_0_img_mlp_0"
    tensors = {
        f"{key}.lora_down.weight": torch.randn(4, 3072, generator=generator) / 55,
        f"{key}.lora_up.weight": torch.randn(12288, 4, generator=generator) / 2, f"{key}.alpha": torch.tensor(4.0),
    }
    save_file(tensors, comfy.base / "models" / "loras" / "assistant.safetensors")
    return "assistant.safetensors"


def test_schnell_behind_an_assistant_lora(comfy, run_prompt, flux_schnell_checkpoint, folder, assistant):
    """What is applied upstream counts while training, is not in the file, and is still there afterwards."""
    executor = comfy.new_executor()

    def graph(with_assistant: bool) -> dict:
        made = flux_graph(flux_schnell_checkpoint, folder, run_name="schnell", steps=1)
        made["optimizer"]["inputs"]["learning_rate"] = 1e-6
        made["assistant"] = node("LoraLoaderModelOnly", model=["load", 0], lora_name=assistant, strength_model=1.0)
        if with_assistant:
            made["train"]["inputs"]["model"] = ["assistant", 0]
        return made

    base = graph(True)
    behind = sample_graph(["assistant", 0], ["load", 1], ["load", 2], steps=2)
    unseen = {name: base[name] for name in ("load", "assistant")}
    before = run_prompt({**unseen, **behind}, executor=executor).value("picture")
    plain = run_prompt(graph(False), executor=executor)
    trained = run_prompt({**base, **sample_graph(["train", 0], ["train", 1], ["load", 2], steps=2)}, executor=executor)
    assert steps_of(trained)[0]["loss"] != steps_of(plain)[0]["loss"]
    ups = {key: value for key, value in trained.value("train", 2).items() if key.endswith("lora_up.weight")}
    assert "lora_unet_double_blocks_0_img_mlp_0.lora_up.weight" in ups
    # One update at a rate of 1e-6 moves no value further than that; the assistant's are half a million times larger.
    assert 0 < max(value.abs().max() for value in ups.values()) <= 1.1e-6
    after = run_prompt({**unseen, **sample_graph(["assistant", 0], ["load", 1], ["load", 2], steps=2, seed=42)}).value("picture")
    without = run_prompt({**unseen, **sample_graph(["load", 0], ["load", 1], ["load", 2], steps=2)}).value("picture")
    assert torch.equal(before, after)
    assert (trained.value("picture") - before).abs().max() < 0.1 * (without - before).abs().max()
