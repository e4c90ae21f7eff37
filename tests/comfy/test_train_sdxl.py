"""SDXL in a real ComfyUI: both text encoders with rates of their own, v-prediction, zero terminal SNR."""

import math

import pytest
import torch
from safetensors.torch import load_file

from pack.tests.comfy.graphs import node, place_pictures, sample_graph, train_graph
from pack.tests.comfy.inprocess import NodeFailed

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def folder(comfy) -> str:
    return place_pictures(comfy)


def steps_of(result) -> list[dict]:
    records = [record for data in result.events_named("lora_canvas.run") for record in data["records"]]
    return [record for record in records if record["event"] == "step"]


def test_both_text_encoders_with_their_own_rates_and_a_file_that_loads_whole(comfy, run_prompt, sdxl_checkpoint, folder):
    """The pictures of the MODEL output and of LoraLoader on the file are the same; without the LoRA it is another."""
    from pack.host.lora.patches import complaints

    graph = train_graph(sdxl_checkpoint, folder, run_name="sdxl", steps=3)
    graph["optimizer"]["inputs"] |= {"text_encoder_lr": 1e-3, "group_rules": "clip_g: lr=2e-3"}
    graph["save"] = node("LoRACanvasSaveLoRA", lora=["train", 2], filename="sdxl", dtype="fp32")
    trained = run_prompt({**graph, **sample_graph(["train", 0], ["train", 1], ["load", 2])})
    picture = trained.value("picture")
    assert steps_of(trained)[-1]["lr"] == {"diffusion_model": 1e-3, "clip_l": 1e-3, "clip_g": 2e-3}

    tensors = load_file(trained.value("save"))
    assert {"_".join(key.split("_")[:2]) for key in tensors} == {"lora_unet", "lora_te1", "lora_te2"}
    moved = {key for key, value in tensors.items() if key.endswith("lora_up.weight") and value.abs().max() > 0}
    assert {key[:8] for key in moved} == {"lora_une", "lora_te1", "lora_te2"}

    loader = {"load": node("CheckpointLoaderSimple", ckpt_name=sdxl_checkpoint),
              "lora": node("LoraLoader", model=["load", 0], clip=["load", 1], lora_name="sdxl.safetensors", strength_model=1.0,
                           strength_clip=1.0)}
    with complaints() as unmapped:
        from_file = run_prompt({**loader, **sample_graph(["lora", 0], ["lora", 1], ["load", 2])}).value("picture")
    without = run_prompt({**loader, **sample_graph(["load", 0], ["load", 1], ["load", 2])}).value("picture")
    assert unmapped == []
    assert torch.equal(picture, from_file)
    assert not torch.equal(picture, without)


def v_prediction_graph(checkpoint, folder: str, *, zsnr: bool, **train) -> dict:
    """A v-prediction checkpoint behind ComfyUI's own node, and an objective that demands zero terminal SNR."""
    graph = train_graph(checkpoint("sdxl-short-vpred"), folder, **train)
    graph["sampling"] = node("ModelSamplingDiscrete", model=["load", 0], sampling="v_prediction", zsnr=zsnr)
    graph["objective"] = node("LoRACanvasTrainingObjective", loss="l2", timesteps="auto", weighting="auto", noise_offset=0.0,
                              zero_terminal_snr=True)
    graph["train"]["inputs"] |= {"model": ["sampling", 0], "objective": ["objective", 0]}
    return graph


def test_v_prediction_with_zero_terminal_snr(comfy, run_prompt, checkpoint, folder):
    """Its noisiest step has sigma 4519; only noisy steps are trained here. The trained model samples with the same zsnr."""
    graph = v_prediction_graph(checkpoint, folder, zsnr=True, run_name="zsnr", steps=3)
    graph["objective"]["inputs"] |= {"min_timestep": 999, "max_timestep": 1000}
    result = run_prompt({**graph, **sample_graph(["train", 0], ["train", 1], ["load", 2])})
    losses = [step["loss"] for step in steps_of(result)]
    assert len(losses) == 3 and all(math.isfinite(loss) for loss in losses)
    assert all(tensor.isfinite().all() for tensor in result.value("train", 2).values())
    assert any(tensor.abs().max() > 0 for key, tensor in result.value("train", 2).items() if key.endswith("lora_up.weight"))
    assert result.value("picture").isfinite().all()


def test_v_prediction_checkpoint_as_it_is(comfy, run_prompt, checkpoint, folder):
    result = run_prompt(train_graph(checkpoint("sdxl-short-vpred"), folder, run_name="vpred", steps=2))
    assert [math.isfinite(step["loss"]) for step in steps_of(result)] == [True, True]
    assert result.value("train", 2).metadata["modelspec.prediction_type"] == "v"


def test_zero_terminal_snr_is_refused_where_the_model_has_none(comfy, run_prompt, checkpoint, folder):
    with pytest.raises(NodeFailed, match="ModelSamplingDiscrete node with zsnr"):
        run_prompt(v_prediction_graph(checkpoint, folder, zsnr=False, run_name="no_zsnr", steps=1))
