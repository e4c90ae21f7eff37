"""A run that was paused in ComfyUI before the code was cut into rooms: it goes on by its name, the panel lists it, and its LoRA loads.

The tiny checkpoint is drawn from a seed, but not to the bit on every machine (one tensor of it is rounded by how many threads
there are). Where it is the very file that the old run was trained on, the old state and cache must serve it as they are; elsewhere
its state is first told the name of the base model that is there.
"""

import json
import shutil

import pytest

from pack.tests.comfy.graphs import node
from pack.tests.comfy.parts import load
from pack.tests.comfy.test_routes import ask  # noqa: F401  a fixture
from pack.tests.fixtures import comfy_runs as before
from pack.tests.fixtures.files import assert_close, same, tensors, told
from pack.tests.fixtures.moved import VERSION


@pytest.fixture
def run(comfy):
    return before.place(comfy)


@pytest.fixture(scope="module")
def is_the_same_model(comfy, sd15_checkpoint) -> bool:
    facts = {"checkpoint": before.sha256(comfy.base / "models" / "checkpoints" / sd15_checkpoint),
             "comfyui": comfy.module("comfyui_version").__version__}
    return facts == before.read("facts.json")


@pytest.fixture
def whole(comfy, run_prompt, sd15_checkpoint, run):
    """The folder of the same run, trained whole by the present code; its name is part of its file."""
    run.rename(run.with_name("put aside"))
    run_prompt(before.prompt("prompt.json", sd15_checkpoint, save_every_n_steps=before.CUT, keep_last=0))
    run.rename(run.with_name("before, whole"))
    run.with_name("put aside").rename(run)
    yield run.with_name("before, whole")
    shutil.rmtree(run.with_name("before, whole"))


def test_it_goes_on_by_its_name(comfy, run_prompt, sd15_checkpoint, is_the_same_model, run, whole):
    state = run / "state" / "state.safetensors"
    base_model = before.state_facts(whole / "state" / "training.state")["identity"]["base model"]
    if not is_the_same_model:
        before.rename_base_model(state, base_model)
    assert before.state_facts(state)["identity"]["base model"] == base_model
    resumed = run_prompt(before.prompt("prompt.json", sd15_checkpoint, run_name="ignored", resume=before.NAME))
    assert resumed.value("train", 6) == str(run)
    path, stored = run / f"{before.NAME}.safetensors", before.FOLDER / "finished.safetensors"
    assert_close(tensors(path), tensors(stored), rtol=1e-3, atol=1e-5)
    told_of_the_model = set() if is_the_same_model else {"ss_sd_model_hash", "ss_new_sd_model_hash", "ss_vae_hash", "ss_new_vae_hash"}
    one, other = told(path, VERSION), told(stored)
    assert one.keys() == other.keys()
    assert {key: value for key, value in one.items() if other[key] != value and key not in told_of_the_model} == {}
    if same(tensors(whole / "checkpoints" / f"{before.NAME}-{before.CUT:06d}.safetensors"),
            tensors(before.FOLDER / "run" / f"{before.NAME}.safetensors")):
        assert path.read_bytes() == (whole / f"{before.NAME}.safetensors").read_bytes()
    about = json.loads((run / "run.json").read_text(encoding="utf-8"))
    assert (about["status"], about["step"], about["created"]) == ("finished", before.STEPS, before.read("run/run.json")["created"])
    # keep_last is 1: the old code's checkpoint has made room.
    assert [one.name for one in (run / "checkpoints").iterdir()] == [f"{before.NAME}-{before.STEPS:06d}.safetensors"]


def test_the_cache_serves_it(comfy, run_prompt, sd15_checkpoint, is_the_same_model, run, monkeypatch):
    """From the folder where it lies: the VAE is not asked, and no entry is added. (The CLIP is: its width is checked.)"""
    if not is_the_same_model:
        pytest.skip("this machine draws another tiny checkpoint than the one whose VAE and CLIP filled the cache, or has another ComfyUI")
    before.forget_cache(comfy)
    before.place(comfy)
    entries, asked = before.entries(comfy), []
    vae = comfy.module("comfy.sd").VAE
    encode = vae.encode
    monkeypatch.setattr(vae, "encode", lambda *given: asked.append(given) or encode(*given))
    run_prompt(before.prompt("prompt.json", sd15_checkpoint, resume=before.NAME))
    assert asked == []
    assert before.entries(comfy) == entries


def test_the_panel_lists_it_and_reads_its_log(comfy, run, ask):  # noqa: F811
    listed = {entry["name"]: entry for entry in ask("GET", "/lora_canvas/runs").json["runs"]}[before.NAME]
    stored = before.read("run/run.json")
    assert (listed["status"], listed["step"], listed["total_steps"], listed["summary"]) == (
        "paused", before.CUT, before.STEPS, stored["summary"]
    )
    assert ask("GET", f"/lora_canvas/runs/{before.NAME}").json["settings"] == stored["settings"]
    lines = [json.loads(line) for line in (before.FOLDER / "run" / "log.jsonl").read_text(encoding="utf-8").splitlines()]
    steps = [line for line in lines if line["event"] == "step"]
    assert len(steps) == before.CUT
    # What is no step comes first, then the steps.
    assert ask("GET", f"/lora_canvas/runs/{before.NAME}/log").json["records"] == [*(line for line in lines if line not in steps), *steps]
    assert ask("GET", f"/lora_canvas/runs/{before.NAME}/graph").json == before.read("run/graph.json")
    assert ask("GET", f"/lora_canvas/runs/{before.NAME}/files/loss.png").status == 200


def test_lora_loader_takes_every_key(comfy, sd15_checkpoint, run, caplog):
    loaded = load(comfy, sd15_checkpoint)
    patched, _ = comfy.nodes.LoraLoader().load_lora(loaded.model, loaded.clip, f"{before.NAME}/{before.NAME}.safetensors", 1.0, 1.0)
    assert "lora key not loaded" not in caplog.text
    assert len(patched.patches) == 3


def test_training_goes_on_from_its_lora(comfy, run_prompt, sd15_checkpoint, run):
    """Start From LoRA on the old file: the layers, ranks and alphas are its own, the values nearly."""
    old = tensors(run / f"{before.NAME}.safetensors")
    graph = before.prompt("prompt.json", sd15_checkpoint, run_name="goes on from before", steps=1)
    graph["start"] = node("LoRACanvasStartFromLoRA", network=["network", 0], lora_name=f"{before.NAME}/{before.NAME}.safetensors")
    graph["train"]["inputs"]["network"] = ["start", 0]
    lora = run_prompt(graph).value("train", 2)
    assert not same(lora, old)
    assert_close(lora, old, rtol=0, atol=2e-3)


def test_an_old_prompt_trains_the_same_layers_at_the_same_rates(comfy, run_prompt, sd15_checkpoint, run):
    """group_rules on Optimizer, lists and rules on Block Weights."""
    answer = before.read("rates_answer.json")
    with before.rates() as found:
        lora = run_prompt(before.prompt("rates_prompt.json", sd15_checkpoint)).value("train", 2)
    trained = {name.rsplit(".", 1)[0] for group in answer["rates"] for name in group["parameters"]}
    # What has no rate is left out of the file.
    assert before.layers(lora) == {name: size for name, size in answer["layers"].items() if name in trained}
    assert _by_parameter(found) == _by_parameter(answer["rates"])


def _by_parameter(groups: list[dict]) -> dict[str, list[str]]:
    """Rates to nine digits and weight decay, however the parameters are gathered into groups."""
    return {name: [f"{number:.9g}" for number in (*group["lr"], group["weight_decay"])] for group in groups for name in group["parameters"]}
