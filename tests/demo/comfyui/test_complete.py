"""What ComfyUI's requirements forgot is installed; what has no working build is left out, with a sentence."""

import pytest

from pack.demo.comfyui import complete as module


@pytest.mark.parametrize(
    ("broken", "left_out", "last", "sentence"),
    [
        ((), [], "-c import torchaudio", "installing torchaudio"),
        (("install -c",), ["torchaudio"], "torchaudio", "There is no torchaudio that fits"),
        (("import torchaudio",), ["torchaudio"], "uninstall --yes torchaudio", "was taken out again"),
    ],
)
def test_a_missing_module(monkeypatch, capsys, tmp_path, broken, left_out, last, sentence):
    run = []

    def python(*arguments):
        run.append(" ".join(arguments))
        return not any(part in run[-1] for part in broken)

    monkeypatch.setattr(module, "missing", lambda comfyui: {"torchaudio": "comfy/audio.py:7"})
    monkeypatch.setattr(module, "_python", python)
    assert module.complete(tmp_path) == left_out
    assert run[0].endswith("install -c " + str(module.PINNED) + " torchaudio") and run[-1].endswith(last)
    assert "comfy/audio.py:7" in (said := capsys.readouterr().out) and sentence in said


def test_the_pins_exist():
    assert "torch==" in module.PINNED.read_text(encoding="utf-8")
