"""An assistant in a real ComfyUI: under the LoRA while it is trained, and nowhere else."""

import json
import shutil

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import save_file

from pack.tests.comfy.graphs import DEMO, node, sample_graph, train_graph
from pack.tests.comfy.inprocess import NodeFailed
from pack.tests.comfy.parts import condition, load, network_for, session_of
from pack.tests.comfy.test_oracle_sd15 import gradients, largest_relative, step
from pack.tests.comfy.test_start_from import BLOCK, SD15, applied, split_qkv
from pack.training.network.assistant import build_assistant
from pack.training.network.attach import attached

#: Of full size, so that the model with it is another one.
LOUD = {key: tensor if key.endswith("alpha") else 6 * tensor for key, tensor in SD15["kohya"].items()}


@pytest.fixture(scope="module")
def folder(comfy) -> str:
    """Two of the shipped pictures: a look of validation is ten passes."""
    folder = comfy.base / "input" / "two"
    folder.mkdir()
    for name in ("beach", "city"):
        for file in DEMO.glob(f"*/{name}.*"):
            shutil.copy(file, folder)
    return "two"


@pytest.fixture(scope="module")
def assistant(comfy) -> str:
    save_file(LOUD, comfy.base / "models" / "loras" / "de-turbo.safetensors")
    return "de-turbo.safetensors"


def records(result, event: str) -> list[dict]:
    found = [record for data in result.events_named("lora_canvas.run") for record in data["records"]]
    return [record for record in found if record["event"] == event]


def behind_a_loader(graph: dict, file: str, strength: float = 1.0) -> dict:
    loader = node("LoraLoaderModelOnly", model=["load", 0], lora_name=file, strength_model=strength)
    train = {**graph["train"], "inputs": {**graph["train"]["inputs"], "model": ["loader", 0]}}
    return {**graph, "loader": loader, "train": train}


@pytest.mark.parametrize("checkpointing", [False, True])
@pytest.mark.parametrize("strength", [1.0, -0.5])
def test_loss_and_gradients_are_those_of_the_model_with_it_applied(comfy, sd15_checkpoint, strength, checkpointing):
    from pack.host.lora.assistant import assistant_from, assistant_starts

    plain = load(comfy, sd15_checkpoint)
    model, clip = comfy.module("comfy.sd").load_lora_for_models(plain.model, plain.clip, dict(LOUD), strength, 0.0)
    x0 = torch.randn(2, 4, 16, 8, generator=torch.Generator().manual_seed(1))
    given = x0, [11, 12], [condition(seed=1), condition(seed=2)]
    theirs = session_of(type(plain)(model, clip, plain.vae))
    network = network_for(theirs.parts())
    expected, _ = step(theirs, network, *given)
    wanted = gradients(network)
    base, _ = step(session_of(plain), network, *given)

    session = session_of(plain)
    spec = assistant_from("none", LOUD, strength)
    network.assistant = build_assistant(spec, assistant_starts(spec, plain.model, session.parts()), session.parts())
    losses, _ = step(session, network, *given, checkpointing=checkpointing)
    torch.testing.assert_close(losses, expected, rtol=1e-5, atol=0)
    assert largest_relative(gradients(network), wanted) < 1e-4
    assert ((base - expected).abs() / expected).max() > 0.01
    with network.unassisted():
        torch.testing.assert_close(step(session, network, *given)[0], base, rtol=1e-6, atol=0)
    assert all(parameter.grad is None for _, parameter in network.assistant.named_parameters())


def test_through_the_graph(comfy, run_prompt, sd15_checkpoint, folder, assistant):
    """Step by step the losses are those behind a LoraLoader; previews, validation, outputs and file are without it."""
    given = {"run_name": "assisted", "steps": 4, "validate_every_n_steps": 4, "preview": ["preview", 0]}
    preview = node("LoRACanvasSamplePreview", prompts="lcfox", every_n_steps=0, sampler_name="euler", scheduler="normal",
                   sampling_steps=3, cfg=4.0, width=64, height=64, seed=42, negative="", at_start=False)
    plain = {**train_graph(sd15_checkpoint, folder, **given), "preview": preview}
    graph = train_graph(sd15_checkpoint, folder, assistant_name=assistant, **given)
    graph |= {"preview": preview, "save": node("LoRACanvasSaveLoRA", lora=["train", 2], filename="assisted", dtype="fp32")}
    trained = run_prompt({**graph, **sample_graph(["train", 0], ["train", 1], ["load", 2])})
    loaded = run_prompt(behind_a_loader(plain, assistant))
    without = run_prompt(plain)

    losses = [[record["loss"] for record in records(result, "step")] for result in (trained, loaded, without)]
    assert losses[0] == pytest.approx(losses[1], rel=1e-3)
    assert losses[0][0] == pytest.approx(losses[1][0], rel=1e-5)
    assert abs(losses[0][0] / losses[2][0] - 1) > 0.01
    torch.testing.assert_close(trained.value("train", 5), trained.value("picture"), rtol=0, atol=1e-3)
    assert (loaded.value("train", 5) - trained.value("train", 5)).abs().max() > 0.02
    (seen,), (bare,) = records(trained, "validated"), records(without, "validated")
    assert seen["loss"] / seen["relative"] == pytest.approx(bare["loss"] / bare["relative"], rel=1e-6)

    path = trained.value("save")
    with safe_open(path, framework="pt") as file:
        metadata, keys = file.metadata(), set(file.keys())
    assert keys == set(without.value("train", 2))
    assert metadata["lora_canvas_assistant"].startswith("de-turbo.safetensors (") and metadata["lora_canvas_assistant"].endswith(") at 1")
    loader = {"load": node("CheckpointLoaderSimple", ckpt_name=sd15_checkpoint),
              "lora": node("LoraLoader", model=["load", 0], clip=["load", 1], lora_name="assisted.safetensors", strength_model=1.0,
                           strength_clip=1.0)}
    from_file = run_prompt({**loader, **sample_graph(["lora", 0], ["lora", 1], ["load", 2])}).value("picture")
    assert torch.equal(trained.value("picture"), from_file)


def test_from_a_wire_and_another_one_is_noticed_when_resumed(comfy, run_prompt, sd15_checkpoint, folder, assistant):
    other = {key: 2 * tensor for key, tensor in LOUD.items()}
    save_file(other, comfy.base / "models" / "loras" / "other.safetensors")
    first = train_graph(sd15_checkpoint, folder, run_name="assists", steps=1)
    second = train_graph(sd15_checkpoint, folder, run_name="by wire", steps=1, assistant=["train", 2])["train"]
    result = run_prompt({**first, "second": second})
    run = comfy.base / "output" / "lora_canvas" / "by wire"
    told = json.loads((run / "run.json").read_text())["settings"]["run"]["assistant"]
    assert (told["name"], told["strength"]) == ("the connected LoRA", 1.0) and result.value("second", 6) == str(run)

    run_prompt(train_graph(sd15_checkpoint, folder, run_name="with", steps=1, assistant_name=assistant))
    for changed, message in (
        ({"assistant_name": "other.safetensors"}, "assistant.name was de-turbo.safetensors, is now other.safetensors"),
        ({"assistant_name": assistant, "assistant_strength": 0.5}, "assistant.strength was 1.0, is now 0.5"),
        ({}, "assistant was Assistant, is now not set"),
    ):
        with pytest.raises(NodeFailed, match=message):
            run_prompt(train_graph(sd15_checkpoint, folder, run_name="with", steps=2, resume="with", **changed))
    run_prompt(train_graph(sd15_checkpoint, folder, run_name="with", steps=2, resume="with", assistant_name=assistant))


@pytest.mark.parametrize(
    ("tensors", "message"),
    [
        (split_qkv("transformer."), "does not fit this model: 12 of its 12 keys belong to none of its modules"),
        ({**LOUD, "lora_te_text_model_encoder_layers_0_mlp_fc1.lora_up.weight": torch.zeros(3072, 2),
          "lora_te_text_model_encoder_layers_0_mlp_fc1.lora_down.weight": torch.zeros(2, 768)}, "2 of its 7 keys belong to none"),
        ({key: tensor[:, :100] if key.endswith("to_q.lora_down.weight") else tensor for key, tensor in LOUD.items()},
         "1 of its 2 modules do not, the first, 'output_blocks.0.1.transformer_blocks.0.attn1.to_q', is of another shape"),
        ({f"diffusion_model.{BLOCK}.attn1.to_v.diff": torch.zeros(320, 320)}, "cannot be laid under the LoRA at 1 of its 1 modules"),
        ({**LOUD, f"diffusion_model.{BLOCK}.norm1.diff": torch.zeros(320)}, "1 of its 3 modules do not, .* is no linear layer"),
        ({}, "is empty"),
    ],
    ids=["another model", "text encoder", "another shape", "whole weights", "norms", "empty"],
)
def test_one_that_does_not_fit_is_refused(comfy, sd15_checkpoint, tensors, message):
    from pack.host.lora.assistant import assistant_from, assistant_starts
    from pack.training.errors import SettingsError

    loaded = load(comfy, sd15_checkpoint)
    parts = session_of(loaded).parts()
    spec = assistant_from("none", tensors, 1.0)
    with pytest.raises(SettingsError, match=message):
        build_assistant(spec, assistant_starts(spec, loaded.model, parts), parts)


def test_fused_and_half_precision_as_the_file_has_it(comfy, flux_schnell_checkpoint):
    """diffusers' q, k and v on FLUX's one qkv, stored in bf16: kept so, and close to the model with the file applied."""
    from pack.host.lora.assistant import assistant_from, assistant_starts

    tensors = {key: tensor for key, tensor in split_qkv("transformer.").items() if ".single_" not in key}
    tensors = {key: tensor.bfloat16() if tensor.ndim else tensor for key, tensor in tensors.items()}
    plain = load(comfy, flux_schnell_checkpoint)
    session = session_of(plain)
    spec = assistant_from("none", tensors, 1.0)
    parts = session.parts()
    network = network_for(parts, random_up=False)
    network.assistant = build_assistant(spec, assistant_starts(spec, plain.model, parts), parts)
    assert {parameter.dtype for _, parameter in network.assistant.named_parameters()} == {torch.bfloat16}
    assert network.assistant_bytes() == 2 * sum(parameter.numel() for _, parameter in network.assistant.named_parameters())
    given = (torch.randn(1, 16, 8, 8, generator=torch.Generator().manual_seed(3)), torch.tensor([0.7]),
             [condition(width=64, tokens=16, pooled=768)])
    with session.training(), torch.no_grad(), attached(network, parts, checkpointing=False):
        ours = session.denoiser.denoise(*given)
        with network.unassisted():
            base = session.denoiser.denoise(*given)
    theirs = session_of(applied(comfy, plain, tensors))
    with theirs.training(), torch.no_grad():
        expected = theirs.denoiser.denoise(*given)
    assert (ours - expected).abs().max() < 0.02 * (expected - base).abs().max()
