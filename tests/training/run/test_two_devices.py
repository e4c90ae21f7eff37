"""Text encoders on another device than the diffusion model, as ComfyUI keeps them with --lowvram or by `device: cpu` on their loader:
what is learned is what is learned on one device, bit by bit, since the second device here computes as the CPU does."""

from contextlib import nullcontext
from dataclasses import replace

import pytest
import torch

from pack.tests.training.optim import fakes as problem
from pack.tests.training.run.fakes import Bench, pictures
from pack.tests.training.second_device import ELSEWHERE, HERE, SecondDevice
from pack.training.errors import SettingsError
from pack.training.events import StepDone
from pack.training.network.kinds.menu import adapters
from pack.training.network.spec import NetworkSpec, StartFrom, TargetSpec
from pack.training.network.start_from import ModuleStart
from pack.training.objective.preservation import BlankCaption
from pack.training.objective.spec import ObjectiveSpec
from pack.training.optim import kinds
from pack.training.optim.kinds import optimizers
from pack.training.optim.optimizers import build_optimizer
from pack.training.optim.spec import OptimizerSpec
from pack.training.optim.state import export_state, import_state
from pack.training.run.control import Control
from pack.training.specs import Assistant, PreviewSpec, RunSpec, SamplingSpec

DIFFUSION_MODEL = ("diffusion_model", "blocks.0")
CASES = {
    **{name: {"algorithm": name} for name in adapters if name not in ("oft", "boft")},  # no blocks in a text encoder three wide
    "pissa": {"init": "pissa"}, "norms": {"scale_weight_norms": 0.2}, "biases": {"train_biases": True},
}


@pytest.fixture(autouse=True)
def no_fused_kernels(monkeypatch):
    """The second device has none, and they round otherwise than the plain ones."""
    monkeypatch.setattr(kinds, "_can_fuse", lambda groups: False)


def bench(folder, away: bool, steps: int = 4, **settings) -> Bench:
    """One that trains both parts; with `away` the diffusion model is on the second device."""
    network = NetworkSpec(**{"rank": 4, "alpha": 2.0, "targets": TargetSpec(preset="all linear"), **settings.pop("network", {})})
    made = Bench(
        folder=folder / "run", network=network, samples=pictures(3), train_text=True, **settings,
        optimizer=OptimizerSpec(learning_rate=1e-2, text_encoder_lr=5e-3, ema_decay=0.9, max_grad_norm=0.1),
        run_spec=RunSpec(steps=steps, batch_size=2, validate_every_n_steps=3, gradient_checkpointing=True),
        preview=PreviewSpec(sampling=SamplingSpec(prompts=("a cat",), width=64, height=64, sampling_steps=1), every_n_steps=2),
    )
    if away:
        made.model.to(ELSEWHERE)
        made.denoiser.device = ELSEWHERE
    return made


def learned(folder, away: bool, **settings) -> tuple[bytes, Bench]:
    with SecondDevice() if away else nullcontext():
        made = bench(folder, away, **settings)
        made.run()
    return made.file(), made


@pytest.mark.parametrize("case", CASES)
def test_the_file_is_that_of_one_device(tmp_path, case):
    """With gradients clipped together, averages, previews, validation and a preserved base."""
    settings = {"network": CASES[case], "objective": ObjectiveSpec(preservation=BlankCaption())}
    expected, _ = learned(tmp_path / "one", False, **settings)
    found, made = learned(tmp_path / "two", True, **settings)
    assert found == expected
    assert made.sampler.asked and not [event for event in made.recorder.events if getattr(event, "level", "") == "error"]


def test_each_part_s_adapters_are_where_the_part_is(tmp_path):
    with SecondDevice():
        network = bench(tmp_path, True).run().built.network
    assert {(place[0], parameter.device) for place, adapter in network.items() for parameter in adapter.parameters()} == {
        ("diffusion_model", ELSEWHERE), ("clip_l", HERE)}


def test_paused_and_resumed_it_ends_in_the_same_file(tmp_path):
    expected, _ = learned(tmp_path / "one", False)
    with SecondDevice():
        cut = bench(tmp_path / "two", True)
        cut.control = Control()
        cut.on_event = lambda event: cut.control.request_pause() if isinstance(event, StepDone) and event.step == 3 else None
        assert cut.run().reason == "paused"
        resumed = bench(tmp_path / "two", True)
        assert resumed.run(cut.folder / "state" / "training.state").reason == "finished"
    assert resumed.file() == expected


def test_a_start_and_an_assistant_go_to_their_parts(tmp_path, monkeypatch):
    before = bench(tmp_path / "before", False).run().built.network
    starts = {place: ModuleStart("lora", {key: t.clone() for key, t in change.file_tensors().items()}) for place, change in before.items()}
    assistant = Assistant(name="a", digest="b", tensors=starts[DIFFUSION_MODEL].tensors)
    order = Bench.order
    monkeypatch.setattr(Bench, "order", lambda self: replace(
        order(self), starts=starts, assistant={DIFFUSION_MODEL: starts[DIFFUSION_MODEL]},
        recipe=replace(order(self).recipe, run=replace(self.run_spec, assistant=assistant))))
    settings = {"network": {"start_from": StartFrom(name="old", digest="d", rank_from_file=True)}}
    expected, _ = learned(tmp_path / "one", False, **settings)
    found, _ = learned(tmp_path / "two", True, **settings)
    assert found == expected


def test_an_optimizer_that_cannot_says_so_before_the_first_step():
    for name in ("adagc", "adai", "adams"):
        with pytest.raises(SettingsError, match=f"{name} can only train what .* diffusion_model on maia:0, text_encoder_1 on cpu"):
            trained(name, True)


@pytest.mark.parametrize("name", [name for name in optimizers if "8bit" not in name and not optimizers.get(name).one_device])
def test_every_optimizer_takes_parameters_of_two_devices(name):
    """Where it is the same as on one device, and goes on from its state; those of bitsandbytes have kernels of their own."""
    assert trained(name, True) == trained(name, False)


def trained(name: str, away: bool) -> list:
    kind = optimizers.get(name)
    spec = OptimizerSpec(optimizer=name, learning_rate=kind.usual_rate, text_encoder_lr=kind.usual_rate)
    with SecondDevice() if away else nullcontext():
        named = {
            key: torch.nn.Parameter(value.detach().to(ELSEWHERE)) if away and key.startswith("unet_") else value
            for key, value in problem.parameters().items()
        }
        made = [build_optimizer(spec, problem.groups(named), 8) for _ in range(2)]
        for optimizer, start in zip(made, (0, 4), strict=True):
            if start:
                import_state(optimizer, *export_state(made[0]))
            train(optimizer, named, start, start + 4)
        return [value.detach().cpu().tolist() for value in named.values()]


def train(optimizer, named, start: int, stop: int) -> None:
    for step in range(start, stop):
        for index, parameter in enumerate(named.values()):
            noise = torch.randn(parameter.shape, generator=torch.Generator().manual_seed(1000 * step + index))
            parameter.grad = parameter.detach() + 0.02 * noise.to(parameter.device)
        optimizer.step()
