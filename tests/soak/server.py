"""A real ComfyUI that trains while requests without manners rain on its routes, then is killed, started again and told to go on.

No request may be answered by an error of the server's own (5xx) or let anything of another folder out; the run goes on to the file
that it would have written undisturbed.
"""

from __future__ import annotations

import http.client
import json
import os
import random
import tempfile
import time
from collections import Counter
from pathlib import Path

from safetensors.torch import load_file

from pack.demo.comfyui.client import ComfyClient
from pack.demo.comfyui.server import ComfyServer
from pack.demo.tiny import checkpoints
from pack.tests.comfy.graphs import DEMO, train_graph

from .runs import Wholes
from .tally import Lost, Raw

ROOT = Path(__file__).resolve().parents[2]
STEPS = 30
PATIENCE = 240.0

NAMES = ("kept", "%2e%2e", "..%2f..%2finput", "kept%00", "%ff%fe", "a" * 3000, "CON", "kept%2fstate", "%F0%9F%A6%8A", ".")
PATHS = ("", "/log", "/log?after=-1", "/log?points=1e9", "/log?after=" + "9" * 40, "/graph", "/files/loss.png", "/files/run.json",
         "/files/..%2f..%2f..%2fuser", "/files/samples/%2fetc%2fpasswd", "/files/state/training.state")
VALUES = (None, -0.5, 101, -1, 1e308, "NaN", "Infinity", 10**30, [], {}, True, "\ud800", "0.5")
ACTIONS = ("save", "preview", "learning_rate", "explode", "", 7, None, ["stop"])
BODIES = (b"", b"{", b"[]", b"null", b"\xff\xfe", b'{"action":' * 500, b"1" * 5000, b'{"action": "save", "action": 1}')
HEADERS = ({}, {"Content-Type": "text/plain"}, {"Content-Type": "application/json"}, {"Origin": "http://elsewhere.example"},
           {"Content-Type": "application/json", "Origin": "null"}, {"Sec-Fetch-Site": "cross-site"})
METHODS = ("GET", "POST", "PUT", "DELETE", "HEAD", "OPTIONS", "PATCH")


def attempt(draw: random.Random, folder: Path, wholes: Wholes) -> Counter[str]:
    came: Counter[str] = Counter()
    with _server(folder) as server:
        with ComfyClient(server.address) as client:
            whole = _trained(client, server, "whole")
            client.queue(_graph("kept"))
            _wait_for_step(server, 1)
            until = time.monotonic() + draw.uniform(0.5, 3.0)
            while time.monotonic() < until:
                came[f"answered {_rude(draw, server) // 100}xx"] += 1
            server.check_alive()
        server.kill()
    with _server(folder) as server, ComfyClient(server.address) as client:
        if _trained(client, server, "kept", resume="kept" if _has_state(server) else "") != whole:
            raise Lost("a run on a real ComfyUI that was killed ended in other weights")
    came["servers killed"] += 1
    return came


def _server(folder: Path) -> ComfyServer:
    comfyui = Path(os.environ.get("COMFYUI_PATH") or ROOT / ".comfyui").resolve()
    server = ComfyServer(comfyui, folder / "comfyui", ROOT)
    tiny = checkpoints.make("sd15", ROOT / ".cache" / "checkpoints")
    for target, source in (("models/checkpoints/tiny.safetensors", tiny), ("input/fox", DEMO)):
        (server.base / target).parent.mkdir(parents=True, exist_ok=True)
        if not (server.base / target).exists():
            (server.base / target).symlink_to(source)
    return server


def _graph(name: str, **train) -> dict:
    return train_graph("tiny.safetensors", "fox", **{"run_name": name, "steps": STEPS, "save_every_n_steps": 3, **train})


def _trained(client: ComfyClient, server: ComfyServer, name: str, **train) -> dict[str, bytes]:
    """The tensors of the file that the run leaves; its metadata has the run's name."""
    kind, data = client.wait(client.queue(_graph(name, **train)), timeout=PATIENCE)
    if kind != "execution_success":
        raise Raw(f"the run {name!r} ended with {kind}: {data.get('exception_message')}")
    tensors = load_file(server.base / "output" / "lora_canvas" / name / f"{name}.safetensors")
    return {key: tensor.numpy().tobytes() for key, tensor in tensors.items()}


def _has_state(server: ComfyServer) -> bool:
    return (server.base / "output" / "lora_canvas" / "kept" / "state" / "training.state").is_file()


def _wait_for_step(server: ComfyServer, step: int) -> None:
    until = time.monotonic() + PATIENCE
    while time.monotonic() < until:
        status, body = _ask(server, "GET", "/lora_canvas/runs/kept", None, {})
        if status == 200 and json.loads(body)["step"] >= step:
            return
        time.sleep(0.1)
    raise Raw(f"the run did not reach step {step} within {PATIENCE:.0f} s")


def _rude(draw: random.Random, server: ComfyServer) -> int:
    """One request that no panel would send; the status of its answer. Raises Raw for one that is the server's own failure."""
    method, path = draw.choice(METHODS), f"/lora_canvas/runs/{draw.choice(NAMES)}{draw.choice(PATHS)}"
    headers, body = dict(draw.choice(HEADERS)), draw.choice((*BODIES, None))
    if draw.random() < 0.5:
        method, path, headers = "POST", "/lora_canvas/runs/kept/control", {"Content-Type": "application/json"}
        body = json.dumps({"action": draw.choice(ACTIONS), "value": draw.choice(VALUES)}).encode()
    status, answer = _ask(server, method, path, body, headers)
    if status >= 500:
        raise Raw(f"{method} {path[:200]} with {body!r:.200}: {status} {answer[:300]!r}")
    if str(server.base).encode() in answer or str(Path(tempfile.gettempdir())).encode() in answer:
        raise Lost(f"{method} {path[:200]} tells where things lie on this machine: {answer[:300]!r}")
    return status


def _ask(server: ComfyServer, method: str, path: str, body: bytes | None, headers: dict[str, str]) -> tuple[int, bytes]:
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=60)
    try:
        connection.request(method, path, body, headers)
        response = connection.getresponse()
        return response.status, response.read()
    except (http.client.HTTPException, TimeoutError) as error:
        raise Raw(f"{method} {path[:200]}: {type(error).__name__}: {error}") from error
    finally:
        connection.close()
