"""Preview pictures on disk, and the loss plot."""

import json

import numpy as np
import pytest
import torch
from PIL import Image

from pack.training.drawing.chart import loss_plot, smooth, ticks, to_tensor
from pack.training.events import PreviewReady, RunEnded, Validated
from pack.training.record.log import JsonlLog
from pack.training.record.loss_plot import LossPlot
from pack.training.record.samples import SampleFiles


def test_pictures_carry_the_graph_and_their_prompt(tmp_path):
    images = torch.stack([torch.zeros(64, 64, 3), torch.ones(64, 64, 3)])
    event = PreviewReady(step=250, images=images, prompts=("a cat", "a dog"), seeds=(42, 43))
    SampleFiles(tmp_path, {"prompt": {"1": {}}, "workflow": {"nodes": []}})(event)
    picture = Image.open(tmp_path / "samples" / "step_000250_01.png")
    assert json.loads(picture.text["workflow"]) == {"nodes": []}
    assert json.loads(picture.text["lora_canvas"]) == {"run": tmp_path.name, "step": 250, "prompt": "a dog", "seed": 43}
    assert np.asarray(picture).min() == 255
    assert (tmp_path / "samples" / "small" / "step_000250_01.jpg").is_file()


def test_no_metadata_without_being_given_any(tmp_path):
    SampleFiles(tmp_path)(PreviewReady(step=0, images=torch.rand(1, 32, 48, 3), prompts=("x",), seeds=(1,)))
    assert set(Image.open(tmp_path / "samples" / "step_000000_00.png").text) == {"lora_canvas"}


def test_smoothing_starts_at_the_first_value_and_skips_nan():
    assert smooth([2.0, 2.0, 2.0]).tolist() == pytest.approx([2.0, 2.0, 2.0])
    assert smooth([1.0, float("nan"), 1.0])[1] == pytest.approx(1.0)
    assert np.isnan(smooth([float("nan")])[0])


def test_ticks_are_round():
    assert ticks(0, 1) == [0.0, 0.2, 0.4, 0.6, 0.8, 1.0]
    assert ticks(0.013, 0.028, about=3) == [0.015, 0.02, 0.025]
    assert ticks(5, 5) == [5]


@pytest.mark.parametrize("losses", [[], [0.5], [0.3] * 20, [float("nan")] * 3, [0.1, 50.0] * 200])
def test_any_curve_can_be_drawn(losses):
    image = loss_plot(range(1, len(losses) + 1), losses, [(1, 0.2)] if losses else [], size=(320, 160))
    assert to_tensor(image).shape == (1, 160, 320, 3)


def test_a_resumed_plot_holds_the_earlier_curve(tmp_path, started, step, monkeypatch):
    drawn = []
    monkeypatch.setattr("pack.training.record.loss_plot.loss_plot", lambda *curves: drawn.append(curves) or loss_plot(*curves))
    log = JsonlLog(tmp_path)
    validated = Validated(step=2, loss=0.4, relative=1, bands={}, is_best=True)
    for event in (started(tmp_path), step(1), step(2), validated, step(3)):
        log(event)
    plot = LossPlot(tmp_path)
    plot(started(tmp_path, start_step=2))
    plot(step(3))
    plot(RunEnded(reason="finished", step=3, total_steps=3, lora_path=None, seconds=1.0))
    assert drawn == [([1, 2, 3], [0.5, 0.5, 0.5], [(2, 0.4)])]
    assert Image.open(tmp_path / "loss.png").size == (1024, 512)
