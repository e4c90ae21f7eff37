"""N processes with batch B are one process with batch N x B; `make test-processes` holds it for more of both."""

import json
import os
import socket
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load

from pack.tests.training.run import together
from pack.tests.training.run.together import CASES, Ground, ground, require_same_weights, steps_of
from pack.training.data.batches import BatchPlan
from pack.training.errors import ProcessesError
from pack.training.processes.agreement import Agreed, Agreement
from pack.training.processes.joined import are_launched
from pack.training.processes.processes import ALONE, Processes, require_one_mind, shares, summed
from pack.training.run.control import Control
from pack.training.run.state import saved_identity, state_file

ALL = bool(os.environ.get("PROCESSES"))
BEGUN = 5
QUICK = ["AdamW", "accumulated", "masks and regularisation", "rates", "overflow", "unloaded", "memory"]
#: What of the other process is said by the main one.
TOLD = {"unloaded": "process 1: another node or a manager had the models unloaded", "memory": "process 1: Memory ran out at step 4"}
only_long = pytest.mark.skipif(not ALL, reason="make test-processes")


@pytest.fixture(scope="module")
def two(tmp_path_factory) -> tuple[Path, list[str]]:
    """What two processes have left, one case after the other until the second one dies, and what each has said."""
    folder = tmp_path_factory.mktemp("together") / "many"
    begun_alone(folder, BEGUN).run()
    return folder, launch(2, folder, [*([*CASES, "8 bits"] if ALL else QUICK), "goes on", "ended", "died"], [1, 9])


@pytest.fixture(scope="module")
def again(tmp_path_factory) -> tuple[Path, list[str]]:
    """Two once more, until the second one lacks the memory for what it cannot do again."""
    folder = tmp_path_factory.mktemp("again")
    return folder, launch(2, folder, ["accumulated", "Prodigy", "no memory"], [1, 1])


def begun_alone(folder: Path, steps: int) -> Ground:
    """The run that goes on, as the one process that begins it."""
    bench = ground(folder, "goes on", steps=steps)
    bench.run_spec = replace(bench.run_spec, batch_size=4, gradient_accumulation=1)
    return bench


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


@pytest.mark.parametrize("name", list(CASES) if ALL else QUICK)
def test_two_processes_are_one_with_a_larger_batch(tmp_path, two, name):
    """Whatever befalls one of them: what it makes anew, all make, or wait for."""
    require_as_one(tmp_path, two[0] / name, name, 2)
    assert name not in TOLD or any(said.startswith(TOLD[name]) for said in json.loads((two[0] / name / "said.json").read_text()))


@only_long
@pytest.mark.parametrize("processes", [3, 4])
def test_more_processes_are_one_too(tmp_path, processes):
    launch(processes, tmp_path / "many", names := ["AdamW", "accumulated"])
    for name in names:
        require_as_one(tmp_path, tmp_path / "many" / name, name, processes)


def require_as_one(tmp_path: Path, folder: Path, name: str, processes: int) -> None:
    alone = ground(tmp_path / "one", name, processes)
    alone.run()
    many = json.loads((folder / "steps.json").read_text())
    assert many[0] == pytest.approx(list(steps_of(alone)[0]), rel=1e-6)
    assert [items for _, _, items in many] == [items for _, _, items in steps_of(alone)]
    require_same_weights(folder / f"{name}.safetensors", alone)
    if CASES[name].encoded:  # nothing is encoded twice, and nobody is idle
        encoded = [int((folder / f"encoded-{rank}").read_text()) for rank in range(processes)]
        assert sum(encoded) == 8 and min(encoded) >= 8 // processes


@only_long
@pytest.mark.parametrize("name", ["accumulated", "Prodigy"])
def test_the_same_number_of_processes_gives_the_same_file(two, again, name):
    first, second = ((folder / name / f"{name}.safetensors").read_bytes() for folder in (two[0], again[0]))
    assert first == second


@only_long
def test_an_8_bit_optimizer_stays_within_what_the_order_of_a_batch_does(tmp_path, two):
    """Where a sum in another order falls to another of its 256 values, the weights part."""
    plain, turned = ground(tmp_path / "one", "8 bits", 2), ground(tmp_path / "turned", "8 bits", 2)
    plain.run()
    with pytest.MonkeyPatch.context() as patch:
        group = BatchPlan.group
        patch.setattr(BatchPlan, "group", lambda plan, step: [batch[::-1] for batch in group(plan, step)])
        turned.run()
    made = two[0] / "8 bits" / "8 bits.safetensors"
    many, one, other = (load(file) for file in (made.read_bytes(), plain.file(), turned.file()))
    apart, spread = (max(float((each[key] - one[key]).abs().max()) for key in one) for each in (many, other))
    learned = max(float(tensor.abs().max()) for key, tensor in one.items() if "lora_up" in key)
    assert apart <= max(spread, 1e-4 * learned)


def test_a_wish_of_any_process_ends_all_after_the_same_step(two):
    assert len(json.loads((two[0] / "ended" / "steps.json").read_text())) == 4
    assert (two[0] / "ended" / "checkpoints" / "ended-000001.safetensors").is_file()  # what it wished to be saved, the main one saved


def test_one_that_dies_ends_all_and_what_was_learned_is_kept(two):
    assert "ProcessesError: process 1 of this run has died" in two[1][0]
    assert (two[0] / "died" / "died.safetensors").is_file() and saved_identity(state_file(two[0] / "died"))


@only_long
def test_one_that_lacks_memory_for_an_update_ends_all(again):
    assert "ProcessesError: process 1 of this run has ended: Memory ran out at step 4" in again[1][0]
    assert (again[0] / "no memory" / "no memory.safetensors").is_file() and saved_identity(state_file(again[0] / "no memory"))


@only_long
def test_of_what_killed_the_main_one_the_other_saves(tmp_path):
    assert "ProcessesError: process 0 of this run has died" in launch(2, tmp_path, ["died first"], [9, 1])[1]
    assert (tmp_path / "died first" / "died first.safetensors").is_file() and saved_identity(state_file(tmp_path / "died first"))


def test_a_run_goes_on_with_another_number_of_processes(tmp_path, two):
    """One process with 4 pictures began it, two with 1 and two micro-batches end it: with the pictures that the one would have seen."""
    alone, folder = begun_alone(tmp_path, 20), two[0] / "goes on"
    alone.run()
    assert json.loads((folder / "steps.json").read_text())[0] == pytest.approx(list(steps_of(alone)[BEGUN]), rel=1e-5)
    require_same_weights(folder / "goes on.safetensors", alone)


class Rank(Processes):
    """One of `size`, whose others look at nothing."""

    def __init__(self, rank, size):
        self.rank, self.size = rank, size


def test_every_item_is_somebodys_and_nobody_waits_for_a_batch_that_is_not_there():
    batches = [["a", "b", "c"], ["d"]]
    assert [shares(Rank(rank, 2), batches) for rank in range(2)] == [[["a", "c"], ["d"]], [["b"]]]
    assert shares(ALONE, batches) == batches


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
