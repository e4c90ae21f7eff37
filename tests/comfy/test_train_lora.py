"""Train LoRA in a real ComfyUI: the graph that users run, what it gives, and that the model is as it was."""

import json

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file

from pack.tests.comfy.graphs import node, place_pictures, sample_graph, train_graph
from pack.tests.comfy.inprocess import NodeFailed, PromptInterrupted
from pack.tests.comfy.test_borrow import snapshot


@pytest.fixture(scope="module")
def folder(comfy) -> str:
    return place_pictures(comfy)


def records(result) -> list[dict]:
    return [record for data in result.events_named("lora_canvas.run") for record in data["records"]]


def test_the_lora_is_the_same_in_the_graph_and_from_the_file(comfy, run_prompt, sd15_checkpoint, folder):
    """MODEL and CLIP of Train LoRA, and LoraLoader on what Save LoRA wrote, give the same picture; without: another."""
    preview = node("LoRACanvasSamplePreview", prompts="lcfox", every_n_steps=0, sampler_name="euler", scheduler="normal",
                   sampling_steps=3, cfg=4.0, width=64, height=64, seed=42, negative="", at_start=False)
    graph = train_graph(sd15_checkpoint, folder, run_name="same", steps=20, preview=["preview", 0])
    graph |= {"preview": preview, "save": node("LoRACanvasSaveLoRA", lora=["train", 2], filename="same", dtype="fp32")}
    trained = run_prompt({**graph, **sample_graph(["train", 0], ["train", 1], ["load", 2])})
    picture, previewed = trained.value("picture"), trained.value("train", 5)
    path = trained.value("save")

    loader = {"load": node("CheckpointLoaderSimple", ckpt_name=sd15_checkpoint),
              "lora": node("LoraLoader", model=["load", 0], clip=["load", 1], lora_name="same.safetensors", strength_model=1.0,
                           strength_clip=1.0)}
    from_file = run_prompt({**loader, **sample_graph(["lora", 0], ["lora", 1], ["load", 2])}).value("picture")
    without = run_prompt({**loader, **sample_graph(["load", 0], ["load", 1], ["load", 2])}).value("picture")
    assert path.endswith("same.safetensors")
    assert torch.equal(picture, from_file)
    torch.testing.assert_close(previewed, picture, rtol=0, atol=1e-3)
    assert (picture - without).abs().max() > 10 * (previewed - picture).abs().max()


def test_ksampler_on_the_same_model_gives_the_same_picture_afterwards(comfy, run_prompt, sd15_checkpoint, folder):
    """In one graph, before and after training, with a Cancel and a failure in between; every weight, forward, hook and
    flag of the model is what it was."""
    executor = comfy.new_executor()
    graph = {"load": node("CheckpointLoaderSimple", ckpt_name=sd15_checkpoint)}
    sampling = sample_graph(["load", 0], ["load", 1], ["load", 2])
    first = run_prompt({**graph, **sampling}, executor=executor)
    before, model = first.value("picture"), first.value("load").model
    untouched = snapshot(model)
    train = train_graph(sd15_checkpoint, folder, run_name="unchanged")
    run_prompt(train, executor=executor)

    def cancel(name, data):
        if name == "lora_canvas.run":
            comfy.interrupt()

    with pytest.raises(PromptInterrupted):
        train["train"]["inputs"] |= {"steps": 500, "seed": 1}
        run_prompt(train, executor=executor, on_event=cancel)
    with pytest.raises(NodeFailed):
        train["train"]["inputs"] |= {"steps": 5, "resume": "no such run"}
        run_prompt(train, executor=executor)
    assert snapshot(model) == untouched
    sampling["sampled"]["inputs"]["seed"] = 43
    run_prompt({**graph, **sampling}, executor=executor)
    sampling["sampled"]["inputs"]["seed"] = 42
    assert torch.equal(run_prompt({**graph, **sampling}, executor=executor).value("picture"), before)


def test_the_same_seed_twice_gives_the_same_bytes(comfy, run_prompt, sd15_checkpoint, folder):
    """The name is part of the file, so the second run is the first one's, moved away and made anew."""
    files = []
    for _ in range(2):
        result = run_prompt(train_graph(sd15_checkpoint, folder, run_name="same seed", steps=2))
        run = comfy.base / "output" / "lora_canvas" / "same seed"
        files.append((run / "same seed.safetensors").read_bytes())
        run.rename(run.with_name(f"same seed moved {len(files)}"))
        assert result.value("train", 6) == str(run)
    assert files[0] == files[1]


def test_every_key_loads_and_the_metadata_is_there(comfy, run_prompt, sd15_checkpoint, folder):
    graph = train_graph(sd15_checkpoint, folder, run_name="keys", steps=2)
    graph["optimizer"]["inputs"]["text_encoder_lr"] = 1e-4
    graph["save"] = node("LoRACanvasSaveLoRA", lora=["train", 2], filename="people/keys", dtype="fp16", trigger_words="lcfox")
    path = run_prompt(graph).value("save")
    tensors = load_file(path)
    assert {key.split("_")[1] for key in tensors} == {"unet", "te"}
    assert all(tensor.dtype is torch.float16 for tensor in tensors.values())
    with safe_open(path, framework="pt") as file:
        metadata = file.metadata()
    assert metadata["ss_base_model_version"] == "sd_v1" and metadata["modelspec.trigger_phrase"] == "lcfox"
    assert json.loads(metadata["ss_tag_frequency"])["5_lcfox character"]["lcfox"] == 12


def test_text_encoder_learns_too(comfy, run_prompt, sd15_checkpoint, folder):
    graph = train_graph(sd15_checkpoint, folder, run_name="text", steps=3)
    graph["optimizer"]["inputs"]["text_encoder_lr"] = 1e-3
    lora = run_prompt(graph).value("train", 2)
    ups = {key: value for key, value in lora.items() if key.endswith("lora_up.weight")}
    assert any(key.startswith("lora_te_") for key in ups)
    # Layers whose output no caption of this length reaches do not exist: everything moves.
    assert all(value.abs().max() > 0 for value in ups.values())


def test_cancel_stops_within_a_micro_step_and_saves(comfy, run_prompt, sd15_checkpoint, folder, monkeypatch):
    """Pressed in the 3rd of the 12 micro-batches of the 2nd update: the 4th is never begun, and the 1st update is kept."""
    from pack.host.model.denoiser import ComfyDenoiser

    passes, estimate = [], ComfyDenoiser.estimate

    def counted(self, *given):
        passes.append(1)
        denoised = estimate(self, *given)
        if len(passes) == 12 + 3:
            comfy.interrupt()
        return denoised

    monkeypatch.setattr(ComfyDenoiser, "estimate", counted)
    with pytest.raises(PromptInterrupted) as caught:
        run_prompt(train_graph(sd15_checkpoint, folder, run_name="cancelled", steps=1000, gradient_accumulation=12))
    ended = [r for name, data in caught.value.events if name == "lora_canvas.run" for r in data["records"] if r["event"] == "ended"]
    run = comfy.base / "output" / "lora_canvas" / "cancelled"
    assert (len(passes), ended[0]["reason"], ended[0]["step"]) == (15, "cancelled", 1)
    assert load_file(run / "cancelled.safetensors")
    assert (run / "state" / "training.state").is_file()
    folder_paths = comfy.module("folder_paths")
    folder_paths.filename_list_cache.clear()
    listed = folder_paths.get_filename_list("loras")
    assert [name for name in listed if name.startswith("cancelled/")] == ["cancelled/cancelled.safetensors"]
    assert json.loads((run / "run.json").read_text())["status"] == "cancelled"


def test_resume_goes_on_where_it_was_cancelled(comfy, run_prompt, sd15_checkpoint, folder):
    def cancel(name, data):
        if name == "lora_canvas.run" and any(record["event"] == "step" for record in data["records"]):
            comfy.interrupt()

    whole = run_prompt(train_graph(sd15_checkpoint, folder, run_name="whole", steps=40))
    with pytest.raises(PromptInterrupted):
        run_prompt(train_graph(sd15_checkpoint, folder, run_name="part", steps=40), on_event=cancel)
    part = run_prompt(train_graph(sd15_checkpoint, folder, run_name="ignored", steps=40, resume="latest"))
    assert part.value("train", 6).endswith("part")
    a, b = whole.value("train", 2), part.value("train", 2)
    assert a.keys() == b.keys() and all(torch.equal(a[key], b[key]) for key in a)


def test_a_name_that_exists_gets_a_counter(comfy, run_prompt, sd15_checkpoint, folder):
    paths = []
    for seed in (1, 2):
        graph = train_graph(sd15_checkpoint, folder, run_name="counted", steps=1, seed=seed)
        graph["save"] = node("LoRACanvasSaveLoRA", lora=["train", 2], filename="counted", dtype="fp16")
        result = run_prompt(graph)
        paths.append((result.value("train", 6), result.value("save")))
    assert [entry[0].rsplit("/", 1)[1] for entry in paths] == ["counted", "counted_2"]
    assert [entry[1].rsplit("/", 1)[1] for entry in paths] == ["counted.safetensors", "counted_2.safetensors"]


def test_checkpoints_can_be_loaded_while_the_run_goes_on(comfy, run_prompt, sd15_checkpoint, folder):
    loaded = []

    def look(name, data):
        if name == "lora_canvas.run" and not loaded and any(r["event"] == "saved" and r["kind"] == "checkpoint" for r in data["records"]):
            (listed,) = [one for one in comfy.folder_paths.get_filename_list("loras") if one.endswith("going-000002.safetensors")]
            loaded.append(load_file(comfy.folder_paths.get_full_path_or_raise("loras", listed)))

    whole = run_prompt(train_graph(sd15_checkpoint, folder, run_name="going", steps=30, save_every_n_steps=2), on_event=look)
    assert loaded[0].keys() == whole.value("train", 2).keys()
