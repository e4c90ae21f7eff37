"""The panel's routes on a real ComfyUI server, behind its own middlewares; what they answer in detail: tests/comfy/test_routes.py."""

import http.client
import json

import pytest
from PIL import Image

from pack.training.events import RunEnded, RunStarted, StepDone
from pack.training.record.log import JsonlLog
from pack.training.record.run_json import RunJson


@pytest.fixture(scope="module")
def past_run(comfy_server):
    """A run that lies on disk since before the server looked."""
    folder = comfy_server.base / "output" / "lora_canvas" / "on disk"
    listeners = [JsonlLog(folder), RunJson(folder)]
    events = [RunStarted(run_name="on disk", folder=folder, start_step=0, total_steps=3, steps_per_epoch=3.0)]
    events += [StepDone(step=n, total_steps=3, epoch=n / 3, loss=1 / n, learning_rates={"diffusion_model": 1e-4}, grad_norm=1.0,
                        items=1, seconds=0.1) for n in (1, 2, 3)]
    events.append(RunEnded(reason="finished", step=3, total_steps=3, lora_path=None, seconds=1.0))
    for event in events:
        for listener in listeners:
            listener(event)
    (folder / "samples").mkdir()
    Image.new("RGB", (8, 8)).save(folder / "samples" / "step_000003_00.png")
    return folder


@pytest.fixture
def ask(comfy_server):
    """`ask(method, path, body, headers)`: the path goes out as it is, without any tidying."""

    def send(method, path, body=None, headers=None):
        connection = http.client.HTTPConnection("127.0.0.1", comfy_server.port, timeout=30)
        connection.request(method, path, body, headers or {})
        response = connection.getresponse()
        content = response.read()
        connection.close()
        return response.status, response.headers, content

    return send


@pytest.mark.parametrize("prefix", ["", "/api"])
def test_runs_are_listed_and_read(ask, past_run, prefix):
    status, _, content = ask("GET", f"{prefix}/lora_canvas/runs")
    assert status == 200
    assert "on disk" in [run["name"] for run in json.loads(content)["runs"]]
    _, _, content = ask("GET", f"{prefix}/lora_canvas/runs/on%20disk/log")
    assert [record["event"] for record in json.loads(content)["records"]] == ["started", "ended", "step", "step", "step"]


def test_pictures_come_with_headers_that_keep_them_fresh(ask, past_run):
    status, headers, _ = ask("GET", "/api/lora_canvas/runs/on%20disk/files/samples/step_000003_00.png")
    assert (status, headers["Content-Type"], headers["Cache-Control"]) == (200, "image/png", "no-cache")


def test_modules_are_served_as_javascript_and_asked_for_each_time(ask):
    status, headers, _ = ask("GET", "/extensions/ComfyUI-LoRA-Canvas/store.mjs")
    assert (status, headers["Cache-Control"]) == (200, "no-cache")
    assert headers["Content-Type"].startswith("text/javascript")


@pytest.mark.parametrize(
    "path",
    ["/lora_canvas/runs/../../models", "/lora_canvas/runs/%2e%2e/log", "/lora_canvas/runs/..%2f..%2fmodels/log",
     "/lora_canvas/runs/on%20disk/files/../run.json", "/lora_canvas/runs/on%20disk/files/samples/..%2frun.json",
     "/lora_canvas/runs/on%20disk/files/samples/%2e%2e/log.jsonl", "/lora_canvas/runs/on%20disk/files/%2fetc%2fpasswd",
     "/api/lora_canvas/runs/on%20disk/files/run.json"],
)
def test_nothing_outside_is_served(ask, past_run, path):
    assert ask("GET", path)[0] in (403, 404, 405)


def test_foreign_pages_wrong_methods_and_large_bodies_are_refused(ask, past_run):
    control, json_type = "/api/lora_canvas/runs/on%20disk/control", {"Content-Type": "application/json"}
    assert ask("POST", control, b'{"action": "stop"}', {**json_type, "Origin": "http://evil.example"})[0] == 403
    assert ask("GET", "/api/lora_canvas/runs", headers={"Sec-Fetch-Site": "cross-site"})[0] == 403
    assert ask("DELETE", "/api/lora_canvas/runs/on%20disk")[0] == 405
    assert ask("GET", control)[0] == 405
    assert ask("POST", control, b" " * 10_000, json_type)[0] == 413
    assert ask("POST", control, b'{"action": "stop"}', json_type)[0] == 409
