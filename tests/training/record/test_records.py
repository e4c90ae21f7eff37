"""Every event has a record that JSON can hold, without paths of this machine."""

import json
from dataclasses import replace
from pathlib import Path
from typing import get_args

import pytest
import torch

from pack.training import events
from pack.training.record.records import number, record, sample_file, thumbnail_file

STEP = events.StepDone(step=3, total_steps=10, epoch=0.30000000001, loss=0.123456789, grad_norm=float("inf"), items=4,
                       learning_rates={"diffusion_model": 1e-4}, seconds=0.5, memory_bytes=10, peak_memory_bytes=20)
ONE_OF_EACH = [
    events.RunStarted(run_name="r", folder=Path("/secret/r"), start_step=0, total_steps=10, steps_per_epoch=2.5,
                      settings={"rank": 8}),
    events.Progress(phase="latents", done=1, total=4),
    STEP,
    events.Validated(step=3, loss=0.1, relative=0.9, bands={"low": 0.1}, is_best=True),
    events.Saved(step=3, path=Path("/secret/r/x.safetensors"), kind="lora"),
    events.PreviewReady(step=3, images=torch.zeros(2, 8, 16, 3), prompts=("a", "b"), seeds=(1, 2)),
    events.Message(level="warning", topic="spilling", text="slow", step=3),
    events.RunEnded(reason="finished", step=10, total_steps=10, lora_path=Path("/secret/x.safetensors"), seconds=5.0),
]


@pytest.mark.parametrize("event", ONE_OF_EACH, ids=lambda event: type(event).__name__)
def test_is_json_without_paths(event):
    text = json.dumps(record(event), allow_nan=False)
    assert "secret" not in text
    assert json.loads(text)["event"]


def test_every_event_is_covered():
    assert {type(event) for event in ONE_OF_EACH} == set(get_args(events.Event))


def test_step_keeps_what_fp32_can_hold():
    entry = record(STEP)
    assert entry["loss"] == 0.1234568
    assert entry["grad_norm"] is None
    assert entry["lr"] == {"diffusion_model": 1e-4}


def test_norms_stand_in_a_step_s_record_only_when_they_are_bounded():
    assert "mean_norm" not in record(STEP)
    bounded = record(replace(STEP, mean_norm=0.5, scaled_modules=3))
    assert (bounded["mean_norm"], bounded["scaled_modules"]) == (0.5, 3)


def test_preview_names_its_files_and_size():
    entry = record(ONE_OF_EACH[5])
    assert (entry["width"], entry["height"]) == (16, 8)
    assert entry["images"][1] == {"file": sample_file(3, 1), "prompt": "b", "seed": 2}
    assert thumbnail_file(sample_file(3, 1)) == "step_000003_01.jpg"


@pytest.mark.parametrize("value", [float("nan"), float("inf"), None])
def test_what_json_cannot_hold_becomes_none(value):
    assert number(value) is None
