"""Memory that runs out in the middle of a run: the step is undone and made again with less, and the same LoRA comes out, bit by bit."""

import gc
import weakref

import pytest
import torch
from safetensors.torch import load

from pack.tests.training.run.fakes import Bench
from pack.training.errors import OutOfMemory, StateError, is_out_of_memory
from pack.training.events import Message, Saved, StepDone
from pack.training.memory.meter import MemoryMeter
from pack.training.optim.ema import EMA
from pack.training.optim.kinds import optimizers
from pack.training.optim.schedules import Constant, Schedule
from pack.training.optim.spec import OptimizerSpec
from pack.training.run import checkpoints, updater
from pack.training.run.resume.saved import as_data
from pack.training.specs import RunSpec

FORMS = (
    torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB. GPU 0 has a total capacity of 7.99 GiB"),
    RuntimeError("CUDA out of memory. Tried to allocate 20.00 MiB"),
    RuntimeError("CUDA error: out of memory\nCUDA kernel errors might be asynchronously reported"),
    RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`"),
    RuntimeError("cuDNN error: CUDNN_STATUS_ALLOC_FAILED"),
    RuntimeError("HIP out of memory. Tried to allocate 1.00 GiB"),
    RuntimeError("MPS backend out of memory (MPS allocated: 17.9 GB, other allocations: 1 GB, max allowed: 18.13 GB)"),
    RuntimeError("[enforce fail at alloc_cpu.cpp:127] err == 0. DefaultCPUAllocator: can't allocate memory: you tried to allocate 4."),
    RuntimeError("[enforce fail at alloc_cpu.cpp:80] data. DefaultCPUAllocator: not enough memory: you tried to allocate 4 bytes."),
    MemoryError(),
)
FIRST = FORMS[0]
OPTIMIZERS = ("AdamW", "Adafactor", "Prodigy", "ScheduleFreeAdamW", "DAdaptSGD", "CAME", "SOAP", "AdamW8bit")


def bench(folder, steps=4, checkpointing=False, **settings) -> Bench:
    """Half of the steps' pictures in two micro-batches; an average of the weights beside them."""
    optimizer = settings.pop("optimizer", OptimizerSpec(learning_rate=1e-2, schedule=Schedule(Constant()), ema_decay=0.9))
    spec = RunSpec(steps=steps, gradient_checkpointing=checkpointing, gradient_accumulation=2, save_every_n_steps=2,
                   validate_every_n_steps=settings.pop("validate", 0))
    return Bench(folder=folder / "run", run_spec=spec, optimizer=optimizer, **settings)


def told(ground: Bench) -> list[str]:
    return [event.text for event in ground.recorder.of(Message) if event.topic == "memory" and event.level == "warning"]


def tensors(ground: Bench) -> dict[str, torch.Tensor]:
    """Of the LoRA and of the state: weights, what the optimizer keeps, averages."""
    return {**load(ground.file()), **load((ground.folder / "state" / "training.state").read_bytes())}


def assert_same(ground: Bench, plain: Bench) -> None:
    assert [event.step for event in ground.recorder.of(StepDone)] == [event.step for event in plain.recorder.of(StepDone)]
    assert [event.loss for event in ground.recorder.of(StepDone)] == [event.loss for event in plain.recorder.of(StepDone)]
    found, wanted = tensors(ground), tensors(plain)
    assert found.keys() == wanted.keys()
    assert all(torch.equal(found[name], wanted[name]) for name in wanted)


def failing(work, error: Exception, call: int):
    """`work`, whose call of that number, counted from 1, fails when it is done."""
    calls = []

    def run(*args, **kwargs):
        calls.append(1)
        found = work(*args, **kwargs)
        if len(calls) == call:
            raise error
        return found

    return run


def half(step, error: Exception, call: int):
    """An optimizer's `step`, of which that call updates every second parameter, and fails."""
    calls = []

    def run(self, *args, **kwargs):
        calls.append(1)
        if len(calls) != call:
            return step(self, *args, **kwargs)
        for group in self.param_groups:
            for parameter in group["params"][::2]:
                parameter.grad = None
        step(self, *args, **kwargs)
        raise error

    return run


class FailsInBackward(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x, error):
        ctx.error = error
        return x.clone()

    @staticmethod
    def backward(ctx, grad):
        raise ctx.error


def in_backward(error: Exception, call: int):
    calls = []

    def spoil(denoised):
        if denoised.requires_grad:
            calls.append(1)
        return FailsInBackward.apply(denoised, error) if denoised.requires_grad and len(calls) == call else denoised

    return spoil


@pytest.fixture(scope="module")
def plain(tmp_path_factory) -> Bench:
    ground = bench(tmp_path_factory.mktemp("plain"))
    ground.run()
    return ground


@pytest.mark.parametrize("error", FORMS, ids=lambda error: str(error)[:30])
def test_every_form_of_it_in_a_forward(tmp_path, plain, error):
    ground = bench(tmp_path)
    ground.denoiser.spoil = failing(ground.denoiser.spoil, error, 4)  # the second half of step 2
    assert ground.run().reason == "finished"
    assert_same(ground, plain)
    assert len(told(ground)) == 1 and told(ground)[0].startswith("Memory ran out at step 2 (")
    assert "every block is computed twice, though gradient_checkpointing is off" in told(ground)[0]


@pytest.mark.parametrize("call", [1, 2, 5])
def test_in_backward(tmp_path, plain, call):
    ground = bench(tmp_path)
    ground.denoiser.spoil = in_backward(FIRST, call)
    assert ground.run().reason == "finished"
    assert_same(ground, plain)


def test_between_backward_and_update(tmp_path, plain, monkeypatch):
    """When gradients are clipped, and before anything else of the step."""
    monkeypatch.setattr(updater, "clip_gradients", failing(updater.clip_gradients, FIRST, 2))
    ground = bench(tmp_path)
    assert ground.run().reason == "finished"
    assert_same(ground, plain)


@pytest.mark.parametrize("name", OPTIMIZERS)
@pytest.mark.parametrize("call", [1, 3])
def test_in_the_middle_of_an_update(tmp_path, monkeypatch, name, call):
    """Its first one, which makes the optimizer's state, and one while there is hardly any memory left."""
    pytest.importorskip("bitsandbytes" if name.endswith("8bit") else "pytorch_optimizer")
    monkeypatch.setattr(MemoryMeter, "in_hand", lambda meter: 0)
    spec = OptimizerSpec(optimizer=name, learning_rate=1e-2, schedule=Schedule(Constant()), ema_decay=0.9)
    grounds = [bench(tmp_path / folder, optimizer=spec) for folder in ("undisturbed", "disturbed")]
    grounds[0].run()
    kind = optimizers.get(name).load()
    monkeypatch.setattr(kind, "step", half(kind.step, FIRST, call))
    assert grounds[1].run().reason == "finished"
    assert_same(grounds[1], grounds[0])


def test_while_the_average_takes_in_an_update(tmp_path, plain, monkeypatch):
    monkeypatch.setattr(MemoryMeter, "in_hand", lambda meter: 0)
    monkeypatch.setattr(EMA, "update", failing(EMA.update, FIRST, 3))
    ground = bench(tmp_path)
    assert ground.run().reason == "finished"
    assert_same(ground, plain)


def test_the_scale_of_fp16_is_that_of_before(tmp_path, monkeypatch):
    grounds = [bench(tmp_path / folder) for folder in ("undisturbed", "disturbed")]
    for ground in grounds:
        ground.scale_gradients = True
    grounds[0].run()
    monkeypatch.setattr(updater, "clip_gradients", failing(updater.clip_gradients, FIRST, 2))
    assert grounds[1].run().reason == "finished"
    assert_same(grounds[1], grounds[0])


def test_an_update_that_cannot_be_undone_leaves_the_state_before_it(tmp_path, monkeypatch):
    """There was plenty of memory, so nothing was kept for it."""
    ground = bench(tmp_path)
    monkeypatch.setattr(torch.optim.AdamW, "step", half(torch.optim.AdamW.step, FIRST, 4))
    with pytest.raises(OutOfMemory, match="in the middle of an update"):
        ground.run()
    assert any("no state is saved of that: the last whole one is of step 2" in event.text for event in ground.recorder.of(Message))
    states = [event.step for event in ground.recorder.of(Saved) if event.kind == "state"]
    assert states == [2]


def test_in_a_validation(tmp_path, plain):
    ground = bench(tmp_path, validate=2)
    ground.denoiser.spoil = failing(ground.denoiser.spoil, FIRST, 6)  # after two steps of two micro-batches each
    assert ground.run().reason == "finished"
    found, wanted = load(ground.file()), load(plain.file())
    assert all(torch.equal(found[name], wanted[name]) for name in wanted)
    assert told(ground) == [] and not [event for event in ground.recorder.of(Message) if event.topic == "side matter"]


@pytest.mark.parametrize("call", [1, 2])
@pytest.mark.parametrize("name", ["put_state", "write_lora"])
def test_while_saving(tmp_path, plain, monkeypatch, name, call):
    """The first time between steps, the second at the end."""
    monkeypatch.setattr(checkpoints, name, failing(getattr(checkpoints, name), FIRST, call))
    ground = bench(tmp_path)
    assert ground.run().reason == "finished"
    assert_same(ground, plain)


@pytest.mark.parametrize("optimizer", ["AdamW", "ScheduleFreeAdamW"])
def test_what_is_trained_waits_in_main_memory_while_the_average_is_saved(tmp_path, optimizer):
    """The card may be full: nothing is cloned on it. Here it is the meta device, which nothing comes back from."""
    pytest.importorskip("pytorch_optimizer")
    from pack.training.optim.optimizers import OptimizerMode

    weight = torch.nn.Parameter(torch.arange(4.0))
    chosen = optimizers.get(optimizer).load()([{"params": [weight], "lr": 0.1}], lr=0.1)
    weight.grad = torch.ones(4)
    chosen.step()
    before, mode, average = weight.detach().clone(), OptimizerMode(chosen), EMA([("w", weight)], 0.9)
    allocated = []

    class Allocations(torch.utils._python_dispatch.TorchDispatchMode):
        def __torch_dispatch__(self, func, types, args=(), kwargs=None):
            if func is torch.ops.aten.clone.default:
                allocated.append(func)
            return func(*args, **(kwargs or {}))

    with Allocations():
        mode.eval()
        with average.applied():
            pass
        mode.train()
    assert not allocated and torch.equal(weight, before)


def test_nothing_cheaper_is_left(tmp_path):
    """The LoRA so far and the state of the last whole step are saved, and the run can go on from there."""
    grounds = [bench(tmp_path / folder, checkpointing=True) for folder in ("undisturbed", "disturbed")]
    grounds[0].run()
    ground, whole = grounds[1], grounds[1].denoiser.spoil
    ground.denoiser.spoil = failing(whole, FIRST, 4)
    with pytest.raises(OutOfMemory, match="AdamW8bit on Optimizer"):
        ground.run()
    assert [event.step for event in ground.recorder.of(Saved) if event.kind in ("state", "lora")] == [1, 1]
    ground.denoiser.spoil = whole
    assert ground.run(ground.folder / "state" / "training.state").reason == "finished"
    assert_same(ground, grounds[0])


def test_the_graph_is_gone_before_the_next_try(tmp_path):
    """What the failed step had computed, held by the error's frames, is let go before anything else is computed."""
    ground = bench(tmp_path)
    seen, alive = [], []

    def spoil(denoised):
        alive.append([ref for ref in seen if ref() is not None])
        big = denoised * 1
        seen.append(weakref.ref(big))
        if len(seen) == 3:
            raise FIRST
        return big

    ground.denoiser.spoil = spoil
    gc.disable()
    try:
        ground.run()
    finally:
        gc.enable()
    assert alive[3] == []


def test_before_the_first_step_it_is_told_as_such(tmp_path):
    ground = bench(tmp_path)
    ground.image_encoder.encode = failing(ground.image_encoder.encode, FIRST, 1)
    with pytest.raises(OutOfMemory, match="Memory ran out before the first step .CUDA out of memory."):
        ground.run()


def test_other_errors_are_none_of_it(tmp_path):
    ground = bench(tmp_path)
    ground.denoiser.spoil = failing(ground.denoiser.spoil, RuntimeError("shapes do not match"), 4)
    with pytest.raises(RuntimeError, match="shapes do not match"):
        ground.run()
    assert told(ground) == [] and not is_out_of_memory(ValueError("out of memory")) and not is_out_of_memory(None)


def test_a_full_memory_is_no_damage_of_a_state(tmp_path):
    for error in FORMS:
        with pytest.raises(type(error)), as_data(tmp_path / "run" / "state" / "training.state"):
            raise error
    with pytest.raises(StateError), as_data(tmp_path / "run" / "state" / "training.state"):
        raise RuntimeError("shape '[3]' is invalid")
