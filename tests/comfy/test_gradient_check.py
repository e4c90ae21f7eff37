"""The trial of a new kind of model's gradient, in a real ComfyUI: passes on right ones, catches what was wrong once."""

from contextlib import nullcontext

import pytest

from pack.tests.comfy import tiny_models
from pack.tests.comfy.family_walk import _Bench, _session
from pack.tests.comfy.graphs import place_pictures, train_graph
from pack.training.network import checkpointing
from pack.training.network.attach import attached
from pack.training.network.build import build_network
from pack.training.network.spec import NetworkSpec
from pack.training.run.gradient_check import ALLOWED, slope_along_gradient

#: Every tenth model here; all were measured once, see docs/experiments.md.
RIGHT = tiny_models.TRAINED[::10]
#: Whose gradient was silently wrong in recomputed blocks, before what autograd keeps was cloned lazily.
ONCE_WRONG = [tiny for tiny in tiny_models.TRAINED if tiny.kind in ("PixelDiTT2I",)]


def error_of(comfy, tiny) -> float:
    session = _session(tiny_models.patcher(comfy, tiny))
    session.load()
    network = build_network(NetworkSpec(rank=4), session.parts(), seed=0)  # as a run begins: up is 0
    bench = _Bench(session, network, tiny)
    with session.training(), attached(network, session.parts(), checkpointing=True):
        return slope_along_gradient(lambda: bench.losses().mean(), [p for _, p in network.named_parameters()]).error


@pytest.mark.parametrize("tiny", RIGHT, ids=lambda tiny: tiny.name)
def test_right_models_pass_with_room_to_spare(comfy, tiny):
    assert error_of(comfy, tiny) < ALLOWED / 5


@pytest.mark.parametrize("tiny", ONCE_WRONG, ids=lambda tiny: tiny.name)
def test_what_was_silently_wrong_is_caught(comfy, tiny, monkeypatch):
    from pack.host.session import in_place

    assert error_of(comfy, tiny) < ALLOWED / 5
    monkeypatch.setattr(in_place, "harmless", lambda constant: nullcontext())
    monkeypatch.setattr(checkpointing, "recomputable", lambda forward: forward)
    monkeypatch.setattr(checkpointing, "lazily", lambda arguments: arguments)
    assert error_of(comfy, tiny) > ALLOWED


def test_a_run_on_a_new_kind_says_that_it_was_tried(comfy, run_prompt, sd15_checkpoint, monkeypatch):
    from pack.host import train

    monkeypatch.setattr(train, "is_proven", lambda patcher: False)
    graph = train_graph(sd15_checkpoint, place_pictures(comfy), run_name="tried", steps=1)
    graph["train"]["inputs"]["precision"] = "bf16"
    result = run_prompt(graph)
    records = [record for data in result.events_named("lora_canvas.run") for record in data["records"]]
    told = [record["text"] for record in records if record.get("topic") == "gradient"]
    assert len(told) == 1 and told[0].startswith("SD15 is new to LoRA Canvas")
