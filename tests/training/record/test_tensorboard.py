"""The TensorBoard log, with a writer that remembers; once with the real one."""

import torch

from pack.training.events import PreviewReady, RunEnded, Validated
from pack.training.record.tensorboard import TensorBoardLog


class Remembering:
    def __init__(self):
        self.scalars, self.pictures, self.closed = {}, [], False

    def add_scalar(self, tag, value, at):
        self.scalars[tag, at] = value

    def add_images(self, tag, images, at, dataformats):
        self.pictures.append((tag, at, dataformats))

    def close(self):
        self.closed = True


def ended():
    return RunEnded(reason="finished", step=1, total_steps=1, lora_path=None, seconds=1.0)


def test_what_is_logged(tmp_path, started, step):
    writer, purged = Remembering(), []
    log = TensorBoardLog(tmp_path, lambda folder, purge_step: purged.append(purge_step) or writer)
    log(step(1))
    for event in (started(tmp_path, start_step=4), step(5, loss=0.5),
                  Validated(step=5, loss=0.4, relative=0.9, bands={}, is_best=False),
                  PreviewReady(step=5, images=torch.rand(1, 8, 8, 3), prompts=("a",), seeds=(1,)), ended()):
        log(event)
    assert purged == [5]
    assert writer.scalars["loss/train", 5] == 0.5
    assert writer.scalars["learning_rate/diffusion_model", 5] == 1e-4
    assert writer.scalars["loss/validation", 5] == 0.4
    assert writer.pictures == [("samples", 5, "NHWC")]
    assert writer.closed


def test_the_real_writer_leaves_an_event_file(tmp_path, started, step):
    log = TensorBoardLog(tmp_path)
    for event in (started(tmp_path), step(1), ended()):
        log(event)
    assert list((tmp_path / "tensorboard").glob("events.out.tfevents.*"))
