"""A state file is data: whatever is in it, a run goes on from it exactly, or is refused in a sentence. No name in it is obeyed."""

import json

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file

from pack.tests.mutations import Mutation, of_bytes, of_state, unsigned
from pack.tests.training.run.test_resume import CASES, ground, stop_at
from pack.training.errors import NonFiniteError, StateError, TrainingError
from pack.training.events import Saved, StepDone
from pack.training.files.tensors import is_intact, write_tensors

CUT = 4


@pytest.fixture(scope="module")
def cut(tmp_path_factory):
    """A run with every sort of memory, paused at step 4, and its state."""
    folder = tmp_path_factory.mktemp("cut")
    bench = stop_at(_ground(folder), CUT)
    bench.run()
    return folder, (bench.folder / "state" / "training.state").read_bytes()


def _ground(folder, case="EMA"):
    return ground(folder, CASES[case], steps=6, save_every_n_steps=2, keep_last=1, validate_every_n_steps=2)


def goes_on(folder, content: bytes) -> str:
    """Resume from `content` for a step: 'goes on', or the sentence with which it is refused. Everything else is raised."""
    state = folder / "run" / "state" / "training.state"
    state.write_bytes(content)
    bench = stop_at(_ground(folder), CUT + 1)
    try:
        bench.run(state)
    except TrainingError as error:
        assert isinstance(error, (StateError, NonFiniteError)) and str(folder) not in str(error)
        assert "\n" not in str(error) or "was trained with something else" in str(error)
        assert isinstance(error, NonFiniteError) or not (bench.recorder.of(StepDone) or bench.recorder.of(Saved))
        return str(error)
    return "goes on"


def tried(folder, mutation: Mutation) -> str:
    try:
        return goes_on(folder, mutation.content)
    except Exception as error:
        raise AssertionError(f"{mutation.told}: {type(error).__name__}: {error}") from error


def test_the_whole_state_goes_on(cut):
    assert goes_on(*cut) == "goes on"


def test_every_damage_is_noticed(cut):
    folder, whole = cut
    for mutation in of_bytes(whole, seed=1, count=60):
        assert tried(folder, mutation) != "goes on" or mutation.content == whole, mutation.told


def test_states_of_strangers_are_refused_in_a_sentence_or_go_on(cut):
    folder, whole = cut
    told = {mutation.told: tried(folder, mutation) for mutation in of_state(whole, seed=2, count=90)}
    assert sum(outcome != "goes on" for outcome in told.values()) > 40


def test_states_without_a_checksum_go_on_and_are_never_raw(cut):
    folder, whole = cut
    old = unsigned(whole)
    assert goes_on(folder, old) == "goes on"
    for mutation in of_bytes(old, seed=3, count=60):
        tried(folder, mutation)


def rewritten(folder, content, **changes) -> bytes:
    """The state with other facts, as this program would write it."""
    path = folder / "run" / "state" / "training.state"
    path.write_bytes(content)
    with safe_open(path, "pt") as file:
        metadata, tensors = file.metadata(), {name: file.get_tensor(name).clone() for name in file.keys() if name != "lora_canvas_crc32"}
    facts = json.loads(metadata["lora_canvas_state"]) | changes
    write_tensors(path, tensors, {**metadata, "lora_canvas_state": json.dumps(facts)}, checksum=True)
    return path.read_bytes()


@pytest.mark.parametrize("name", ["../../precious-000002.safetensors", "{folder}/precious-000002.safetensors", "notes.txt", "", 7, None])
def test_names_in_a_state_delete_nothing(tmp_path, cut, name):
    folder, whole = cut
    precious = tmp_path / "precious-000002.safetensors"
    precious.write_text("mine")
    name = name.format(folder=tmp_path) if isinstance(name, str) else name
    content = rewritten(folder, whole, companions={"Checkpoints": [name]})
    assert "as one of its checkpoints" in goes_on(folder, content)
    assert precious.read_text() == "mine"


def test_a_linked_folder_of_checkpoints_is_left_alone(tmp_path, cut):
    """What lies behind a link that leads out of the run's folder was not written by this run, whatever its state says."""
    folder, whole = cut
    (tmp_path / "others").mkdir()
    (tmp_path / "others" / "run-000002.safetensors").write_text("mine")
    (tmp_path / "linked" / "run" / "state").mkdir(parents=True)
    (tmp_path / "linked" / "run" / "checkpoints").symlink_to(tmp_path / "others")
    content = rewritten(folder, whole, companions={"Checkpoints": ["run-000002.safetensors"]})
    state = tmp_path / "linked" / "run" / "state" / "training.state"
    state.write_bytes(content)
    _ground(tmp_path / "linked").run(state)
    assert (tmp_path / "others" / "run-000002.safetensors").read_text() == "mine"


def test_the_checksum_is_of_all_bytes(tmp_path):
    path = tmp_path / "x.safetensors"
    write_tensors(path, {"a": torch.arange(5.0), "flag": torch.tensor(True)}, {"told": '"lora_canvas_crc32":{'}, checksum=True)
    whole = path.read_bytes()
    assert load_file(path)["flag"]
    assert is_intact(path) is True
    for place in range(len(whole)):
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :])
        assert is_intact(path) is not True
    write_tensors(path, {"a": torch.arange(5.0)}, {"told": '"lora_canvas_crc32":{'})
    assert is_intact(path) is None
