"""N processes with batch B are one process with batch N x B; `make test-processes` holds it for more of both."""

import json
import os
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from safetensors.torch import load

from pack.tests.training.run import together
from pack.tests.training.run.together import CASES, ground, steps_of
from pack.training.errors import ProcessesError
from pack.training.processes.agreement import Agreed, Agreement
from pack.training.processes.joined import are_launched
from pack.training.processes.processes import ALONE, Processes, require_one_mind, shares, summed
from pack.training.run.control import Control
from pack.training.run.state import saved_identity, state_file

ALL = bool(os.environ.get("PROCESSES"))
QUICK = ["AdamW", "accumulated", "masks and regularisation", "rates", "overflow", "unloaded", "memory"]
#: What of the other process is said by the main one.
TOLD = {"unloaded": "process 1: another node or a manager had the models unloaded", "memory": "process 1: Memory ran out at step 4"}
LAUNCHES = [(2, list(CASES)), (3, ["AdamW", "accumulated"]), (4, ["AdamW", "accumulated"])] if ALL else [(2, QUICK)]


def launch(processes: int, folder: Path, names: list[str], codes: list[int] | None = None) -> list[str]:
    """As torchrun does, without its agent; what each has said."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    given = {**os.environ, "WORLD_SIZE": str(processes), "LOCAL_WORLD_SIZE": str(processes), "MASTER_ADDR": "127.0.0.1",
             "MASTER_PORT": str(port), "OMP_NUM_THREADS": "1"}
    command = [sys.executable, together.__file__, str(folder), *names]
    started = [subprocess.Popen(command, env={**given, "RANK": str(rank), "LOCAL_RANK": str(rank)}, stdout=subprocess.PIPE,
                                stderr=subprocess.STDOUT, text=True) for rank in range(processes)]
    said = [process.communicate(timeout=300)[0] for process in started]
    assert [process.returncode for process in started] == (codes or [0] * processes), "\n".join(said)
    return said


def messages(folder: Path) -> list[str]:
    return json.loads((folder / "said.json").read_text())


@pytest.mark.parametrize(("processes", "names"), LAUNCHES, ids=lambda given: str(given) if isinstance(given, int) else "")
def test_many_processes_are_one_with_a_larger_batch(tmp_path, processes, names):
    """Whatever befalls one of them: what it makes anew, all make, or wait for."""
    launch(processes, tmp_path / "many", names)
    for name in names:
        alone = ground(tmp_path / "one", name, processes)
        alone.run()
        folder = tmp_path / "many" / name
        many = json.loads((folder / "steps.json").read_text())
        assert many[0] == pytest.approx(list(steps_of(alone)[0]), rel=1e-6)
        assert [items for _, _, items in many] == [items for _, _, items in steps_of(alone)]
        ours, theirs = (load(file) for file in ((folder / f"{name}.safetensors").read_bytes(), alone.file()))
        learned = max(float(tensor.abs().max()) for key, tensor in theirs.items() if "lora_up" in key)  # began at 0
        for key in theirs:
            torch.testing.assert_close(ours[key], theirs[key], rtol=0, atol=1e-4 * learned, msg=lambda text, key=key: f"{key}: {text}")
    for name in {"accumulated", "masks and regularisation"} & set(names):  # nothing is encoded twice, and nobody is idle
        encoded = [int((tmp_path / "many" / name / f"encoded-{rank}").read_text()) for rank in range(processes)]
        assert sum(encoded) == 8 and min(encoded) >= 8 // processes
    for name in TOLD.keys() & set(names):
        assert any(said.startswith(TOLD[name]) for said in messages(tmp_path / "many" / name))


@pytest.mark.skipif(not ALL, reason="make test-processes")
def test_the_same_number_of_processes_gives_the_same_file(tmp_path):
    for folder in (tmp_path / "first", tmp_path / "second"):
        launch(2, folder, ["accumulated", "Prodigy"])
    for name in ("accumulated", "Prodigy"):
        assert len({(tmp_path / folder / name / f"{name}.safetensors").read_bytes() for folder in ("first", "second")}) == 1


@pytest.mark.skipif(not ALL, reason="make test-processes")
def test_an_8_bit_optimizer_stays_within_what_the_order_of_a_batch_does(tmp_path):
    """Where sums of another order fall to another of its 256 values, the weights part."""
    launch(2, tmp_path / "many", ["8 bits"])
    plain, turned = ground(tmp_path / "one", "8 bits", 2), ground(tmp_path / "turned", "8 bits", 2)
    plain.run()
    turned.samples = tuple(reversed(turned.samples))
    many, one = (load(file) for file in ((tmp_path / "many" / "8 bits" / "8 bits.safetensors").read_bytes(), plain.file()))
    assert max(float((many[key] - one[key]).abs().max()) for key in one) == 0


def test_a_wish_of_any_process_ends_all_after_the_same_step(tmp_path):
    launch(2, tmp_path, ["ended"])
    assert len(json.loads((tmp_path / "ended" / "steps.json").read_text())) == 4
    assert state_file(tmp_path / "ended").is_file()


@pytest.mark.skipif(sys.platform == "win32", reason="there is no SIGKILL on Windows")
@pytest.mark.parametrize(("name", "code", "told"), [
    ("killed", -9, "process 1 of this run has died"),
    ("no memory", 1, "process 1 of this run has ended: Memory ran out at step 4"),
] if ALL else [("killed", -9, "process 1 of this run has died")])  # fmt: skip
def test_one_that_ends_ends_all_and_what_was_learned_is_kept(tmp_path, name, code, told):
    started = time.monotonic()
    said = launch(2, tmp_path, [name], [1, code])[0]
    assert f"ProcessesError: {told}" in said
    assert time.monotonic() - started < 120  # in seconds; the machine may be busy, and each starts a torch
    assert (tmp_path / name / f"{name}.safetensors").is_file() and saved_identity(state_file(tmp_path / name))


def test_a_run_goes_on_with_another_number_of_processes(tmp_path):
    """One process x 4 pictures took three steps; two x 2 know its state for theirs."""
    bench = ground(tmp_path, "accumulated", processes=2, steps=3)
    bench.run()

    class Second(Processes):
        size = 2

    spec = ground(tmp_path, "accumulated").run_spec
    bench.run_spec, bench.processes = spec, Second()
    assert bench.run(state_file(bench.folder)).step == 20


class Rank(Processes):
    """One of `size`, whose others look at nothing."""

    def __init__(self, rank, size):
        self.rank, self.size = rank, size


def test_every_item_is_somebodys_and_nobody_waits_for_a_batch_that_is_not_there():
    group = [["a", "b", "c"], ["d"]]
    parts = [shares(Rank(rank, 2), group) for rank in range(2)]
    assert parts == [[[(0, "a"), (2, "c")], [(3, "d")]], [[(1, "b")]]]
    assert shares(ALONE, group) == [[(0, "a"), (1, "b"), (2, "c")], [(3, "d")]]


def test_rows_come_to_their_places_and_gradients_are_summed():
    class Doubling(Rank):
        def reduce(self, tensor):
            tensor.mul_(2)

    learned, idle = (torch.nn.Parameter(torch.zeros(2)) for _ in range(2))
    learned.grad = torch.tensor([1.0, 2.0])
    rows = summed(Doubling(0, 2), [learned, idle], torch.tensor([[5.0, 6.0]]), [0, 2], 3)
    assert rows.tolist() == [[10.0, 0.0, 12.0]]
    assert learned.grad.tolist() == [2.0, 4.0] and idle.grad is None


@pytest.mark.parametrize(("given", "many"), [
    ({}, False), ({"WORLD_SIZE": "4"}, False),
    ({"RANK": "0", "WORLD_SIZE": "2", "MASTER_ADDR": "localhost", "MASTER_PORT": "1"}, True),
    ({"RANK": "0", "WORLD_SIZE": "1", "MASTER_ADDR": "localhost", "MASTER_PORT": "1"}, False),
])  # fmt: skip
def test_a_launcher_is_known_by_what_it_says(given, many):
    assert are_launched(given) == many


class Telling(Processes):
    """The main one of two; the other says `theirs`, whatever it is asked."""

    size = 2

    def __init__(self, theirs):
        self._theirs = theirs

    def gathered(self, what, note, check=lambda: None):
        return [note, self._theirs]


def test_processes_that_differ_are_refused_and_what_differs_is_named():
    ours = {"batch": 4, "pictures": "a", "precision": "bf16"}
    said = []

    class Listening(Processes):
        def gathered(self, what, note, check=lambda: None):
            said.append(note)
            return [note]

    require_one_mind(Listening(), {**ours, "pictures": "b"})
    with pytest.raises(ProcessesError, match="process 1 of this run is not about to train what the main one is: pictures differ"):
        require_one_mind(Telling(said[0]), ours)
    require_one_mind(Listening(), dict(reversed(ours.items())))
    require_one_mind(Telling(said[1]), ours)


def test_all_end_after_the_same_step_with_the_main_ones_rates():
    """Whoever wishes it; what another one wishes to be saved, the main one saves, once."""
    control = Control()
    control.set_learning_rate_scale(0.5)
    other = Control()
    other.request_stop()
    other.request_save()
    theirs = Agreement(Helper(), other)
    said = theirs._note()
    assert Agreement(Telling(said), control).before(3) == Agreed("stopped", 0.5)
    assert control.take("save") and control.ending() is None
    assert theirs._note() == {"ending": "stopped", "rates": 1.0, "save": False, "preview": False}
    control.request_pause()
    assert Agreement(Telling(said), control).before(3).ending == "paused"


def test_a_step_that_is_made_anew_asks_nobody_again():
    asked = []

    class Counting(Telling):
        def gathered(self, what, note, check=lambda: None):
            asked.append(what)
            return super().gathered(what, note, check)

    agreement = Agreement(Counting({"ending": None, "rates": 2.0, "save": False, "preview": False}), Control())
    assert [agreement.before(step).learning_rate_scale for step in (0, 0, 1)] == [1.0] * 3
    assert asked == ["step 0", "step 1"]


class Helper(Processes):
    rank, size = 1, 2
