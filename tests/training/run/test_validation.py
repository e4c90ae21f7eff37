"""Validation: fixed noise, relative to the base model, the best step, and the warning."""

from dataclasses import replace

import pytest
from safetensors.torch import load
from torch.testing import assert_close

from pack.tests.training.run.fakes import pictures
from pack.tests.training.run.test_loop import bench
from pack.training.data.dataset import TRAINING, VALIDATION
from pack.training.events import Saved, Validated
from pack.training.run.validation import Validation


def with_held_out(count: int, held_out: int):
    return tuple(replace(sample, role=VALIDATION if i >= count - held_out else TRAINING) for i, sample in enumerate(pictures(count)))


def test_every_n_steps_and_at_the_end(tmp_path):
    ground = bench(tmp_path, steps=5, validate_every_n_steps=2, samples=with_held_out(4, 1))
    ground.run()
    looks = ground.recorder.of(Validated)
    assert [look.step for look in looks] == [2, 4, 5]
    assert list(looks[0].bands) == ["t=100", "t=300", "t=500", "t=700", "t=900"]
    assert looks[0].loss == pytest.approx(sum(looks[0].bands.values()) / 5)


def test_nothing_is_drawn_anew(tmp_path):
    """With a learning rate of nearly nothing, every look gives the base model's loss."""
    ground = bench(tmp_path, steps=4, validate_every_n_steps=1)
    ground.optimizer = replace(ground.optimizer, learning_rate=1e-12)
    ground.run()
    looks = ground.recorder.of(Validated)
    assert [look.relative for look in looks] == pytest.approx([1.0] * 4, abs=1e-6)


def test_it_is_relative_to_the_base_model_and_keeps_the_best(tmp_path):
    ground = bench(tmp_path, steps=60, validate_every_n_steps=20)
    ground.run()
    looks = ground.recorder.of(Validated)
    assert looks[-1].relative < 0.95
    best = [e.step for e in ground.recorder.of(Saved) if e.kind == "best"]
    assert best == [look.step for look in looks if look.is_best]
    assert (ground.folder / "checkpoints" / "run-best.safetensors").is_file()


def test_training_is_the_same_with_and_without_it(tmp_path):
    plain, watched = bench(tmp_path / "a"), bench(tmp_path / "b", validate_every_n_steps=1)
    plain.run()
    watched.run()
    assert_close(load(watched.file()), load(plain.file()), rtol=0, atol=0)  # the metadata tells of the validation


@pytest.mark.parametrize(
    ("history", "warned"),
    [
        ([(1.0, 1.0), (1.1, 0.9), (1.2, 0.8), (1.3, 0.7)], True),
        ([(1.0, 1.0), (1.01, 0.9), (1.2, 0.8), (1.3, 0.7)], False),  # one look within 2 % of the best
        ([(1.0, 1.0), (1.1, 1.0), (1.2, 1.0), (1.3, 1.1)], False),  # the trained pictures' loss rises too
        ([(1.0, 1.0), (0.9, 0.9), (0.8, 0.8), (0.7, 0.7)], False),
        ([(1.0, 1.0), (1.1, 0.9), (1.2, 0.8)], False),  # too early to tell
    ],
)
def test_overfitting_is_held_out_up_while_trained_falls(history, warned):
    validation = Validation(None, None, None, held_out=[0], trained=[1], every_n_steps=1, on_best=lambda trainer: None)
    assert (validation._overfitting(history) is not None) == warned
