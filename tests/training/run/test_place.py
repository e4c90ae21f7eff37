"""A name that is too long and a folder that takes nothing are refused before anything is encoded."""

import errno
from pathlib import Path, PureWindowsPath

import pytest

from pack.tests.training.run.fakes import Bench
from pack.tests.training.unreliable_disk import Disk
from pack.training.errors import DiskError, SettingsError
from pack.training.files.lengths import WINDOWS, WINDOWS_LONG_PATHS, Lengths, lengths_at, too_long
from pack.training.run.place import require_short
from pack.training.specs import RunSpec

LINUX = Lengths(name=255, path=4095)


def bench(folder, **settings) -> Bench:
    return Bench(folder=folder, run_spec=RunSpec(steps=1, gradient_checkpointing=False, **settings))


def test_a_name_of_225_bytes_is_refused_before_step_1(tmp_path):
    """As filed: it trained to the first save, and lost everything."""
    ground = bench(tmp_path / ("x" * 225))
    with pytest.raises(SettingsError, match="run_name is too long: the name of '.*' has 260 bytes, and .* takes 255. Make .* 5 bytes"):
        ground.run()
    assert ground.image_encoder.encoded == 0 and [path for path in ground.folder.rglob("*") if path.is_file()] == []


def test_the_longest_name_that_is_allowed_trains_to_its_end(tmp_path):
    most = 255
    while True:
        name = "x" * most
        try:
            require_short(tmp_path / name, lengths_at(tmp_path))
            break
        except SettingsError:
            most -= 1
    assert 200 < most < 225
    ground = bench(tmp_path / name, save_every_n_steps=1)
    assert ground.run().reason == "finished" and ground.file()


def test_bytes_count_where_the_system_counts_bytes(tmp_path):
    """A Chinese letter has three of them, and one of what Windows counts."""
    with pytest.raises(SettingsError, match="Make run_name shorter by [0-9]+ bytes or more"):
        require_short(tmp_path / ("狐" * 80), LINUX)
    require_short(tmp_path / ("狐" * 80), WINDOWS_LONG_PATHS)


def test_windows_limits_come_sooner():
    folder = PureWindowsPath("C:/Users/somebody/ComfyUI_windows_portable/ComfyUI/output/lora_canvas")
    for name, fits in (("x" * 40, True), ("x" * 120, False)):
        file = folder / name / "checkpoints" / f".{name}-000500.safetensors.1234.part"
        assert (too_long([file], WINDOWS) is None) is fits
        assert too_long([file], WINDOWS_LONG_PATHS) is None
    found = too_long([file], WINDOWS)
    assert found.told.startswith("the path of '.xxx") and found.over == len(str(file)) - 259 and found.is_path
    assert "and this system takes 259" in found.told
    deep = Path("/" + "d" * 230)
    with pytest.raises(SettingsError, match="switch long paths on in Windows"):
        require_short(deep / "run", WINDOWS)


def test_a_folder_that_takes_nothing_is_refused_before_a_resume_does_anything(tmp_path, monkeypatch):
    ground = bench(tmp_path / "run", save_every_n_steps=1)
    ground.run()
    before = {path: path.read_bytes() for path in ground.folder.rglob("*") if path.is_file()}
    again = bench(tmp_path / "run", save_every_n_steps=1)
    disk = Disk(monkeypatch)
    disk.number, disk.refuses = errno.EROFS, lambda name: name == ".trial"
    with pytest.raises(DiskError, match="read-only file system .*Mount it writable, or start ComfyUI with --output-directory"):
        again.run(again.folder / "state" / "training.state")
    assert again.image_encoder.encoded == 0
    assert {path: path.read_bytes() for path in ground.folder.rglob("*") if path.is_file()} == before
