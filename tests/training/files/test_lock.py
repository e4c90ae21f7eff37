"""One holder at a time, said by name; whose process is gone holds nothing."""

import json
import os
import socket
import subprocess
import sys
import textwrap
import threading

import pytest

from pack.training.files import lock
from pack.training.files.lock import SILENCE, Taken, locked

HOLDER = textwrap.dedent(
    """
    import sys, time
    from pathlib import Path
    sys.path.insert(0, {tests!r})
    import conftest  # registers `pack`
    from pack.training.files.lock import locked
    with locked(Path({path!r})):
        print("held", flush=True)
        time.sleep(600)
    """
)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "run.lock"


@pytest.fixture
def other_process(path, repo_root):
    process = subprocess.Popen([sys.executable, "-c", HOLDER.format(tests=str(repo_root / "tests"), path=str(path))],
                               stdout=subprocess.PIPE, text=True)
    assert process.stdout.readline() == "held\n"
    yield process
    process.kill()
    process.wait()


def write(path, silent_for=0.0, **changes):
    """A lock as another holder left it, last touched `silent_for` seconds ago."""
    own = lock.here()
    path.write_text(json.dumps({**vars(own), "token": "other", **changes}))
    os.utime(path, (path.stat().st_mtime - silent_for,) * 2)


def holds(path) -> bool:
    with locked(path):
        return path.is_file()


def test_it_is_gone_after_the_block_and_after_an_error(path):
    assert holds(path) and not path.exists()
    with pytest.raises(ZeroDivisionError), locked(path):
        1 / 0  # noqa: B018
    assert list(path.parent.iterdir()) == []


def test_the_same_process_cannot_hold_it_twice(path):
    with locked(path):
        with pytest.raises(Taken, match=f"process {os.getpid()} on"), locked(path):
            pass
        assert path.is_file()


def test_another_process_is_named_until_it_is_killed(path, other_process):
    with pytest.raises(Taken) as caught, locked(path):
        pass
    assert str(caught.value.holder) == f"process {other_process.pid} on '{socket.gethostname()}'"
    assert lock.holder_of(path) == caught.value.holder
    other_process.kill()
    other_process.wait()
    assert lock.holder_of(path) is None
    assert holds(path)


def test_a_file_that_could_not_be_removed_locks_nothing(path, monkeypatch):
    """As on Windows, while another program reads it."""
    def refuse(*_, **__):
        raise PermissionError

    with monkeypatch.context() as patch, locked(path):
        patch.setattr(type(path), "unlink", refuse)
    assert path.is_file() and holds(path) and not path.exists()


def test_a_lock_that_a_full_disk_refuses_is_not_left_empty(path, monkeypatch):
    def refuse(*_):
        raise OSError(28, "no space")

    with monkeypatch.context() as patch, pytest.raises(OSError, match="no space"):
        patch.setattr(lock, "put", refuse)
        with locked(path):
            pass
    assert not path.exists() and holds(path)


def test_a_number_that_another_process_has_got_since_is_stale_once_it_is_silent(path):
    write(path, started=1000.0, silent_for=SILENCE + 60)
    assert holds(path)
    write(path, started=1000.0)  # the clock was set: the holder still touches it
    with pytest.raises(Taken), locked(path):
        pass


def test_another_machine_is_believed_as_long_as_it_touches_its_lock(path):
    write(path, machine="elsewhere", host="elsewhere", silent_for=SILENCE - 60)
    with pytest.raises(Taken, match="on 'elsewhere'"), locked(path):
        pass
    write(path, machine="elsewhere", host="elsewhere", silent_for=SILENCE + 60)
    assert holds(path)


@pytest.mark.parametrize("content", ["", "{", "[]", '{"pid": 1}', '{"host": 1, "machine": "", "pid": -5, "started": "", "token": ""}'])
def test_a_damaged_lock_is_taken_over(path, content, monkeypatch):
    monkeypatch.setattr(lock, "_MOMENT", 0.05)
    path.write_text(content)
    assert holds(path)


def test_what_a_kill_left_in_the_middle_of_a_decision_is_passed(path, monkeypatch):
    monkeypatch.setattr(lock, "_MOMENT", 0.02)
    write(path, pid=2**31 - 2)
    path.with_name("run.lock.deciding").touch()
    assert holds(path)
    assert list(path.parent.iterdir()) == []


def test_of_many_who_find_a_stale_lock_one_gets_it(path):
    write(path, pid=2**31 - 2)
    start, inside, most, held = threading.Barrier(8), [], [], []

    def contend():
        start.wait()
        try:
            with locked(path):
                inside.append(1)
                most.append(len(inside))
                go_on.wait(10)
                inside.pop()
        except Taken:
            held.append(1)
            if len(held) == 7:
                go_on.set()

    go_on = threading.Event()
    threads = [threading.Thread(target=contend) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (most, len(held)) == ([1], 7)


def test_it_is_touched_while_it_is_held(path, monkeypatch):
    monkeypatch.setattr(lock, "BEAT", 0.01)
    touched, utime = threading.Event(), os.utime

    def seen(*given):
        utime(*given)
        touched.set()

    monkeypatch.setattr(os, "utime", seen)
    with locked(path):
        assert touched.wait(30)


def test_a_lock_that_another_one_took_over_is_left_to_it(path):
    """As when this machine slept for long, and another one went on with the run."""

    class Once:
        answers = [False, True]

        def wait(self, _):
            return self.answers.pop(0)

    with locked(path):
        own = lock._read(path)
        write(path, silent_for=100.0, machine="elsewhere")
        before = path.stat().st_mtime_ns
        lock._touch_until(path, own, Once())
        assert path.stat().st_mtime_ns == before
    assert path.is_file()
