"""Whole or not at all, tried again where it matters, and said in plain words when the disk refuses."""

import errno
import os

import pytest

from pack.tests.training.unreliable_disk import Disk
from pack.training.errors import DiskError
from pack.training.files import atomic
from pack.training.files.refusals import refused


@pytest.fixture
def disk(monkeypatch) -> Disk:
    return Disk(monkeypatch)


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def test_what_was_there_stays_when_the_disk_refuses(tmp_path, disk):
    atomic.write_text(tmp_path / "a.txt", "before")
    disk.refuses = lambda name: name == "a.txt"
    with pytest.raises(DiskError, match="'a.txt' in the folder '.*' could not be written: disk full .* Free some space") as caught:
        atomic.write_text(tmp_path / "a.txt", "a longer text")
    assert caught.value.cause == "disk full" and str(tmp_path.parent) not in str(caught.value)
    assert (tmp_path / "a.txt").read_text() == "before" and names(tmp_path) == ["a.txt"]
    assert disk.refused == ["a.txt"]


def test_a_precious_file_is_tried_again(tmp_path, disk):
    disk.refuses = lambda name: len(disk.refused) < 2
    atomic.write_whole(tmp_path / "a.bin", lambda: [b"one ", b"two"], precious=True)
    assert (tmp_path / "a.bin").read_bytes() == b"one two" and names(tmp_path) == ["a.bin"]
    assert len(disk.refused) == 2


def test_a_precious_file_is_given_up_in_the_end(tmp_path, disk):
    disk.refuses = lambda name: True
    with pytest.raises(DiskError):
        atomic.write_bytes(tmp_path / "a.bin", b"one", precious=True)
    assert len(disk.refused) == 3 and names(tmp_path) == []


def test_adding_to_a_file_is_all_or_nothing(tmp_path, disk):
    atomic.append(tmp_path / "log", b"first\n")
    disk.refuses = lambda name: True
    with pytest.raises(DiskError):
        atomic.append(tmp_path / "log", b"second line\n")
    assert (tmp_path / "log").read_bytes() == b"first\n"
    disk.refuses = lambda name: False
    atomic.append(tmp_path / "log", b"third\n")
    assert (tmp_path / "log").read_bytes() == b"first\nthird\n"


def test_a_folder_that_vanished_is_made_again(tmp_path):
    atomic.append(tmp_path / "run" / "log", b"x")
    os.remove(tmp_path / "run" / "log")
    os.rmdir(tmp_path / "run")
    atomic.append(tmp_path / "run" / "log", b"y")
    atomic.write_text(tmp_path / "run" / "small" / "a", "z")
    assert names(tmp_path / "run") == ["log", "small"]


@pytest.mark.parametrize(("number", "cause"), [
    (errno.ENOSPC, "disk full"), (errno.EDQUOT, "disk full"), (errno.EROFS, "read-only file system"), (errno.EACCES, "no permission"),
    (errno.EPERM, "no permission"), (errno.ENOENT, "folder gone"), (errno.ESTALE, "folder gone"), (errno.ENAMETOOLONG, "path too long"),
    (errno.EFBIG, "file too large"), (errno.EIO, "disk failed"), (None, "disk failed"),
])
def test_every_refusal_has_its_words(tmp_path, number, cause):
    told = refused(tmp_path / "x.safetensors", OSError(number, "what the system says"))
    assert told.cause == cause and f"could not be written: {cause}" in str(told) and str(told).endswith(".")


@pytest.mark.parametrize(("windows", "cause"), [(112, "disk full"), (39, "disk full"), (19, "read-only file system"),
                                               (206, "path too long")])
def test_windows_own_numbers_come_first(tmp_path, windows, cause):
    error = OSError(errno.ENOENT, "what the system says")
    error.winerror = windows
    assert refused(tmp_path / "x", error).cause == cause
