"""The end of a run: its file is read back, which is said on the way and may be cut short; what was learned is there by then."""

from safetensors.torch import load

from pack.tests.training.run.fakes import Bench
from pack.training.errors import FileError
from pack.training.events import Message, Progress, RunEnded
from pack.training.run.control import Control
from pack.training.specs import RunSpec


def bench(folder, read_back, **settings) -> Bench:
    return Bench(folder=folder / "run", run_spec=RunSpec(steps=2, gradient_checkpointing=False), read_back=read_back, **settings)


def said(ground: Bench) -> list[str]:
    return [event.text for event in ground.recorder.of(Message) if event.topic == "saved"]


def looked_at(ground: Bench) -> list[tuple[int, int]]:
    return [(event.done, event.total) for event in ground.recorder.of(Progress) if event.phase == "reading back"]


def test_it_is_said_how_far_it_is(tmp_path):
    def read_back(path, network, watch):
        for done in range(3):
            watch(done, 2)
        return f"all of {path.stem}"

    ground = bench(tmp_path, read_back)
    ground.run()
    assert looked_at(ground) == [(0, 2), (1, 2), (2, 2)] and said(ground) == ["run.safetensors: all of run."]


def test_a_cancel_leaves_the_rest_of_it_out(tmp_path):
    """The run is done: it stays finished. The host's Cancel is not used up, so that what comes after the run is cancelled."""
    pressed, raised = [], []

    def read_back(path, network, watch):
        watch(0, 2)
        pressed.append(1)
        watch(1, 2)
        raise AssertionError("it goes on")

    ground = bench(tmp_path, read_back, control=Control(lambda: raised.append(1) if pressed else None, is_cancelled=lambda: bool(pressed)))
    assert ground.run().reason == "finished" and raised == []
    assert looked_at(ground) == [(0, 2)]
    assert said(ground) == ["run.safetensors: 1 of 2 modules read back as they were trained, the rest left out: Cancel was pressed."]
    assert ground.recorder.of(RunEnded)[0].lora_path.is_file() and load(ground.file())


def test_a_file_that_holds_something_else_fails_the_run_and_keeps_the_state(tmp_path):
    def read_back(path, network, watch):
        raise FileError(f"{path.name} is not what was trained")

    ground = bench(tmp_path, read_back)
    try:
        ground.run()
    except FileError as error:
        assert "is not what was trained" in str(error)
    assert ground.recorder.of(RunEnded)[0].reason == "failed" and (ground.folder / "state" / "training.state").is_file()
