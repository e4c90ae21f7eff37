"""The panel's routes: what they answer, and everything they refuse."""

import asyncio
import json
import os

import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer
from PIL import Image

from pack.training.files.lock import locked
from pack.training.record.log import JsonlLog
from pack.training.record.run_json import RunJson
from pack.training.record.taken import LOCK_NAME

CONTROL = "/lora_canvas/runs/fox/control"


class Control:
    """Remembers what it was asked for."""

    def __init__(self):
        self.asked = []

    def request_stop(self):
        self.asked.append("stop")

    def request_pause(self):
        self.asked.append("pause")

    def request_save(self):
        self.asked.append("save")

    def request_preview(self):
        self.asked.append("preview")

    def set_learning_rate_scale(self, scale):
        self.asked.append(scale)


class PlainServer:
    """The part of ComfyUI's server that routes are added to."""

    def __init__(self):
        self.routes, self.app = web.RouteTableDef(), web.Application()


class Answer:
    def __init__(self, status, headers, body):
        self.status, self.headers, self.body = status, headers, body

    @property
    def json(self):
        return json.loads(self.body)


@pytest.fixture
def ask(comfy):
    """`ask(method, path, **aiohttp options)` asks the routes on a server of their own."""
    routes = comfy.module("pack.host.panel.routes")

    async def once(method, path, options):
        server = PlainServer()
        routes.register(server)
        server.app.add_routes(server.routes)
        async with TestClient(TestServer(server.app)) as client:
            async with client.request(method, path, **options) as response:
                return Answer(response.status, response.headers, await response.read())

    return lambda method, path, **options: asyncio.run(once(method, path, options))


@pytest.fixture
def root(comfy, tmp_path, monkeypatch):
    """An empty output folder of ComfyUI's; the folder of the runs in it."""
    monkeypatch.setattr(comfy.folder_paths, "output_directory", str(tmp_path / "output"))
    return tmp_path / "output" / "lora_canvas"


@pytest.fixture
def fox(root):
    """A finished run on disk with a picture and its graph."""
    from pack.training.events import RunEnded, RunStarted, StepDone

    folder = root / "fox"
    listeners = [JsonlLog(folder), RunJson(folder, {"nodes": []}, {"5": {"inputs": {}}}, "5")]
    events = [RunStarted(run_name="fox", folder=folder, start_step=0, total_steps=80, steps_per_epoch=8.0, settings={"rank": 8})]
    events += [StepDone(step=n, total_steps=80, epoch=n / 8, loss=1 / n, learning_rates={"diffusion_model": 1e-4}, grad_norm=1.0,
                        items=1, seconds=0.1) for n in range(1, 81)]
    events.append(RunEnded(reason="finished", step=80, total_steps=80, lora_path=None, seconds=8.0))
    for event in events:
        for listener in listeners:
            listener(event)
    (folder / "samples").mkdir()
    Image.new("RGB", (8, 8)).save(folder / "samples" / "step_000001_00.png")
    (folder / "state").mkdir()
    (folder / "state" / "secret.png").write_bytes(b"x")
    return folder


@pytest.fixture
def live_fox(comfy, fox):
    """The same run while it trains; gives its control."""
    control = Control()
    with comfy.module("pack.host.runs.registry").RUNS.live("fox", fox, control, "5"):
        yield control


def test_runs_newest_first_without_their_settings(ask, fox, root):
    os.makedirs(root / "no run at all")
    RunJson(root / "older", clock=lambda: 5.0)._write()
    runs = ask("GET", "/lora_canvas/runs").json["runs"]
    assert [run["name"] for run in runs] == ["fox", "older"]
    assert "settings" not in runs[0]
    assert runs[0]["summary"]["steps"] == 80


def test_what_the_last_run_of_a_model_took(ask, root):
    from pack.training.events import RunStarted

    memory = {"pixels": 512, "batch_size": 1, "takes": 100, "free": 200, "how": "no block is computed twice"}
    odd = {**memory, "takes": "much"}
    runs = (("old", "sd", {**memory, "takes": 1}), ("new", "sd", memory), ("odd", "sd", odd), ("other", "xl", memory))
    for number, (name, model, kept) in enumerate(runs):
        write = RunJson(root / name, clock=lambda number=number: 1000.0 + number)
        write(RunStarted(run_name=name, folder=root / name, start_step=0, total_steps=1, steps_per_epoch=1.0,
                         settings={"model": {"name": f"{model}.safetensors"}, "memory": kept}))
    for model in ("sd.safetensors", "below/sd.safetensors", "below\\sd.safetensors"):
        assert ask("GET", "/lora_canvas/memory", params={"model": model}).json == {"last": memory}
    assert ask("GET", "/lora_canvas/memory", params={"model": "flux.safetensors"}).json == {"last": None}
    for wrong in ({}, {"model": ""}, {"model": "x" * 301}):
        assert ask("GET", "/lora_canvas/memory", params=wrong).status == 400


def test_what_a_run_will_take(ask, comfy, root, monkeypatch):
    routes = comfy.module("pack.host.panel.routes")
    monkeypatch.setattr(routes, "plan_before_run", lambda wanted: {"takes": wanted.rank})
    wanted = {"folder": "checkpoints", "model": "sd.safetensors", "rank": 8}
    assert ask("POST", "/lora_canvas/plan", json=wanted).json == {"plan": {"takes": 8}}
    for wrong in ({"rank": 0}, {"rank": "8"}, {"path": "x"}, {"optimizer": "None"}):
        assert ask("POST", "/lora_canvas/plan", json=wrong).status == 400
    assert ask("POST", "/lora_canvas/plan", json={}, headers=FOREIGN[0]).status == 403
    with comfy.module("pack.host.runs.registry").RUNS.live("new", root / "new", Control(), "1"):
        assert ask("POST", "/lora_canvas/plan", json={}).json == {"plan": None}


def test_no_runs_folder_is_no_runs(ask, root):
    assert ask("GET", "/lora_canvas/runs").json == {"runs": []}


def test_one_run_with_its_settings(ask, fox):
    run = ask("GET", "/lora_canvas/runs/fox").json
    assert (run["settings"], run["status"], run["live"]) == ({"rank": 8}, "finished", False)


def test_a_run_that_the_server_did_not_outlive_was_interrupted(ask, root):
    RunJson(root / "killed")._write()
    assert ask("GET", "/lora_canvas/runs/killed").json["status"] == "interrupted"


def test_a_run_that_another_comfyui_trains_is_running_and_not_live_here(ask, root):
    RunJson(root / "elsewhere")._write()
    with locked(root / "elsewhere" / LOCK_NAME):
        run = ask("GET", "/lora_canvas/runs/elsewhere").json
    assert (run["status"], run["live"]) == ("running", False)
    assert ask("GET", "/lora_canvas/runs/elsewhere").json["status"] == "interrupted"


def test_a_live_run_is_running_whatever_the_file_says(ask, live_fox):
    run = ask("GET", "/lora_canvas/runs/fox").json
    assert (run["status"], run["live"]) == ("running", True)
    assert ask("GET", "/lora_canvas/live").json["runs"][0]["node"] == "5"


def test_a_live_run_needs_no_folder_yet(ask, comfy, root):
    with comfy.module("pack.host.runs.registry").RUNS.live("new", root / "new", Control(), "1"):
        assert ask("GET", "/lora_canvas/runs/new").json["live"] is True
        assert ask("GET", "/lora_canvas/runs/new/log").json == {"records": []}


def test_live_tells_the_devices_memory(ask):
    assert ask("GET", "/lora_canvas/live").json["device"]["total_memory"] > 2**28


def test_the_log_as_columns_and_from_a_step_on(ask, fox):
    records = ask("GET", "/lora_canvas/runs/fox/log").json["records"]
    assert [record["event"] for record in records[:3]] == ["started", "ended", "steps"]
    assert [record["step"] for record in ask("GET", "/lora_canvas/runs/fox/log?after=78").json["records"]] == [80, 79, 80]
    few = ask("GET", "/lora_canvas/runs/fox/log?points=5").json["records"][2]
    assert len(few["step"]) == 5


def test_what_was_queued(ask, fox, root):
    assert ask("GET", "/lora_canvas/runs/fox/graph").json == {"workflow": {"nodes": []}, "prompt": {"5": {"inputs": {}}}, "node": "5"}
    RunJson(root / "api")._write()
    assert ask("GET", "/lora_canvas/runs/api/graph").status == 404


def test_pictures_are_revalidated_and_never_sniffed(ask, fox):
    answer = ask("GET", "/lora_canvas/runs/fox/files/samples/step_000001_00.png")
    assert (answer.status, answer.headers["Content-Type"], answer.headers["Cache-Control"]) == (200, "image/png", "no-cache")
    assert answer.headers["X-Content-Type-Options"] == "nosniff"


@pytest.mark.parametrize(
    "path",
    ["run.json", "log.jsonl", "graph.json", "state/secret.png", "samples/", "samples", "samples/none.png",
     "samples/%2e%2e/run.json", "samples/..%2Frun.json", "..%2F..%2Fsecret.png", "samples%2F..%2Fstate%2Fsecret.png",
     "samples/..%5Cstate%5Csecret.png", "%2Fetc%2Fpasswd", "samples/%00.png", "C:%5Csecret.png"],
)
def test_nothing_but_pictures_is_served(ask, fox, path):
    assert ask("GET", f"/lora_canvas/runs/fox/files/{path}").status in (404, 405)


def test_one_odd_run_does_not_hide_the_others(ask, fox, root):
    for number, odd in enumerate(('{"updated": "yesterday"}', '{"updated": NaN, "summary": 7}', "[]", "{", '{"step": 1e999}')):
        (root / f"odd{number}").mkdir()
        (root / f"odd{number}" / "run.json").write_text(odd)
    names = [run["name"] for run in ask("GET", "/lora_canvas/runs").json["runs"]]
    assert names[0] == "fox" and {"odd0", "odd1"} <= set(names)


def test_a_graph_that_lies_outside_or_is_none_is_not_told(ask, fox, root, tmp_path):
    (tmp_path / "secret.json").write_text('{"workflow": "secret"}')
    graph = root / "fox" / "graph.json"
    for make in (lambda: graph.symlink_to(tmp_path / "secret.json"), lambda: graph.write_text("{"), lambda: graph.write_bytes(b"\xff")):
        graph.unlink(missing_ok=True)
        make()
        answer = ask("GET", "/lora_canvas/runs/fox/graph")
        assert answer.status == 404 and "secret" not in answer.body.decode()


def test_paths_of_the_machine_stay_on_it(ask, fox, root, tmp_path):
    run = json.loads((root / "fox" / "run.json").read_text())
    run |= {"lora_path": str(root / "fox" / "fox.safetensors"), "error": f"FileError: {root}/fox/x.png: no space left"}
    (root / "fox" / "run.json").write_text(json.dumps(run))
    for path in ("runs", "runs/fox", "runs/fox/log"):
        assert str(tmp_path) not in ask("GET", f"/lora_canvas/{path}").body.decode()
    told = ask("GET", "/lora_canvas/runs/fox").json
    assert (told["lora_path"], told["error"]) == ("fox.safetensors", "FileError: x.png: no space left")


def test_links_out_of_the_folders_are_not_followed(ask, fox, root, tmp_path):
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "run.json").write_text('{"status": "finished"}')
    Image.new("RGB", (8, 8)).save(outside / "x.png")
    (root / "linked").symlink_to(outside)
    (fox / "samples" / "linked.png").symlink_to(outside / "x.png")
    assert ask("GET", "/lora_canvas/runs/linked").status == 404
    assert ask("GET", "/lora_canvas/runs/fox/files/samples/linked.png").status == 404
    assert [run["name"] for run in ask("GET", "/lora_canvas/runs").json["runs"]] == ["fox"]


@pytest.mark.parametrize(
    "name",
    ["none", "..", ".", "%2e%2e", "..%2F..", "fox%2F..", "%2Fetc", "..%5C..", "fox%00", "C:", "%20",
     "a" * 256, "%ff%fe"],
)
def test_names_that_are_no_run(ask, fox, name):
    for path in ("", "/log", "/graph"):
        assert ask("GET", f"/lora_canvas/runs/{name}{path}").status == 404


@pytest.mark.parametrize("query", ["after=-1", "after=x", "after=1e9", "points=999999999", "after=%D9%A1"])
def test_numbers_out_of_range(ask, fox, query):
    assert ask("GET", f"/lora_canvas/runs/fox/log?{query}").status == 400


@pytest.mark.parametrize("action", ["stop", "pause", "save", "preview"])
def test_commands_reach_the_run(ask, live_fox, action):
    assert ask("POST", CONTROL, json={"action": action}).json == {"done": action}
    assert live_fox.asked == [action]


def test_the_learning_rate_on_the_fly(ask, live_fox):
    assert ask("POST", CONTROL, json={"action": "learning_rate", "value": 0.5}).status == 200
    assert live_fox.asked == [0.5]


@pytest.mark.parametrize("value", [None, "1", True, -1, 101, [], float("nan"), float("inf"), 10**400], ids=lambda value: str(value)[:8])
def test_learning_rates_that_make_no_sense(ask, live_fox, value):
    answer = ask("POST", CONTROL, data=json.dumps({"action": "learning_rate", "value": value}),
                 headers={"Content-Type": "application/json"})
    assert (answer.status, live_fox.asked) == (400, [])


@pytest.mark.parametrize("body", ["", "{", "[]", "null", "1", '{"action": "jump"}', '{"action": ["stop"]}', "{}", "\xff", "[" * 3000])
def test_bodies_that_are_no_command(ask, live_fox, body):
    answer = ask("POST", CONTROL, data=body.encode("latin-1"), headers={"Content-Type": "application/json"})
    assert (answer.status, live_fox.asked) == (400, [])


def test_a_body_must_be_small_and_json(ask, live_fox):
    long = json.dumps({"action": "stop", "padding": "x" * 5000}).encode()
    assert ask("POST", CONTROL, data=long, headers={"Content-Type": "application/json"}).status == 413
    assert ask("POST", CONTROL, data=b'{"action": "stop"}', headers={"Content-Type": "text/plain"}).status == 415
    assert live_fox.asked == []


def test_a_run_that_does_not_train_takes_no_commands(ask, fox):
    assert ask("POST", CONTROL, json={"action": "stop"}).status == 409
    assert ask("POST", "/lora_canvas/runs/none/control", json={"action": "stop"}).status == 404


FOREIGN = [{"Origin": "http://evil.example"}, {"Origin": "null"}, {"Origin": "http://127.0.0.1:1"}, {"Sec-Fetch-Site": "cross-site"},
           {"Origin": "http://localhost.evil.example"}, {"Origin": "nonsense"},
           {"Origin": "http://127.0.0.1:99999"}, {"Origin": "http://[::1"}]


@pytest.mark.parametrize("headers", FOREIGN, ids=str)
def test_foreign_pages_are_refused(ask, live_fox, headers):
    assert ask("POST", CONTROL, json={"action": "stop"}, headers=headers).status == 403
    assert ask("GET", "/lora_canvas/runs", headers=headers).status == 403
    assert live_fox.asked == []


def test_our_own_page_is_served(ask, live_fox):
    headers = {"Host": "my-box:8188", "Origin": "https://my-box:8188", "Sec-Fetch-Site": "same-origin"}
    assert ask("POST", CONTROL, json={"action": "save"}, headers=headers).status == 200


def test_an_origin_that_the_servers_owner_named_is_served(ask, comfy, live_fox, monkeypatch):
    monkeypatch.setattr(comfy.module("comfy.cli_args").args, "enable_cors_header", "https://panel.example")
    headers = {"Origin": "https://panel.example", "Sec-Fetch-Site": "cross-site"}
    assert ask("POST", CONTROL, json={"action": "save"}, headers=headers).status == 200
    assert ask("POST", CONTROL, json={"action": "save"}, headers=FOREIGN[0]).status == 403


@pytest.mark.parametrize("method", ["PUT", "DELETE", "PATCH"])
def test_wrong_methods(ask, live_fox, method):
    assert ask(method, "/lora_canvas/runs").status == 405
    assert ask(method, CONTROL).status == 405
    assert ask("GET", CONTROL).headers["Allow"] == "POST"
    assert live_fox.asked == []


def test_modules_are_asked_for_each_time(comfy):
    files = comfy.module("pack.host.panel.routes")
    server = PlainServer()
    files.serve_modules_fresh(server.app)
    [revalidate] = server.app.on_response_prepare
    request = type("Request", (), {"path": f"/extensions/{files._PACK_FOLDER}/store.mjs"})
    response = web.Response()
    asyncio.run(revalidate(request, response))
    assert response.headers["Cache-Control"] == "no-cache"
    assert response.headers["Content-Type"].startswith("text/javascript")
    other = web.Response()
    asyncio.run(revalidate(type("Request", (), {"path": "/extensions/other/store.mjs"}), other))
    assert "Cache-Control" not in other.headers
