"""Somebody has ComfyUI unload every model in the middle of a run, with a LoRA applied upstream: the run loads again and goes on."""

import threading

import pytest
import torch
from safetensors.torch import save_file

from pack.tests.comfy.graphs import node, place_pictures, train_graph
from pack.tests.comfy.parts import load, network_for
from pack.tests.comfy.test_quantised import Step
from pack.training.network.files import to_tensors

LORA = "upstream.safetensors"


@pytest.fixture(scope="module")
def upstream(comfy, sd15_checkpoint):
    """(MODEL, CLIP, tensors of a LoRA that changes both): its file lies among the loras."""
    from pack.host.session import Session

    loaded = load(comfy, sd15_checkpoint)
    tensors = to_tensors(network_for(Session(loaded.model, clip=loaded.clip).parts()))
    save_file(tensors, comfy.base / "models" / "loras" / LORA)
    return loaded.model, loaded.clip, tensors


def graph_of(comfy, checkpoint: str, name: str) -> dict:
    """Three steps of UNet and text encoder on top of a LoRA, with previews between them."""
    graph = train_graph(checkpoint, place_pictures(comfy), run_name=name, steps=3, gradient_checkpointing=True)
    graph["optimizer"]["inputs"]["text_encoder_lr"] = 1e-3
    graph["lora"] = node("LoraLoader", model=["load", 0], clip=["load", 1], lora_name=LORA, strength_model=1.0, strength_clip=1.0)
    graph["preview"] = node("LoRACanvasSamplePreview", prompts="lcfox", negative="", sampler_name="euler", scheduler="normal",
                            sampling_steps=2, cfg=4.0, width=64, height=64, seed=1, every_n_steps=2, at_start=False, at_end=False)
    graph["train"]["inputs"] |= {"model": ["lora", 0], "clip": ["lora", 1], "preview": ["preview", 0]}
    return graph


def unload_all(comfy) -> None:
    """As a manager does, from the server's thread."""
    manager = threading.Thread(target=comfy.model_management.unload_all_models)
    manager.start()
    manager.join()


def records(result) -> list[dict]:
    return [record for data in result.events_named("lora_canvas.run") for record in data["records"]]


def test_the_run_goes_on_to_the_same_lora(comfy, sd15_checkpoint, upstream, monkeypatch):
    """Between two steps, in a forward, before a backward, and before what happens between steps: weights and pictures are those
    of a run that was left alone, bit by bit."""
    from pack.training.run import loop, updater

    alone = comfy.run(graph_of(comfy, sd15_checkpoint, "left alone"))
    called: dict[str, int] = {}

    def unloading(owner, name: str, at: int) -> None:
        plain = getattr(owner, name)

        def run(*args, **kwargs):
            called[name] = called.get(name, 0) + 1
            if called[name] == at:
                unload_all(comfy)
            return plain(*args, **kwargs)

        monkeypatch.setattr(owner, name, run)

    unloading(updater.Updater, "set_rates", 1)
    unloading(comfy.module("comfy.ldm.modules.attention").BasicTransformerBlock, "forward", 7)
    unloading(updater.Updater, "backward", 4)
    unloading(loop, "_between_steps", 3)
    disturbed = comfy.run(graph_of(comfy, sd15_checkpoint, "disturbed"))
    assert len([record for record in records(disturbed) if record.get("topic") == "unloaded"]) == 4
    before, after = alone.value("train", 2), disturbed.value("train", 2)
    assert before.keys() == after.keys() and [name for name in before if not torch.equal(before[name], after[name])] == []
    assert torch.equal(alone.value("train", 5), disturbed.value("train", 5))


def test_nothing_of_the_upstream_lora_stays_in_the_weights(comfy, upstream):
    """Unloaded in the last step, after which nothing loads the model again."""
    from pack.host.session import Session

    model, clip, tensors = upstream
    comfy.model_management.unload_all_models()
    plain = {name: tensor.clone() for name, tensor in model.model.state_dict().items()}
    patched, patched_clip = comfy.module("comfy.sd").load_lora_for_models(model, clip, tensors, 1.0, 1.0)
    with torch.inference_mode(), Session(patched, clip=patched_clip).training():
        changed = [name for name, tensor in model.model.state_dict().items() if not torch.equal(tensor, plain[name])]
        unload_all(comfy)
    assert changed
    assert [name for name, tensor in model.model.state_dict().items() if not torch.equal(tensor, plain[name])] == []


def test_weights_that_were_moved_outside_of_inference_mode_are_trained_as_before(comfy, sd15_checkpoint):
    """The server unloads models for 'Unload Models' outside of the mode that loaded them: what comes back then gives no view of itself."""
    from pack.host.model import fingerprint

    def identities(loaded) -> list[str]:
        return [fingerprint.of_patcher(patcher) for patcher in (loaded.model, loaded.clip.patcher, loaded.vae.patcher)]

    untouched, moved = load(comfy, sd15_checkpoint), load(comfy, sd15_checkpoint)
    for module in (moved.model.model, moved.clip.cond_stage_model, moved.vae.first_stage_model):
        weights = [*module.parameters(), *module.buffers()]
        kept = [weight.dtype for weight in weights]
        for weight, dtype in zip(weights, kept, strict=True):
            weight.data = weight.data.to(torch.float64).to(dtype) if dtype.is_floating_point else weight.data.clone()
    with pytest.raises(RuntimeError, match="version counter"):
        next(moved.model.model.parameters()).view(-1)
    with torch.inference_mode():
        assert identities(moved) == identities(untouched)
    expected, found = Step(untouched, "fp32").gradient(), Step(moved, "fp32").gradient()
    assert torch.equal(found, expected)
