"""GGUF bases: the layer unpacks its weight again in backward, and the graph trains on them like on any other."""

import torch
from safetensors.torch import load_file

from pack.demo.tiny.checkpoints import SD15_ONE_LEVEL, SEED
from pack.demo.tiny.unet import unet_weights
from pack.tests.comfy import gguf
from pack.tests.comfy.graphs import node, place_pictures, train_graph
from pack.tests.comfy.parts import Loaded
from pack.tests.comfy.test_quantised import Step, cosine, is_quantised, sampled


def model(comfy, packed: bool = True):
    """Packed, or the same numbers unpacked."""
    weights = unet_weights(SD15_ONE_LEVEL, SEED)
    if packed:
        return gguf.load(comfy, weights, is_quantised)
    chosen = {key for key, weight in weights.items() if weight.ndim == 2 and is_quantised(key)}
    plain = weights | {key: gguf.unpack(gguf.pack(weights[key]), torch.float32) for key in chosen}
    return gguf.load(comfy, plain, lambda key: False)


def test_gradients_are_those_of_the_unpacked_model(comfy):
    expected = Step(Loaded(model(comfy, packed=False), None, None), "fp32").gradient()
    step = Step(Loaded(model(comfy), None, None), "fp32")
    assert cosine(step.gradient(), expected) > 0.99999
    assert cosine(step.gradient(checkpointing=True), expected) > 0.99999


def test_identity_follows_packed_weights_and_loras(comfy):
    from pack.host.model import fingerprint

    base = model(comfy)
    identity = fingerprint.of_patcher(base)
    key = next(key for key, weight in base.model.named_parameters() if isinstance(weight, gguf.GGMLTensor))
    changed = base.clone()
    changed.add_patches({key: ("diff", (torch.ones(320, 320),))}, 0.5)
    assert fingerprint.of_patcher(model(comfy)) == identity
    assert fingerprint.of_patcher(changed) != identity


def test_trained_saved_and_applied(comfy, run_prompt, sd15_checkpoint, monkeypatch):
    """UNETLoader stands in for the pack's own loader node."""
    monkeypatch.setattr(comfy.module("comfy.sd"), "load_diffusion_model", lambda path, model_options: model(comfy))
    folder = comfy.base / "models" / "diffusion_models"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "packed.safetensors").touch()
    unet = node("UNETLoader", unet_name="packed.safetensors", weight_dtype="default")
    graph = train_graph(sd15_checkpoint, place_pictures(comfy), run_name="gguf", steps=2) | {"unet": unet}
    graph["train"]["inputs"]["model"] = ["unet", 0]
    graph["save"] = node("LoRACanvasSaveLoRA", lora=["train", 2], filename="gguf", dtype="fp32")
    executor = comfy.new_executor()
    trained = run_prompt(graph | sampled(["train", 0]), executor=executor)
    tensors = load_file(trained.value("save"))
    assert sum(key.endswith("lora_up.weight") and bool(value.abs().max() > 0) for key, value in tensors.items()) == 3 * 12
    lora = node("LoraLoaderModelOnly", model=["unet", 0], lora_name="gguf.safetensors", strength_model=1.0)
    from_file = run_prompt({"load": graph["load"], "unet": unet, "lora": lora} | sampled(["lora", 0]), executor=executor)
    assert torch.equal(trained.value("sampled")["samples"], from_file.value("sampled")["samples"])
