"""Text files with any bytes in them."""

import json

from hypothesis import given, settings
from hypothesis import strategies as st

from pack.training.data.folder.caption_files import Metadata, read_text
from pack.training.data.folder.index import stamp_of
from pack.training.data.folder.walk import File, walk


def read(path, content: bytes, **options):
    path.write_bytes(content)
    problems, warnings = [], []
    return read_text(File(path, path.name, stamp_of(path)), problems, warnings, **options), problems, warnings


def test_encodings(tmp_path):
    path = tmp_path / "a.txt"
    assert read(path, "gr\u00fcn\n".encode()) == ("gr\u00fcn", [], [])
    assert read(path, b"\xef\xbb\xbfred")[0] == "red"
    assert read(path, "\u0432\u043e\u043b\u043a".encode("utf-16"))[0] == "\u0432\u043e\u043b\u043a"
    text, problems, warnings = read(path, "gr\u00fcn".encode("latin-1"))
    assert text == "gr\u00fcn" and not problems and "not UTF-8" in warnings[0]
    assert read(path, b"a\0b")[0] == "ab"


def test_a_file_that_is_too_long_or_gone(tmp_path):
    text, problems, _ = read(tmp_path / "a.txt", b"x" * 11, limit=10)
    assert text == "" and "has 11 bytes; a text file may have 10" in problems[0]
    problems = []
    assert read_text(File(tmp_path / "no.txt", "no.txt", (1, 0, 0)), problems, []) == ""
    assert "no.txt: cannot be read" in problems[0]


def metadata(folder) -> tuple[Metadata, list[str]]:
    found, problems = Metadata(), []
    for part in walk(folder, recursive=True, skipped=[]):
        found.add(part, problems, [])
    return found, problems


def test_names_and_texts_under_several_keys(tmp_path):
    rows = [{"image": "a.png", "prompt": "one"}, {"path": "sub\\b.png", "tags": "two"}, {"FILE_NAME": "c.png", "Text": 3}]
    (tmp_path / "metadata.jsonl").write_text("\n\n".join(map(json.dumps, rows)))
    found, problems = metadata(tmp_path)
    assert [found.get(name) for name in ("a.png", "sub/b.png", "c.png", "d.png")] == ["one", "two", "3", ""]
    assert not problems and found.found


@settings(max_examples=150, deadline=None)
@given(content=st.binary(max_size=200) | st.text(alphabet='{}[]":,\n\\0a"', max_size=80).map(str.encode))
def test_any_bytes(tmp_path_factory, content):
    folder = tmp_path_factory.getbasetemp() / "any"
    folder.mkdir(exist_ok=True)
    text, _, _ = read(folder / "a.txt", content)
    assert "\0" not in text
    (folder / "metadata.jsonl").write_bytes(content)
    (folder / "metadata.csv").write_bytes(content)
    _, problems = metadata(folder)
    assert all(problem.startswith(("metadata.jsonl", "metadata.csv")) for problem in problems)


def test_deeply_nested_json(tmp_path):
    (tmp_path / "metadata.jsonl").write_text("[" * 100_000)
    assert "is not a JSON object" in metadata(tmp_path)[1][0]
