"""run.json and log.jsonl of a folder that anybody may have filled: what is odd is left out, the rest is read."""

import json

import pytest

from pack.tests.mutations import of_bytes, of_json, of_lines
from pack.training.record.history import read_log, read_records
from pack.training.record.log import keep_until
from pack.training.record.run_json import read_run

STEP = {"event": "step", "step": 1, "total_steps": 9, "epoch": 0.1, "loss": 0.5, "lr": {"diffusion_model": 1e-4}, "grad_norm": 1.0,
        "items": 2, "seconds": 0.5, "memory": None, "peak_memory": None}
LINES = [{"event": "started", "run": "fox", "start_step": 0, "total_steps": 9}, *({**STEP, "step": step} for step in range(1, 8)),
         {"event": "message", "level": "info", "topic": "x", "text": "hello", "step": None},
         {"event": "validated", "step": 7, "loss": 0.4, "bands": {"t=100": 0.3}},
         {"event": "ended", "reason": "finished", "step": 9}]
LOG = b"".join(json.dumps(line).encode() + b"\n" for line in LINES)
RUN = json.dumps({
    "name": "fox", "created": 1.0, "updated": 2.0, "status": "finished", "step": 9, "total_steps": 9, "settings": {"run": {"steps": 9}},
    "lora_path": "/x/fox.safetensors", "summary": {"steps": 9, "seconds": 4.5, "best": {"step": 7, "loss": 0.4}},
}).encode()


def test_odd_logs_are_read(tmp_path):
    for mutation in [*of_lines(LOG, seed=6, count=150), *of_bytes(LOG, seed=7, count=100)]:
        (tmp_path / "log.jsonl").write_bytes(mutation.content)
        json.dumps(read_log(tmp_path, points=3), allow_nan=False)
        read_records(tmp_path, after=2)
        keep_until(tmp_path / "log.jsonl", 3)


def test_one_odd_line_costs_that_line_alone(tmp_path):
    for odd in (b"{}", b'{"step": "7"}', b"no json", b'{"event": "step", "step": 3}', b"[" * 5000):
        (tmp_path / "log.jsonl").write_bytes(odd + b"\n" + LOG)
        assert read_records(tmp_path) == LINES
        keep_until(tmp_path / "log.jsonl", 7)
        assert [entry["step"] for entry in read_records(tmp_path) if entry["event"] == "step"] == list(range(1, 8))


def test_odd_run_files_are_read_or_are_none(tmp_path):
    for mutation in [*of_json(RUN, seed=8, count=200), *of_bytes(RUN, seed=9, count=100)]:
        (tmp_path / "run.json").write_bytes(mutation.content)
        run = read_run(tmp_path)
        if run is not None:
            json.dumps(run, allow_nan=False)
            assert isinstance(run.get("updated") or 0, (int, float)) and isinstance(run.get("summary") or {}, dict)


@pytest.mark.parametrize("name", ["run.json", "log.jsonl"])
def test_links_that_lead_out_are_neither_read_nor_cut(tmp_path, name):
    outside, run = tmp_path / "outside", tmp_path / "run"
    run.mkdir()
    outside.write_bytes(LOG if name == "log.jsonl" else RUN)
    (run / name).symlink_to(outside)
    assert not read_run(run) and not read_records(run)
    keep_until(run / name, 0)
    assert outside.stat().st_size
