"""Files changed only where they are as they were thought to be, and taken back in one go."""

import os

import pytest

from pack.training.data.editing import files
from pack.training.data.editing.files import FileChange, History, content
from pack.training.errors import FileError


@pytest.fixture
def three(tmp_path):
    paths = [tmp_path / f"{name}.txt" for name in "abc"]
    for path in paths[:2]:
        path.write_bytes(path.stem.encode())
    return paths


def test_an_edit_of_many_files_is_one_undo(three):
    history = History()
    a, b, c = three
    changes = [FileChange(a, b"a", b"A"), FileChange(b, b"b", None), FileChange(c, None, b"C")]
    assert len(history.carry_out("all", changes).made) == 3
    assert [content(path) for path in three] == [b"A", None, b"C"]
    label, done = history.undo()
    assert (label, len(done.made), done.clashes) == ("all", 3, [])
    assert [content(path) for path in three] == [b"a", b"b", None]
    assert history.undo() is None


def test_what_was_changed_elsewhere_is_left_by_edit_and_undo(three):
    history = History()
    a, b, _ = three
    assert history.carry_out("a", [FileChange(a, b"another", b"A"), FileChange(b, b"b", b"B")]).clashes == [a]
    assert (content(a), content(b)) == (b"a", b"B")
    b.write_bytes(b"theirs")
    _, done = history.undo()
    assert (done.clashes, content(b)) == ([b], b"theirs")


def test_a_burst_is_one_edit_and_another_is_not(three):
    history, a = History(), three[0]
    for before, after, burst in ((b"a", b"ab", "1"), (b"ab", b"abc", "1"), (b"abc", b"x", "2")):
        history.carry_out("a", [FileChange(a, before, after)], burst)
    history.undo()
    assert content(a) == b"abc"
    history.undo()
    assert content(a) == b"a" and history.last is None


def test_the_history_has_its_bounds(three, monkeypatch):
    monkeypatch.setattr(files, "MOST_EDITS", 2)
    history, a = History(), three[0]
    for number in range(4):
        history.carry_out(str(number), [FileChange(a, content(a), b"%d" % number)])
    assert [history.undo()[0], history.undo()[0], history.undo()] == ["3", "2", None]


def test_where_the_disk_refuses_the_rest_waits_and_what_was_done_can_be_undone(three, monkeypatch):
    history = History()
    a, b, _ = three
    real = files.write_bytes

    def full(path, data):
        if path == b:
            raise FileError("b.txt: the disk is full.")
        real(path, data)

    monkeypatch.setattr(files, "write_bytes", full)
    done = history.carry_out("all", [FileChange(a, b"a", b"A"), FileChange(b, b"b", b"B")])
    assert (str(done.error), content(a), content(b)) == ("b.txt: the disk is full.", b"A", b"b")
    assert history.undo()[0] == "all" and content(a) == b"a"


@pytest.mark.skipif(os.name == "nt", reason="links need rights there")
def test_a_link_out_of_the_folder_is_not_read_and_not_written_through(tmp_path, three):
    secret = tmp_path.parent / f"{tmp_path.name} secret.txt"
    secret.write_bytes(b"secret")
    link = tmp_path / "c.txt"
    link.symlink_to(secret)
    assert content(link) is None
    History().carry_out("c", [FileChange(link, None, b"mine")])
    assert (secret.read_bytes(), link.read_bytes(), link.is_symlink()) == (b"secret", b"mine", False)
