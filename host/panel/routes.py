"""The panel's door into the server: runs on disk, their logs and pictures, and the commands for a live one.

    GET  /lora_canvas/live                       what trains now, the device's memory, and whether this browser's machine is ComfyUI's
    GET  /lora_canvas/memory                     {"last": what the last run of ?model=its file took, or null}
    POST /lora_canvas/next                       {"prompt", "node"}: what Run would do with the node (next_run.py)
    POST /lora_canvas/estimate                   {"prompt", "node"}: how long a run of the node will be (estimate.py)
    POST /lora_canvas/plan                       {"plan": what a run will take, by a model file's header, or null}; host/header/wanted.py
    GET  /lora_canvas/presets                    what there is to choose from, ?folder= &model= of the loader (presets.py)
    POST /lora_canvas/presets                    a preset: {"kind", "family", "card"}, or a file's {"name", "text"}
    GET  /lora_canvas/runs                       every run's run.json without its settings, newest first
    GET  /lora_canvas/runs/{name}                run.json
    GET  /lora_canvas/runs/{name}/log            {"records": [...]}, ?after=step &points=most columns
    GET  /lora_canvas/runs/{name}/graph          {"workflow", "prompt", "node"}: what was queued
    GET  /lora_canvas/runs/{name}/files/{path}   loss.png and pictures in samples/
    POST /lora_canvas/runs/{name}/control        {"action": "stop"} or pause, save, preview; learning_rate with "value":
                                                 {"done"}, or {"asked"} of a run that another process trains (host/runs/elsewhere.py)

and those of keep_runs.py, bring_in.py and, of a data set, dataset_routes.py.

Files are read in worker threads; the server's loop only passes answers on.
"""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Callable
from pathlib import Path, PureWindowsPath
from typing import Any

import comfy.model_management
from aiohttp import web

from ...training.errors import TrainingError
from ...training.files.lock import holder_of
from ...training.files.strangers import without_paths
from ...training.record.history import read_log
from ...training.record.keeping import read_note
from ...training.record.run_json import read_graph, read_run
from ...training.record.taken import LOCK_NAME
from ...training.run.control import ENDING, perform
from ..header.before_run import plan_before_run
from ..header.wanted import Wanted
from ..runs.elsewhere import ELSEWHERE, holder_elsewhere
from ..runs.registry import RUNS
from ..runs.run_folders import find_picture, list_runs
from .answers import run_asked
from .bring_in import ROUTES as BRING_IN
from .dataset_routes import DATASET_ROUTES
from .estimate import estimate
from .keep_runs import ROUTES as KEEP_RUNS
from .listeners import tell_asked
from .lookout import LOOKOUT
from .memory import last_memory
from .next_run import next_run
from .presets import PRESET_LIMIT, own_folder, preset_asked, preset_menu
from .request_guard import PROMPT_LIMIT, Handler, Refused, guarded, json_answer, read_json
from .same_machine import can_open

PREFIX = "/lora_canvas"
_EMPTY_RUN = {"status": "running", "step": 0, "total_steps": 0, "settings": {}, "summary": {}}


def _number(request: web.Request, name: str) -> int:
    text = request.query.get(name, "0")
    if not re.fullmatch("[0-9]{1,8}", text):
        raise Refused(400, f"{name} is {text[:20]!r} but must be a whole number of at most 8 digits")
    return int(text)


def _describe(folder: Path) -> dict[str, Any] | None:
    """run.json with what only the server knows; a run that says it runs but that nobody trains was interrupted."""
    run = read_run(folder)
    live, elsewhere = RUNS.find(folder.name), holder_elsewhere(folder)
    if run is None and live is None and elsewhere is None:
        return None
    is_begun = run is not None and run.get("status") == "running"  # its record is touched only by steps
    run = {**_EMPTY_RUN, **(run or {}), "name": folder.name}
    run["note"] = read_note(folder)
    run["live"], run["elsewhere"] = live is not None, elsewhere and str(elsewhere)
    run["lora_path"] = PureWindowsPath(run.get("lora_path") or "").name or None  # knows both sorts of separators
    run["error"] = without_paths(run["error"]) if run.get("error") else None
    if live is not None:
        run["status"] = "running"
    elif elsewhere is not None:
        run["status"] = "running" if is_begun else "preparing"
    elif run.get("status") == "running" and holder_of(folder / LOCK_NAME) is None:
        run["status"] = "interrupted"
    return run


def _describe_all() -> list[dict[str, Any]]:
    runs = [run for run in map(_describe, list_runs()) if run]
    for run in runs:
        run.pop("settings", None)
    return sorted(runs, key=lambda run: run.get("updated") or 0, reverse=True)


def _device() -> dict[str, Any]:
    device = comfy.model_management.get_torch_device()
    return {"name": str(device), "total_memory": comfy.model_management.get_total_memory(device)}


async def get_live(request: web.Request) -> web.Response:
    await asyncio.to_thread(LOOKOUT.wake)
    return json_answer({"runs": [*RUNS.snapshot(), *ELSEWHERE.snapshot()], "device": _device(),
                    "opens": can_open(request)})


async def get_memory(request: web.Request) -> web.Response:
    model = request.query.get("model", "")
    if not 0 < len(model) <= 300:
        raise Refused(400, "model must be the name of a model's file, of at most 300 letters")
    return json_answer({"last": await asyncio.to_thread(last_memory, model)})


def _of_prompt(answer: Callable[[dict[str, Any], str], Any]) -> Handler:
    """A route that is asked of a node of a prompt."""
    async def post(request: web.Request) -> web.Response:
        body = await read_json(request, PROMPT_LIMIT)
        prompt, node = body.get("prompt"), body.get("node")
        if not isinstance(prompt, dict) or not isinstance(node, str):
            raise Refused(400, "prompt must be an object, as it is queued, and node the id of a node in it")
        return json_answer(await asyncio.to_thread(answer, prompt, node))

    return post


async def post_plan(request: web.Request) -> web.Response:
    body = await read_json(request)
    try:
        wanted = Wanted(**body)
    except (TypeError, TrainingError) as error:
        raise Refused(400, f"that is nothing to plan for: {error}"[:400]) from None
    if RUNS.snapshot():  # what is free now is not what a run that begins will find, and the processor has its work
        return json_answer({"plan": None})
    return json_answer({"plan": await asyncio.to_thread(plan_before_run, wanted)})


async def get_presets(request: web.Request) -> web.Response:
    folder, model = request.query.get("folder", ""), request.query.get("model", "")
    if len(folder) > 40 or len(model) > 300:
        raise Refused(400, "folder and model must be the names that the loader shows")
    return json_answer(await asyncio.to_thread(preset_menu, folder, model, own_folder(request)))


async def post_presets(request: web.Request) -> web.Response:
    return json_answer(await asyncio.to_thread(preset_asked, await read_json(request, PRESET_LIMIT)))


async def get_runs(request: web.Request) -> web.Response:
    return json_answer({"runs": await asyncio.to_thread(_describe_all)})


async def get_run(request: web.Request) -> web.Response:
    run = await asyncio.to_thread(_describe, run_asked(request))
    if run is None:
        raise Refused(404, f"the run {request.match_info['name']!r} has no readable run.json")
    return json_answer(run)


async def get_log(request: web.Request) -> web.Response:
    folder, after, points = run_asked(request), _number(request, "after"), _number(request, "points")
    return json_answer(await asyncio.to_thread(lambda: json.dumps({"records": read_log(folder, after, points)})))


async def get_graph(request: web.Request) -> web.Response:
    graph = await asyncio.to_thread(read_graph, run_asked(request))
    if graph is None:
        raise Refused(404, "what was queued for this run was not kept, or cannot be read")
    return json_answer(graph)


async def get_file(request: web.Request) -> web.StreamResponse:
    path = find_picture(run_asked(request), request.match_info["path"])
    if path is None:
        raise Refused(404, "the run has no such picture")
    # A picture sampled again keeps its name, so the browser asks each time whether it changed.
    return web.FileResponse(path, headers={"Cache-Control": "no-cache", "X-Content-Type-Options": "nosniff"})


async def post_control(request: web.Request) -> web.Response:
    body = await read_json(request)
    live = RUNS.find(request.match_info["name"])
    try:
        if live is None:
            return json_answer({"asked": await asyncio.to_thread(_ask_elsewhere, run_asked(request), body)})
        action = perform(live.control, body)
    except ValueError as error:
        raise Refused(400, str(error)) from None
    if action in ENDING:
        tell_asked(live, action, RUNS)
    return json_answer({"done": action})


def _ask_elsewhere(folder: Path, body: dict[str, Any]) -> str:
    """The action that the process which trains the run was asked for."""
    try:
        action = ELSEWHERE.ask(folder, body)
    except TrainingError as error:
        raise Refused(507, without_paths(str(error))) from None
    if action is None:
        raise Refused(409, f"the run {folder.name!r} is not training now")
    LOOKOUT.look()
    return action


_ROUTES: tuple[tuple[str, str, Handler], ...] = (
    ("GET", "/live", get_live),
    ("GET", "/memory", get_memory),
    ("POST", "/next", _of_prompt(next_run)),
    ("POST", "/estimate", _of_prompt(estimate)),
    ("POST", "/plan", post_plan),
    ("GET", "/presets", get_presets),
    ("POST", "/presets", post_presets),
    ("GET", "/runs", get_runs),
    ("GET", "/runs/{name}", get_run),
    ("GET", "/runs/{name}/log", get_log),
    ("GET", "/runs/{name}/graph", get_graph),
    ("GET", "/runs/{name}/files/{path:.+}", get_file),
    ("POST", "/runs/{name}/control", post_control),
    *KEEP_RUNS,
    *BRING_IN,
    *DATASET_ROUTES,
)


def _refuse_method(allowed: str) -> Handler:
    async def refuse(request: web.Request) -> web.Response:
        text = f"{request.method} is not allowed here, only {allowed}"
        return web.json_response({"error": text}, status=405, headers={"Allow": allowed})

    return refuse


def register(server: Any = None) -> None:
    """Add the routes to ComfyUI's server; call it once, while custom nodes are being imported."""
    if server is None:
        from server import PromptServer

        server = PromptServer.instance
    for method, path, handler in _ROUTES:
        server.routes.route(method, PREFIX + path)(guarded(handler))
    for path in dict.fromkeys(path for _, path, _ in _ROUTES):
        allowed = ", ".join(method for method, one, _ in _ROUTES if one == path)
        server.routes.route("*", PREFIX + path)(_refuse_method(allowed))
    serve_modules_fresh(server.app)


_PACK_FOLDER = Path(__file__).parents[2].name


async def _revalidate(request: web.Request, response: web.StreamResponse) -> None:
    if request.path.startswith(f"/extensions/{_PACK_FOLDER}/") and request.path.endswith(".mjs"):
        response.headers["Cache-Control"] = "no-cache"
        # Some Windows machines know no type for .mjs, and browsers run no module without one.
        response.headers["Content-Type"] = "text/javascript; charset=utf-8"


def serve_modules_fresh(app: web.Application) -> None:
    """Make browsers ask for this pack's modules each time (an unchanged one costs a 304)."""
    app.on_response_prepare.append(_revalidate)
