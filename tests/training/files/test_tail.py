"""Lines from the end of a file: all of them, where they begin, and no more read than is asked for."""

import io

import pytest

from pack.training.files.tail import BLOCK, backwards


class Counted(io.BytesIO):
    """How many bytes were read of it."""

    taken = 0

    def read(self, size=-1):
        content = super().read(size)
        self.taken += len(content)
        return content


@pytest.mark.parametrize("block", [1, 2, 3, 7, BLOCK])
@pytest.mark.parametrize("content", [
    b"", b"\n", b"one\n", b"one", b"one\ntwo\n", b"one\n\n\ntwo\nthree", b"a\r\nb\n", b"\n\nlong line\n" * 5])
def test_every_line_the_last_one_first(monkeypatch, content, block):
    monkeypatch.setattr("pack.training.files.tail.BLOCK", block)
    found = list(backwards(io.BytesIO(content)))
    assert [line for _, line in found][::-1] == content.splitlines(keepends=True)
    assert all(content[begin:].startswith(line) for begin, line in found)
    assert sum(len(line) for _, line in found) == len(content)


def test_what_is_read_does_not_grow_with_the_file():
    taken = []
    for lines in (10_000, 100_000):
        file = Counted(b"a line of a log\n" * lines)
        for _, _ in zip(range(50), backwards(file), strict=False):
            pass
        taken.append(file.taken)
    assert taken == [BLOCK, BLOCK]
