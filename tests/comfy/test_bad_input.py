"""What cannot work is said before any work starts, all of it at once; the rest can be used when the user says so."""

import shutil

import pytest

from pack.tests.comfy.graphs import DEMO, node, train_graph
from pack.tests.comfy.inprocess import NodeFailed, PromptRefused


@pytest.fixture
def folder(comfy, request):
    """A copy of three of the shipped pictures, to spoil."""
    name = f"bad {request.node.name}"[:60]
    target = comfy.base / "input" / name
    target.mkdir()
    for picture in sorted(DEMO.rglob("*.png"))[:3] or sorted(DEMO.rglob("*.jpg"))[:3]:
        for suffix in (picture.suffix, ".txt"):
            shutil.copy(picture.with_suffix(suffix), target)
    return target


def failure(run_prompt, graph) -> str:
    """What is said, before the prompt is queued or when the node runs."""
    with pytest.raises((NodeFailed, PromptRefused)) as caught:
        run_prompt(graph)
    return str(caught.value)


def runs(comfy) -> set:
    root = comfy.base / "output" / "lora_canvas"
    return set(root.iterdir()) if root.is_dir() else set()


def test_a_missing_folder(comfy, run_prompt, sd15_checkpoint):
    text = failure(run_prompt, train_graph(sd15_checkpoint, "no such folder"))
    assert "(LoRACanvasLoadDataset): " in text and "folder 'no such folder' is not a folder below 'input'" in text


def test_an_empty_folder(comfy, run_prompt, sd15_checkpoint):
    (comfy.base / "input" / "empty").mkdir()
    assert "no usable picture in 'empty'" in failure(run_prompt, train_graph(sd15_checkpoint, "empty"))


def test_broken_pictures_and_a_missing_caption_are_named_together(comfy, run_prompt, sd15_checkpoint, folder):
    first, second, third = sorted(path for path in folder.iterdir() if path.suffix != ".txt")
    first.write_bytes(first.read_bytes()[:500])
    second.write_bytes(b"this is no picture")
    third.with_suffix(".txt").unlink()
    before = runs(comfy)
    text = failure(run_prompt, train_graph(sd15_checkpoint, folder.name))
    assert first.name in text and second.name in text and third.name in text
    assert runs(comfy) == before


def test_the_rest_is_used_when_the_user_says_so(comfy, run_prompt, sd15_checkpoint, folder):
    first = sorted(path for path in folder.iterdir() if path.suffix != ".txt")[0]
    first.write_bytes(first.read_bytes()[:500])
    result = run_prompt(train_graph(sd15_checkpoint, folder.name, run_name="rest", steps=1, skip_bad_pictures=True))
    told = [r for data in result.events_named("lora_canvas.run") for r in data["records"]]
    assert [r["step"] for r in told if r["event"] == "step"] == [1]
    assert any(r["text"].startswith("2 pictures with repeats") for r in told if r["event"] == "message" and r["topic"] == "length")


@pytest.mark.parametrize(
    ("node_name", "widget", "value", "said"),
    [
        ("network", "rank", 0, "rank"),
        ("network", "targets", "everything", "targets"),
        ("optimizer", "optimizer", "AdamW9bit", "AdamW8bit"),
        ("train", "precision", "fp4", "precision"),
        ("train", "batch_size", 0, "batch_size"),
        ("network", "include", r"/(\w+\.?)+!/", "matches no module"),
        ("network", "include", "down 0-300000000", "goes beyond 9,999"),
        ("network", "exclude", "x" * 100_000, "but may have 20,000"),
        ("optimizer", "extra_arguments", "a" * 100_000, "but may have 2,000"),
        ("optimizer", "extra_arguments", "eps=none", "refuses its settings"),
        ("optimizer", "group_rules", r"/(\w+\.?)+!/: off", "matches no parameter"),
        ("train", "run_name", "smile \ud83d", "half a character"),
    ],
    ids=lambda value: "".join(filter(str.isalnum, str(value)))[:16],  # it names a folder
)
def test_settings_out_of_range(run_prompt, sd15_checkpoint, folder, node_name, widget, value, said):
    """ComfyUI refuses what its own widgets cannot hold; what it lets through, the node explains."""
    graph = train_graph(sd15_checkpoint, folder.name)
    graph[node_name]["inputs"][widget] = value
    with pytest.raises((NodeFailed, PromptRefused)) as caught:
        run_prompt(graph)
    if isinstance(caught.value, PromptRefused) and "Value not in list" in str(caught.value):  # newer ComfyUI looks itself
        said = f"{widget}: '{value}'"
    assert said in str(caught.value)


def test_alpha_above_rank_is_a_warning(comfy, run_prompt, sd15_checkpoint, folder):
    graph = train_graph(sd15_checkpoint, folder.name, run_name="loud", steps=1)
    graph["network"]["inputs"]["alpha"] = 32.0
    result = run_prompt(graph)
    told = [r["text"] for data in result.events_named("lora_canvas.run") for r in data["records"] if r["event"] == "message"]
    assert any("alpha 32 is above rank 4" in text for text in told)


def test_a_vae_of_another_family(comfy, run_prompt, sd15_checkpoint, flux_schnell_checkpoint, folder):
    graph = train_graph(sd15_checkpoint, folder.name)
    graph["other"] = node("CheckpointLoaderSimple", ckpt_name=flux_schnell_checkpoint)
    graph["train"]["inputs"]["vae"] = ["other", 2]
    text = failure(run_prompt, graph)
    assert "16 channels" in text and "4" in text and "belong together" in text


def test_an_sdxl_model_with_the_clip_and_size_of_sd15(comfy, run_prompt, sd15_checkpoint, sdxl_checkpoint, folder):
    graph = train_graph(sd15_checkpoint, folder.name)
    graph["other"] = node("CheckpointLoaderSimple", ckpt_name=sdxl_checkpoint)
    graph["train"]["inputs"]["model"] = ["other", 0]
    text = failure(run_prompt, graph)
    assert "768 wide" in text and "Stable Diffusion XL takes 2048" in text


def test_a_size_that_the_model_was_not_made_for_is_a_warning(comfy, run_prompt, sdxl_checkpoint, folder):
    graph = train_graph(sdxl_checkpoint, folder.name, run_name="small", steps=1)
    told = [
        r["text"] for data in run_prompt(graph).events_named("lora_canvas.run") for r in data["records"] if r["event"] == "message"
    ]
    assert any("was made for 1024" in text and "resolution" in text for text in told)


def test_a_name_that_leaves_the_folder(run_prompt, sd15_checkpoint, folder):
    graph = train_graph(sd15_checkpoint, folder.name, run_name="../../escape", steps=1)
    graph["save"] = node("LoRACanvasSaveLoRA", lora=["train", 2], filename="../../escape", dtype="fp16")
    assert "inside the loras folder" in failure(run_prompt, graph)
