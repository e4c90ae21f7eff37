"""A run on the screen: what goes over the websocket and to ComfyUI's own bar, in a real ComfyUI."""

import time

import pytest
import torch

from pack.training.events import Message, PreviewReady, Progress, RunEnded, RunStarted, StepDone


@pytest.fixture
def panel(comfy):
    return comfy.module("pack.host.panel.listeners")


@pytest.fixture
def registry(comfy):
    return comfy.module("pack.host.runs.registry").RunRegistry()


def step(number, total=100):
    return StepDone(step=number, total_steps=total, epoch=0.1, loss=0.5, learning_rates={"diffusion_model": 1e-4}, grad_norm=1.0,
                    items=1, seconds=0.1)


def started(tmp_path):
    return RunStarted(run_name="r", folder=tmp_path, start_step=0, total_steps=100, steps_per_epoch=10.0)


def ended(reason="finished"):
    return RunEnded(reason=reason, step=100, total_steps=100, lora_path=None, seconds=1.0)


class Sent(list):
    """Messages with the time they were sent at."""

    def __call__(self, data):
        self.append((time.monotonic(), data))

    def records(self):
        return [record for _, data in self for record in data["records"]]


def test_all_records_arrive_in_order_in_at_most_five_messages_a_second(panel, registry, tmp_path):
    sent = Sent()
    listener = panel.PanelListener("7", "r", registry, sent)
    listener(started(tmp_path))
    for number in range(1, 81):
        listener(step(number))
        time.sleep(0.01)
    listener(ended())
    assert [record["step"] for record in sent.records() if record["event"] == "step"] == list(range(1, 81))
    assert {(data["run"], data["node"]) for _, data in sent} == {("r", "7")}
    gaps = [after[0] - before[0] for before, after in zip(sent, sent[1:-1])]
    assert min(gaps) > 0.18


def test_nothing_waits_behind_a_long_step(panel, registry, tmp_path):
    sent = Sent()
    listener = panel.PanelListener("7", "r", registry, sent)
    listener(started(tmp_path))
    listener(Message(level="warning", topic="t", text="read me"))
    assert [record["event"] for record in sent.records()] == ["started"]
    time.sleep(0.4)
    assert [record["event"] for record in sent.records()] == ["started", "message"]


def test_progress_does_not_pile_up(panel, registry, tmp_path):
    sent = Sent()
    listener = panel.PanelListener("7", "r", registry, sent)
    for done in range(1000):
        listener(Progress(phase="latents", done=done, total=1000))
    listener(ended())
    assert [record.get("done") for record in sent.records()] == [0, 999, None]


def test_the_end_is_told_at_once(panel, registry, tmp_path):
    sent = Sent()
    listener = panel.PanelListener("7", "r", registry, sent)
    listener(started(tmp_path))
    listener(ended())
    assert sent.records()[-1]["event"] == "ended"


def test_the_registry_knows_the_newest_of_each_kind_while_the_run_lasts(panel, registry, tmp_path):
    listener = panel.PanelListener("7", "r", registry, Sent())
    with registry.live("r", tmp_path, object(), "7"):
        listener(step(1))
        listener(step(2))
        [shown] = registry.snapshot()
        assert (shown["run"], shown["node"], shown["latest"]["step"]["step"]) == ("r", "7", 2)
        with pytest.raises(ValueError, match="training already"), registry.live("r", tmp_path, object(), "8"):
            pass
    assert registry.snapshot() == [] and registry.find("r") is None


@pytest.fixture
def shown_by_comfyui(comfy):
    """What ComfyUI's own progress handlers are told: (value, max, picture)."""
    progress = comfy.module("comfy_execution.progress")
    seen = []

    class Watching(progress.ProgressHandler):
        def update_handler(self, node_id, value, max_value, state, prompt_id, image=None):
            seen.append((value, max_value, image))

    progress.add_progress_handler(Watching("watching"))
    yield seen
    progress.get_progress_state().unregister_handler("watching")


def test_comfyuis_bar_moves(panel, shown_by_comfyui, tmp_path):
    bar = panel.NodeProgress("7", "7", clock=iter(range(1000)).__next__)
    for event in (Progress(phase="latents", done=2, total=4), started(tmp_path), step(1), step(100)):
        bar(event)
    assert [(value, most) for value, most, _ in shown_by_comfyui] == [(2, 4), (0, 100), (1, 100), (100, 100)]


def test_previews_appear_on_the_node_without_moving_the_bar(panel, shown_by_comfyui, tmp_path):
    bar = panel.NodeProgress("7", "7")
    bar(started(tmp_path))
    bar(step(100))
    bar(Progress(phase="preview", done=1, total=2))
    bar(PreviewReady(step=100, images=torch.rand(2, 8, 16, 3), prompts=("a", "b"), seeds=(1, 2)))
    value, most, (kind, picture, _limit) = shown_by_comfyui[-1]
    assert (value, most, kind, picture.size) == (100, 100, "JPEG", (16, 8))


def test_a_cancel_is_left_for_the_loop(comfy, panel, tmp_path):
    """The listener neither raises the interrupt (it would be contained and lost) nor clears it."""
    comfy.interrupt()
    bar = panel.NodeProgress("7", "7")
    bar(started(tmp_path))
    bar(step(1))
    bar(PreviewReady(step=1, images=torch.rand(1, 8, 8, 3), prompts=("a",), seeds=(1,)))
    with pytest.raises(comfy.model_management.InterruptProcessingException):
        comfy.model_management.throw_exception_if_processing_interrupted()


def test_every_page_knows_that_a_run_was_asked_to_end(panel, registry, tmp_path):
    """The step that it is in may take long; a page that opens meanwhile reads it from the registry."""
    sent = []
    with registry.live("r", tmp_path, object(), "5") as run:
        panel.tell_asked(run, "pause", registry, sent.append)
        [known] = registry.snapshot()
    asked = {"event": "asked", "action": "pause"}
    assert sent == [{"run": "r", "node": "5", "records": [asked]}]
    assert known["latest"] == {"asked": asked}
