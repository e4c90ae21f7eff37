"""All of `make gpu` on the CPU, with tiny models: what needs a card says so, everything else is good."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

from pack.tests.gpu.run import Group, Run, _run_group, groups_for
from pack.tests.gpu.table import table

RUN = Path(__file__).with_name("run.py")


def test_every_check_ends_in_a_verdict(tmp_path, monkeypatch):
    """ComfyUI is the one of the tests; kohya's modules are not at hand."""
    names = [word.partition(":")[0] for group in groups_for("cpu") for word in group.checks.split()]
    command = [sys.executable, str(RUN), "--comfy", os.environ["COMFYUI_PATH"], "--out", str(tmp_path), "--work", str(tmp_path / "work"),
               "--device", "cpu", "--tiny", "--seconds", "560"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=600)
    results = json.loads((tmp_path / "results.json").read_text(encoding="utf-8"))
    found = {entry["check"]: entry for entry in results if entry["check"] != "start"}
    assert [entry["say"] for entry in results if entry["ok"] is False] == [] and done.returncode == 0, done.stderr[-2000:]
    assert sorted(found) == sorted(names)
    assert {name for name, entry in found.items() if entry["ok"] is None} == {
        "gradients.partly_loaded", "gradients.fast_fp8", "through_nodes.out_of_memory", "steps.on_small_cards", "rivals.kohya"}
    assert "sd15 64" in done.stdout and "core" in done.stdout


def test_a_table_names_what_was_not_good():
    row = {"family": "sdxl", "side": 1024, "ckpt": True, "s_step": 0.5, "peak_gib": 5.9, "beside_gib": 1.1, "plan_gib": 1.0, "loaded": 1.0}
    told = table([
        {"group": "steps", "check": "start", "ok": True, "say": ""},
        {"group": "steps", "check": "steps.sdxl", "ok": False, "say": "no", "row": row},
        {"group": "steps", "check": "steps.flux", "ok": None, "say": "no time left"},
    ])
    lines = told.splitlines()
    assert lines[1].split() == ["steps", "sdxl", "1024", "True", "0.5000", "5.90", "1.10", "1.00", "100%"]
    assert lines[2:] == ["BAD steps: steps.sdxl: no", "-   steps: steps.flux: no time left", "0 good, 1 bad, 1 without a verdict"]


def test_a_check_that_hangs_or_dies_is_left_out_and_the_rest_goes_on(tmp_path):
    """A worker that stands still in its first check, dies in its second, and does the third."""
    pack = tmp_path / "pack" / "tests" / "gpu"
    pack.mkdir(parents=True)
    (pack / "worker.py").write_text(
        "import json, os, sys, time\n"
        "say = lambda **what: print('@@' + json.dumps(what), flush=True)\n"
        "for word in sys.argv[2:]:\n"
        "    name, _, limit = word.partition(':')\n"
        "    say(start=name, limit=float(limit))\n"
        "    if name == 'hangs': time.sleep(60)\n"
        "    if name == 'dies': os._exit(9)\n"
        "    say(check=name, ok=True, say='fine', seconds=0.1)\n"
        "    say(end=name)\n", encoding="utf-8")
    asked = SimpleNamespace(out=tmp_path, work=tmp_path, comfy=tmp_path, carry=None, device="cuda", tiny=True, only=[])
    one = Run(asked, {"pack": tmp_path / "pack"}, 1e12)
    _run_group(one, Group("group", 1, 1.0, "hangs:1 dies:5 works:5"), time.monotonic() + 60)
    assert [(entry["check"], entry["ok"]) for entry in one.results] == [("hangs", False), ("dies", False), ("works", True)]
