"""Documents that others may have written: links, circles, JSON that is none, and the machine's paths in texts."""

import pytest

from pack.training.files.strangers import circle, parse, read_inside, without_paths


def test_files_are_read_where_they_lie(tmp_path):
    run = tmp_path / "run"
    run.mkdir()
    (tmp_path / "secret.json").write_text("secret")
    (run / "own.json").write_text("own")
    (run / "linked.json").symlink_to(tmp_path / "secret.json")
    (run / "turning.json").symlink_to(run / "turning.json")
    (run / "folder.json").mkdir()
    assert read_inside(run, "own.json") == b"own"
    assert [read_inside(run, f"{name}.json") for name in ("linked", "turning", "folder", "missing")] == [None] * 4


@pytest.mark.parametrize("link, target", [("x", "."), ("x", ".."), ("x", "/"), ("a/x", "../b")])
def test_links_that_lead_in_a_circle(tmp_path, link, target):
    root = tmp_path / "runs"
    (root / "a").mkdir(parents=True)
    (root / "b").mkdir()
    (root / "b" / "to_a").symlink_to("../a")
    assert circle(root) is None and circle(tmp_path / "missing") is None
    (root / link).symlink_to(target)
    assert circle(root) is not None


def test_what_cannot_be_written_again_is_no_json():
    assert parse(b'{"a": NaN}') == {"a": None}
    for text in (b"", b"{", b'{"a": 1e999}', b"[" * 100_000, b'"\xff"'):
        with pytest.raises(ValueError):
            parse(text)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("OSError: [Errno 28] No space left: '/home/me/my runs/fox/x.png'", "OSError: [Errno 28] No space left: 'x.png'"),
        ("/home/me/fox/x.safetensors: it is cut", "x.safetensors: it is cut"),
        (r"C:\Users\me\x.png and \\server\share\y.png", "x.png and y.png"),
        ("1/2 of it, and/or https://example.org/a/b, 3 a / b", "1/2 of it, and/or https://example.org/a/b, 3 a / b"),
    ],
)
def test_paths_stay_on_the_machine(text, told):
    assert without_paths(text) == told
