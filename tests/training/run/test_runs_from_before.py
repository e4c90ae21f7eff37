"""Runs that were paused before the code was cut into rooms go on: their state, their cache, their log and their LoRA.

The files were made by the old code (tests/fixtures/make.py). They hold floats of one machine, so the bits of a finished LoRA are
compared with a run that the present code trains whole here, where its first half has the old bits; else with a tolerance.
"""

import json
import shutil

import pytest

from pack.tests.fixtures import engine_runs as before
from pack.tests.fixtures.engine_runs import CUT, STEPS, state_of
from pack.tests.fixtures.files import assert_close, same, tensors, told
from pack.tests.fixtures.moved import VERSION, StepDone


@pytest.fixture(params=before.CASES)
def case(request):
    return request.param


@pytest.fixture
def folder(tmp_path, case):
    """The old run and the old cache, copied: what a test writes does not reach the fixtures."""
    shutil.copytree(before.FOLDER / case, tmp_path / "old")
    shutil.copytree(before.FOLDER / "cache", tmp_path / "cache")
    return tmp_path


def cached(folder) -> list[str]:
    return sorted(path.name for path in (folder / "cache").rglob("*") if path.is_file())


def test_there_are_files_of_every_case():
    assert {path.name for path in before.FOLDER.iterdir()} == {*before.CASES, "cache"}


def test_the_state_is_taken_over_to_the_bit(folder, case):
    """Paused again before its first step, the run writes what it has read."""
    bench = before.paused_at(before.ground(case, folder / "old", folder / "cache"), 0)
    result = bench.run(state_of(folder / "old"))
    assert (result.reason, result.step) == ("paused", CUT)
    assert same(tensors(state_of(folder / "old")), tensors(state_of(before.FOLDER / case)))
    assert same(tensors(folder / "old" / "run" / "run.safetensors"), tensors(before.FOLDER / case / "run" / "run.safetensors"))


def test_the_cache_serves_it_and_grows_by_nothing(folder, case):
    entries = cached(folder)
    bench = before.ground(case, folder / "old", folder / "cache")
    bench.run(state_of(folder / "old"))
    assert bench.image_encoder.encoded == 0
    assert cached(folder) == entries


def test_it_ends_in_the_same_lora(folder, case):
    resumed = before.ground(case, folder / "old", folder / "cache")
    assert resumed.run(state_of(folder / "old")).reason == "finished"
    assert [event.step for event in resumed.recorder.of(StepDone)] == list(range(CUT + 1, STEPS + 1))
    # Under the name that LoraLoader does not list.
    assert [path.name for path in (folder / "old" / "run" / "state").iterdir()] == ["training.state"]
    path = folder / "old" / "run" / "run.safetensors"
    stored = before.FOLDER / case / "finished.safetensors"
    assert_close(tensors(path), tensors(stored), rtol=1e-4, atol=1e-6)
    now, then = told(path, VERSION), told(stored)
    if case == "flips":  # its pictures had other rules than their dataset, which no node can make: the rules in force are told now
        assert now["ss_flip_aug"] == now["ss_random_crop"] == "True"
        then |= {name: now[name] for name in ("ss_flip_aug", "ss_random_crop", "ss_max_bucket_reso", "ss_datasets")}
    if case == "captions":  # tags are counted as they are trained now, with the trigger word
        assert json.loads(now["ss_tag_frequency"])["pictures"]["lcfox"] == 7
        then |= {name: now[name] for name in ("ss_tag_frequency", "ss_datasets")}
    assert now == then

    cut = before.paused_at(before.ground(case, folder / "cut", folder / "cache"), CUT)
    cut.run()
    if same(tensors(state_of(folder / "cut")), tensors(state_of(before.FOLDER / case))):
        whole = before.ground(case, folder / "whole", folder / "cache")
        whole.run()
        assert path.read_bytes() == (folder / "whole" / "run" / "run.safetensors").read_bytes()


def test_its_log_goes_on(folder, case):
    old = [json.loads(line) for line in (folder / "old" / "run" / "log.jsonl").read_text().splitlines()]
    created = json.loads((folder / "old" / "run" / "run.json").read_text())["created"]
    before.ground(case, folder / "old", folder / "cache").run(state_of(folder / "old"))
    log = [json.loads(line) for line in (folder / "old" / "run" / "log.jsonl").read_text().splitlines()]
    assert [entry for entry in log if entry["event"] == "step"][:CUT] == [entry for entry in old if entry["event"] == "step"]
    assert [entry["step"] for entry in log if entry["event"] == "step"] == list(range(1, STEPS + 1))
    run = json.loads((folder / "old" / "run" / "run.json").read_text())
    assert (run["created"], run["status"], run["summary"]["steps"]) == (created, "finished", STEPS)


@pytest.mark.parametrize("case", ["validation"], indirect=True)
def test_its_checkpoints_are_counted_on(folder, case):
    """keep_last removes the old code's checkpoints as if they were its own; the best one stays."""
    before.ground(case, folder / "old", folder / "cache").run(state_of(folder / "old"))
    names = sorted(path.name for path in (folder / "old" / "run" / "checkpoints").iterdir())
    assert names == ["run-000018.safetensors", "run-000020.safetensors", "run-best.safetensors"]
