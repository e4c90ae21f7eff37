"""What Run would do with a Train LoRA node, asked before it is pressed."""

import json

import pytest

from pack.tests.comfy.test_routes import ask, root  # noqa: F401  fixtures

PROMPT = {
    "1": {"class_type": "CheckpointLoaderSimple", "inputs": {"ckpt_name": "a"}},
    "2": {"class_type": "LoRACanvasOptimizer", "inputs": {"learning_rate": 1e-4}},
    "5": {"class_type": "LoRACanvasTrainLoRA",
          "inputs": {"model": ["1", 0], "optimizer": ["2", 0], "run_name": "fox", "steps": 80, "resume": "", "memory": "auto"}},
    "9": {"class_type": "LoRACanvasSaveLoRA", "inputs": {"lora": ["5", 2], "filename": "fox"}},
}


def changed(node: str, **inputs) -> dict:
    prompt = json.loads(json.dumps(PROMPT))
    prompt[node]["inputs"] |= inputs
    return prompt


@pytest.fixture
def run(root):  # noqa: F811
    """`run(name, status)` lays a run of PROMPT's node 5 on the disk."""
    def lay(name: str, status: str, updated: float = 1.0, prompt=PROMPT, node="5") -> None:
        (root / name / "state").mkdir(parents=True)
        (root / name / "state" / "training.state").write_bytes(b"")
        record = {"name": name, "status": status, "step": 47, "total_steps": 80, "updated": updated}
        (root / name / "run.json").write_text(json.dumps(record))
        (root / name / "graph.json").write_text(json.dumps({"prompt": prompt, "node": node, "workflow": None}))

    return lay


@pytest.fixture
def next_run(ask):  # noqa: F811
    return lambda prompt, node="5": ask("POST", "/lora_canvas/next", json={"prompt": prompt, "node": node}).json


def going_on(name: str) -> dict:
    return {"next": "goes on", "run": name, "step": 47, "total_steps": 80}


NEW = {"next": "new"}


def test_the_newest_that_waits_goes_on_where_no_setting_was_changed(next_run, run):
    run("fox", "paused", 1.0)
    run("fox_2", "cancelled", 3.0)
    run("fox_3", "finished", 4.0)
    run("of another node", "paused", 5.0, {**PROMPT, "6": PROMPT["5"]}, "6")
    for same in (PROMPT, changed("5", resume=" Auto ", memory="least"), changed("9", filename="wolf")):
        assert next_run(same) == going_on("fox_2")
    for other in (changed("5", steps=81), changed("5", run_name="wolf"), changed("2", learning_rate=2e-4), changed("1", ckpt_name="b"),
                  changed("5", resume="new")):
        assert next_run(other) == NEW


def test_a_name_is_taken_at_its_word_and_what_a_wire_says_is_not_known(next_run, run):
    run("fox", "finished")
    assert next_run(PROMPT) == NEW
    assert next_run(changed("5", resume="fox", steps=100)) == next_run(changed("5", resume="latest")) == going_on("fox")
    unknown = [next_run(changed("5", resume="wolf")), next_run(changed("5", resume=["1", 0])), next_run(PROMPT, "no such node")]
    assert unknown == [{"next": "unknown"}] * 3


@pytest.mark.parametrize("graph", ["", "[]", '{"prompt": 5, "node": "5"}', '{"prompt": {"5": []}, "node": "5"}',
                                   '{"prompt": {"5": {"inputs": {"a": ["5", 0]}}}, "node": "5"}'])
def test_what_a_stranger_wrote_is_no_run_that_waits(next_run, run, root, graph):  # noqa: F811
    run("fox", "paused")
    (root / "fox" / "graph.json").write_text(graph)
    assert next_run(PROMPT) == NEW


def test_what_is_no_prompt_is_refused(ask):  # noqa: F811
    assert ask("POST", "/lora_canvas/next", json={"prompt": [], "node": "5"}).status == 400
    assert ask("POST", "/lora_canvas/next", json={"prompt": {}, "node": 5}).status == 400


def test_after_the_end_an_unchanged_node_has_nothing_to_train(next_run, run, root, comfy):  # noqa: F811
    run("fox", "finished")
    assert next_run(PROMPT) == NEW  # of another process: it keeps no result
    with comfy.module("pack.host.runs.registry").RUNS.live("fox", root / "fox", None, "5"):
        pass
    nothing = {"next": "nothing", "run": "fox", "step": 47}
    assert next_run(PROMPT) == next_run(changed("5", resume="auto")) == next_run(changed("9", filename="wolf")) == nothing
    for other in (changed("5", steps=81), changed("5", memory="least"), changed("5", resume="new"), changed("2", learning_rate=2e-4)):
        assert next_run(other) == NEW
