"""The loop on a tiny model: order, accumulation, repeatability, and what it says and does between steps."""

import gc
from types import SimpleNamespace

import pytest
import torch
from safetensors.torch import load

from pack.tests.training.run.fakes import Bench, pictures
from pack.training.errors import NonFiniteError
from pack.training.events import Message, PreviewReady, RunEnded, RunStarted, Saved, StepDone
from pack.training.network.attach import attached
from pack.training.optim.schedules import Constant, Schedule
from pack.training.optim.spec import OptimizerSpec
from pack.training.protocols import TextCondition
from pack.training.run.control import Control
from pack.training.run.previews import together
from pack.training.specs import OwnSettings, PreviewSpec, RunSpec, SamplingSpec


def bench(tmp_path, name="run", **settings) -> Bench:
    given = {key: settings.pop(key) for key in list(settings) if key in RunSpec.__dataclass_fields__}
    spec = {"steps": 6, "gradient_checkpointing": False, **given}
    return Bench(folder=tmp_path / name, run_spec=RunSpec(**spec), **settings)


def test_training_lowers_the_loss_on_fixed_noise(tmp_path):
    """The same draws, with the adapters on and off: at least a tenth is gained."""
    ground = bench(tmp_path, steps=300)
    after, before = ground.losses_with_and_without(ground.run().built)
    assert after < 0.9 * before


def test_the_same_seed_gives_the_same_bytes(tmp_path):
    first, second = bench(tmp_path / "a"), bench(tmp_path / "b")
    first.run()
    second.run()
    assert first.file() == second.file()


def test_another_seed_gives_another_file(tmp_path):
    first, second = bench(tmp_path / "a"), bench(tmp_path / "b", seed=1)
    first.run()
    second.run()
    assert first.file() != second.file()


@pytest.mark.parametrize(("batch_size", "accumulation"), [(4, 1), (2, 2)])
def test_accumulation_is_a_larger_batch(tmp_path, batch_size, accumulation):
    """4 pictures an epoch, so one epoch is one update: 1 x 4 = 2 x 2 = 4 x 1."""
    reference = bench(tmp_path / "one", batch_size=1, gradient_accumulation=4)
    other = bench(tmp_path / "other", batch_size=batch_size, gradient_accumulation=accumulation)
    reference.run()
    other.run()
    a, b = load(reference.file()), load(other.file())
    for name in a:
        torch.testing.assert_close(a[name], b[name], rtol=2e-3, atol=1e-5)
    losses = [[event.loss for event in ground.recorder.of(StepDone)] for ground in (reference, other)]
    assert losses[0] == pytest.approx(losses[1], rel=1e-4)


def test_a_short_group_weighs_each_picture_the_same(tmp_path):
    """5 pictures in groups of 2 x 2: a batch of one picture may share an update with one of two. Loss and gradient are the
    mean over the pictures, reckoned again here one by one: at a rate of nearly nothing the model stays as it is."""
    optimizer = OptimizerSpec(learning_rate=1e-12)
    ground = bench(tmp_path, samples=pictures(5), batch_size=2, gradient_accumulation=2, steps=4, optimizer=optimizer)
    built = ground.run().built
    groups = [built.trainer.plan.group(step) for step in range(4)]
    assert [1, 2] in [sorted(map(len, group)) for group in groups]
    for event, group in zip(ground.recorder.of(StepDone), groups, strict=True):
        one_by_one = [draw for batch in group for draw in batch]
        loss, norm = loss_and_gradient(ground, built, one_by_one)
        assert (event.items, event.loss, event.grad_norm) == (len(one_by_one), pytest.approx(loss, rel=1e-4), pytest.approx(norm, rel=1e-4))
    assert [event.epoch for event in ground.recorder.of(StepDone)] == [0.5, 1.0, 1.5, 2.0]


def loss_and_gradient(ground: Bench, built, draws) -> tuple[float, float]:
    """Of the mean of the draws' losses, each run alone: its value, and the norm of its gradient."""
    built.trainer.updater.zero_grad()
    with attached(built.network, list(ground.order().parts), checkpointing=False):
        mean = torch.stack([built.trainer.stepper.losses([draw]).sum() for draw in draws]).mean()
        mean.backward()
    gradients = [parameter.grad.flatten() for _, parameter in built.network.named_parameters()]
    return float(mean.detach()), float(torch.cat(gradients).norm())


def test_epochs_replace_steps(tmp_path):
    ground = bench(tmp_path, epochs=3)
    ground.run()
    assert len(ground.recorder.of(StepDone)) == 12
    assert ground.recorder.of(RunStarted)[0].total_steps == 12


def test_the_length_is_said_as_kohya_counts_it(tmp_path):
    ground = bench(tmp_path, samples=pictures(5), batch_size=2, gradient_accumulation=2, steps=4)
    ground.run()
    said = [event.text for event in ground.recorder.of(Message) if event.topic == "length"]
    assert said == ["5 pictures with repeats, in batches of 2 x 2: 2 steps an epoch, 4 steps are 2.0 epochs."]


def test_events_in_order(tmp_path):
    ground = bench(tmp_path, steps=2)
    result = ground.run()
    kinds = [type(event).__name__ for event in ground.recorder.events if type(event).__name__ != "Progress"]
    assert kinds == ["Message", "Message", "Message", "RunStarted", "StepDone", "StepDone", "Saved", "Saved", "RunEnded"]
    ended = ground.recorder.of(RunEnded)[0]
    assert (ended.reason, ended.step, ended.lora_path) == ("finished", 2, result.lora_path)


def test_stop_keeps_everything(tmp_path):
    control = Control()
    ground = bench(tmp_path, steps=100, control=control)
    ground.on_event = lambda event: control.request_stop() if isinstance(event, StepDone) and event.step == 3 else None
    assert ground.run().reason == "stopped"
    assert load(ground.file()) and (ground.folder / "state" / "training.state").is_file()
    assert ground.recorder.of(RunEnded)[0].step == 3


def test_cancel_stops_within_one_micro_step_and_saves(tmp_path):
    """Pressed in the 2nd micro-batch of the 3rd update of 4: the 3rd is never begun, and what the 2nd update left is saved."""
    passes = []

    def cancel():
        if len(passes) == 4 + 4 + 2:
            raise KeyboardInterrupt

    ground = bench(tmp_path / "cancelled", steps=1000, gradient_accumulation=4, control=Control(cancel))
    ground.denoiser.spoil = lambda denoised: passes.append(1) or denoised
    with pytest.raises(KeyboardInterrupt):
        ground.run()
    ended = ground.recorder.of(RunEnded)[0]
    assert (len(passes), ended.reason, ended.step) == (10, "cancelled", 2)
    assert (ground.folder / "state" / "training.state").is_file()
    control = Control()
    stopped = bench(tmp_path / "stopped", steps=1000, gradient_accumulation=4, control=control)
    stopped.on_event = lambda event: control.request_stop() if isinstance(event, StepDone) and event.step == 2 else None
    stopped.run()
    assert ground.file() == stopped.file()


def test_a_non_finite_loss_stops_before_the_update(tmp_path):
    ground = bench(tmp_path, steps=10)
    seen = []

    def spoil(denoised):
        seen.append(1)
        return denoised * float("nan") if len(seen) == 4 else denoised

    ground.denoiser.spoil = spoil
    with pytest.raises(NonFiniteError, match=r"step 4, on 'picture \d.png'.*lower learning rate"):
        ground.run()
    ended = ground.recorder.of(RunEnded)[0]
    assert (ended.reason, ended.step) == ("failed", 3)
    assert all(tensor.isfinite().all() for tensor in load(ended.lora_path.read_bytes()).values())


def test_a_non_finite_gradient_stops_before_the_update(tmp_path):
    ground = bench(tmp_path, steps=10)

    class Explodes(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            return x.clone()

        @staticmethod
        def backward(ctx, grad):
            return grad * float("inf")

    ground.denoiser.spoil = Explodes.apply
    with pytest.raises(NonFiniteError, match="nothing was updated"):
        ground.run()
    assert ground.recorder.of(RunEnded)[0].step == 0


def test_checkpoints_keep_the_last(tmp_path):
    ground = bench(tmp_path, steps=6, save_every_n_steps=2, keep_last=2)
    ground.run()
    assert [e.step for e in ground.recorder.of(Saved) if e.kind == "checkpoint"] == [2, 4, 6]
    names = sorted(path.name for path in (ground.folder / "checkpoints").iterdir())
    assert names == ["run-000004.safetensors", "run-000006.safetensors"]


def test_previews_at_start_between_and_at_end(tmp_path):
    preview = PreviewSpec(sampling=SamplingSpec(prompts=("a", "b"), seed=5, width=64, height=64), every_n_steps=2)
    ground = bench(tmp_path, steps=5, preview=preview)
    ground.run()
    ready = ground.recorder.of(PreviewReady)
    assert [event.step for event in ready] == [0, 2, 4, 5]
    assert ready[0].images.shape == (2, 8, 8, 3)
    assert ground.sampler.asked == [("a", 5), ("b", 6)] * 4
    assert not torch.equal(ready[0].images, ready[-1].images)
    started, ended = ground.recorder.of(RunStarted)[0], ground.recorder.of(RunEnded)[0]
    assert (started.preview_every, started.validate_every) == (2, 0)
    assert 0 < started.seconds < ended.seconds
    assert all(0 < event.seconds < ended.seconds for event in ready)


def test_each_prompt_may_have_settings_of_its_own(tmp_path):
    sampling = SamplingSpec(prompts=("a", "b"), seed=5, width=64, height=64, own=(OwnSettings(), OwnSettings(seed=90, cfg=1.0)))
    ground = bench(tmp_path, steps=1, preview=PreviewSpec(sampling=sampling, every_n_steps=0, at_end=False))
    ground.run()
    assert ground.sampler.asked == [("a", 5), ("b", 90)] and ground.recorder.of(PreviewReady)[0].seeds == (5, 90)


def test_pictures_of_different_sizes_are_one_batch_and_come_out_of_it_as_they_were():
    wide, high = torch.rand(1, 8, 16, 3), torch.rand(1, 24, 8, 3)
    event = PreviewReady(step=1, images=together([wide, high]), prompts=("a", "b"), seeds=(1, 2), sizes=((16, 8), (8, 24)))
    assert event.images.shape == (2, 24, 16, 3) and event.images[0, 8:].max() == 0
    assert torch.equal(event.pictures()[0], wide[0]) and torch.equal(event.pictures()[1], high[0])


def test_steps_between_previews():
    sampling = SamplingSpec(prompts=("a",))
    assert PreviewSpec(sampling=sampling, every_n_steps=0).steps_between(10.0) == 0
    assert PreviewSpec(sampling=sampling, every_n_steps=0, every_n_epochs=2).steps_between(2.5) == 5
    assert PreviewSpec(sampling=sampling, every_n_steps=3, every_n_epochs=2).steps_between(2.5) == 3


def test_text_encoders_train_too(tmp_path):
    ground = bench(tmp_path, train_text=True,
                   optimizer=OptimizerSpec(learning_rate=1e-2, text_encoder_lr=1e-2, schedule=Schedule(Constant())))
    ground.run()
    tensors = load(ground.file())
    assert tensors["clip_l.layers.0.lora_up.weight"].abs().sum() > 0
    assert ground.recorder.of(StepDone)[0].learning_rates == {"diffusion_model": 1e-2, "clip_l": 1e-2}


def test_encoders_that_are_not_trained_run_once_a_caption(tmp_path):
    """Beside a trained one: which are frozen is told by the adapters, and each step is given what they made."""
    ground = bench(tmp_path, train_text=True,
                   optimizer=OptimizerSpec(learning_rate=1e-2, text_encoder_lr=1e-2, schedule=Schedule(Constant())))
    asked, encoded, used = [], [], []
    encoder, plain = ground.text_encoder, ground.text_encoder.encode_trainable

    def encode(text):
        encoded.append(text)
        return TextCondition(tensors={"t5xxl.out": torch.full((1, 3), float(len(text)))})

    encoder.frozen = lambda trained: asked.append(trained) or SimpleNamespace(identity="t5", encode=encode)
    encoder.encode_trainable = lambda text, frozen=None: used.append((text, frozen.tensors["t5xxl.out"][0, 0].item())) or plain(text)
    ground.run()
    assert asked == [{"clip_l"} | {part.name for part in ground.order().parts}]
    assert len(encoded) == len(set(encoded)) < len(used)
    assert used and all(number == len(text) for text, number in used)


def test_text_encoders_rest_when_told_to(tmp_path):
    optimizer = OptimizerSpec(learning_rate=1e-2, text_encoder_lr=1e-2, schedule=Schedule(Constant()), stop_text_encoder_at=50)
    ground = bench(tmp_path, train_text=True, steps=4, save_every_n_steps=2, optimizer=optimizer)
    ground.run()
    half = load((ground.folder / "checkpoints" / "run-000002.safetensors").read_bytes())
    whole = load(ground.file())
    text, diffusion = "clip_l.layers.0.lora_up.weight", "diffusion_model.blocks.0.lora_up.weight"
    assert torch.equal(half[text], whole[text]) and half[text].abs().sum() > 0
    assert not torch.equal(half[diffusion], whole[diffusion])


def test_learning_rate_can_be_changed_on_the_fly(tmp_path):
    control = Control()
    ground = bench(tmp_path, steps=4, control=control)
    ground.on_event = lambda event: control.set_learning_rate_scale(0.5) if isinstance(event, StepDone) and event.step == 2 else None
    ground.run()
    assert [e.learning_rates["diffusion_model"] for e in ground.recorder.of(StepDone)] == [1e-2, 1e-2, 5e-3, 5e-3]


def test_save_now(tmp_path):
    control = Control()
    ground = bench(tmp_path, steps=5, control=control)
    ground.on_event = lambda event: control.request_save() if isinstance(event, StepDone) and event.step == 3 else None
    ground.run()
    assert [e.step for e in ground.recorder.of(Saved) if e.kind == "checkpoint"] == [3]


def test_pythons_collector_looks_at_what_was_there_once(tmp_path):
    """Every full look is as long as the process is large; after the first in a run it sees only what came since."""
    seen = []

    def look(event):
        if isinstance(event, StepDone):
            gc.collect()
            seen.append(gc.get_freeze_count())

    before = len(gc.callbacks)
    Bench(tmp_path / "run", RunSpec(steps=2), on_event=look).run()
    assert 10_000 < seen[1] <= seen[0]  # nothing that came since; what was freed since is gone
    assert gc.get_freeze_count() == 0 and len(gc.callbacks) == before
