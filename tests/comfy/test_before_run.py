"""What a run on a file takes, known before anything of the file is loaded."""

import os
from dataclasses import replace

import pytest
import torch

from pack.training.errors import SettingsError
from pack.training.memory.choice import ALL, NONE, MemoryChoice
from pack.training.memory.choose import way_of
from pack.training.run.room.way import costs_of


@pytest.fixture
def modules(comfy, monkeypatch):
    """`before_run`, with nothing kept, and `wanted`."""
    before_run = comfy.module("pack.host.header.before_run")
    monkeypatch.setattr(before_run, "_SEEN", {})
    return before_run, comfy.module("pack.host.header.wanted").Wanted


def test_it_is_what_a_run_of_the_loaded_model_will_plan(comfy, modules, sd15_checkpoint, monkeypatch):
    """Through the child, and a second time from memory."""
    from pack.host.header.step import step_cost

    before_run, Wanted = modules
    monkeypatch.setattr(before_run, "free_on", lambda device: 8 << 30)
    wanted = Wanted(folder="checkpoints", model=sd15_checkpoint, resolution=128, rank=4, memory="by hand")
    plan = before_run.plan_before_run(wanted)
    with torch.inference_mode():
        [model, *_] = comfy.module("nodes").CheckpointLoaderSimple().load_checkpoint(sd15_checkpoint)
    cost = step_cost(model, wanted.work())
    assert cost is not None
    takes = [way_of(costs_of(cost, main_memory=False), MemoryChoice(recompute=recompute), 8 << 30).total for recompute in (ALL, NONE)]
    assert plan == {"pixels": 128, "batch_size": 1, "takes": takes[0], "free": 8 << 30, "how": "every block is computed twice"}
    monkeypatch.setattr(before_run, "_asked_of_child", None)
    by_choice = before_run.plan_before_run(replace(wanted, gradient_checkpointing=False))
    assert by_choice is not None and by_choice["takes"] == takes[1]


@pytest.mark.parametrize("kind", ["sd15", "flux-schnell"])
def test_the_header_says_which_model_it_is(comfy, checkpoint, kind):
    from pack.host.header.bare import bare_model
    from pack.host.header.file import model_in

    path = comfy.base / "models" / "checkpoints" / checkpoint(kind)
    found = model_in(path)
    assert found is not None and type(found.config).__name__ == {"sd15": "SD15", "flux-schnell": "FluxSchnell"}[kind]
    bare = bare_model(found.config, *found.dtypes(None))
    assert sum(own.numel() for own in bare.model.diffusion_model.parameters()) == found.parameters


def test_only_what_core_lists_is_looked_at(comfy, modules, monkeypatch, tmp_path):
    before_run, Wanted = modules
    monkeypatch.setattr(before_run, "_cost", None)
    folder = comfy.base / "models" / "checkpoints"
    (folder / "listed.ckpt").touch()
    outside = tmp_path / "outside.safetensors"
    outside.touch()
    names = (os.path.relpath(outside, folder), str(outside), "none.safetensors", "listed.ckpt")
    for place, name in (*(("checkpoints", name) for name in names), ("loras", "x.safetensors"), ("..", "x.safetensors")):
        assert before_run.plan_before_run(Wanted(folder=place, model=name)) is None


def test_what_is_no_model_is_known_once_it_is_loaded(comfy, modules, monkeypatch):
    before_run, Wanted = modules
    monkeypatch.setattr(before_run, "_asked_of_child", None)
    (comfy.base / "models" / "checkpoints" / "odd.safetensors").write_bytes(b"\xff" * 64)
    comfy.folder_paths.filename_list_cache.clear()
    assert before_run.plan_before_run(Wanted(folder="checkpoints", model="odd.safetensors")) is None


@pytest.mark.parametrize("wrong", [{"rank": 0}, {"rank": "16"}, {"rank": True}, {"resolution": 10**6}, {"model": 7}, {"precision": "fp4"},
                                   {"algorithm": "none"}, {"optimizer": "None"}, {"memory": "much"}])
def test_what_no_widget_holds_is_refused(modules, wrong):
    _, Wanted = modules
    with pytest.raises(SettingsError):
        Wanted(**wrong)
