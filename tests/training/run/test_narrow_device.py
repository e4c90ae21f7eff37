"""A device without float64, without generators of its own, without copy-on-write, and that torch has no module of: what is learned there
is what is learned on the CPU, since this one computes as the CPU does."""

from contextlib import nullcontext
from dataclasses import replace

import pytest
import torch
from torch.utils._pytree import tree_leaves

from pack.tests.training.run.fakes import Bench, pictures
from pack.tests.training.second_device import ELSEWHERE, Elsewhere, SecondDevice
from pack.training.devices import backend
from pack.training.errors import SettingsError
from pack.training.events import Message, StepDone
from pack.training.network.kinds.menu import adapters
from pack.training.network.spec import NetworkSpec, TargetSpec
from pack.training.objective.sampled import SampledSigmas
from pack.training.objective.spec import ObjectiveSpec
from pack.training.optim import kinds
from pack.training.optim.spec import OptimizerSpec
from pack.training.specs import PreviewSpec, RunSpec, SamplingSpec


class NarrowDevice(SecondDevice):
    """Refuses float64, as Apple's does."""

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        made = super().__torch_dispatch__(func, types, args, kwargs)
        if any(isinstance(leaf, Elsewhere) and leaf.dtype is torch.float64 for leaf in tree_leaves(made)):
            raise TypeError(f"{func}: this device has no float64")
        return made


@pytest.fixture(autouse=True)
def no_fused_kernels(monkeypatch):
    """The second device has none, and they round otherwise than the plain ones."""
    monkeypatch.setattr(kinds, "_can_fuse", lambda groups: False)


@pytest.fixture
def narrow(monkeypatch):
    monkeypatch.setattr(backend, "_NARROW", (ELSEWHERE.type,))
    backend.has_float64.cache_clear()
    yield NarrowDevice
    backend.has_float64.cache_clear()


def test_the_device_refuses(narrow):
    with narrow(), pytest.raises(TypeError, match="no float64"):
        torch.ones(2).to(ELSEWHERE).double()
    with pytest.raises(RuntimeError):
        torch.Generator(ELSEWHERE)


CASES = {
    **{name: {"algorithm": name} for name in adapters},
    "pissa": {"init": "pissa"}, "norms": {"scale_weight_norms": 0.2, "train_biases": True},
    "dropout": {"dropout": 0.2, "rank_dropout": 0.2, "module_dropout": 0.2},
}


def learned(folder, device: type | None, scale_gradients: bool, objective: ObjectiveSpec, **network) -> tuple[bytes, Bench]:
    with nullcontext() if device is None else device():
        made = Bench(
            folder=folder / "run", samples=pictures(3), objective=objective,
            network=NetworkSpec(**{"rank": 4, "alpha": 2.0, "targets": TargetSpec(preset="all linear"), **network}),
            optimizer=OptimizerSpec(learning_rate=1e-2, ema_decay=0.9, max_grad_norm=0.1),
            run_spec=RunSpec(steps=2, batch_size=2, validate_every_n_steps=2, gradient_checkpointing=True),
            preview=PreviewSpec(sampling=SamplingSpec(prompts=("a cat",), width=64, height=64, sampling_steps=1), every_n_steps=2),
        )
        order = Bench.order
        made.order = lambda: replace(order(made), scale_gradients=scale_gradients)
        if device is not None:
            made.model.to(ELSEWHERE)
            made.denoiser.device = ELSEWHERE
        made.run()
    return made.file(), made


@pytest.mark.parametrize("case", CASES)
def test_the_file_is_that_of_a_cpu(narrow, tmp_path, case):
    """With a loss scale, clipped gradients, averages, validation and previews."""
    expected, _ = learned(tmp_path / "cpu", None, True, ObjectiveSpec(), **CASES[case])
    found, made = learned(tmp_path / "narrow", narrow, True, ObjectiveSpec(), **CASES[case])
    assert found == expected
    (told,) = [event.text for event in made.recorder.of(Message) if event.topic == "device"]
    assert "copied at once" in told and "torch does not say how much memory" in told
    assert all(step.memory_bytes is None for step in made.recorder.of(StepDone))


def test_an_optimizer_that_reckons_in_float64_is_refused_before_anything_is_encoded(narrow, tmp_path):
    bench = Bench(folder=tmp_path / "run", run_spec=RunSpec(steps=1), optimizer=OptimizerSpec(optimizer="rose"))
    bench.denoiser.device = ELSEWHERE
    with narrow(), pytest.raises(SettingsError, match=r"rose does not compute on 'maia' \(.* this device has no float64\). Choose AdamW"):
        bench.run()
    assert not bench.image_encoder.encoded


def test_noise_levels_of_a_sampler(narrow, tmp_path):
    objective = ObjectiveSpec(timesteps=SampledSigmas(sigmas=(14.0, 3.0, 0.5, 0.0)), stratified=True)
    expected, _ = learned(tmp_path / "cpu", None, False, objective)
    assert learned(tmp_path / "narrow", narrow, False, objective)[0] == expected
