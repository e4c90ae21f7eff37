"""What is done with a run after it: its LoRA downloaded, its folder opened, the run noted, renamed, deleted.

    GET  /lora_canvas/runs/{name}/loras/{path}   the run's LoRA, or one in checkpoints/, to be saved as a file
    GET  /lora_canvas/runs/{name}/size           {"files", "bytes", "lora", "saved": [{"file", "bytes"}]}: what deleting would free; `lora`
                                                 says whether a LoRA lies in the folder, `saved` are those in models/loras
    POST /lora_canvas/runs/{name}/note           {"text"}
    POST /lora_canvas/runs/{name}/rename         {"to"}: {"name"}
    POST /lora_canvas/runs/{name}/delete         {"saved": whether its LoRAs in models/loras go too}
    POST /lora_canvas/runs/{name}/open           {}: the folder in the file manager, for a browser on the same machine only

None of them touches a run that trains, here or in another process.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import quote

import folder_paths
from aiohttp import web

from ...training.errors import DiskError, TrainingError
from ...training.files.strangers import without_paths
from ...training.record.keeping import LONGEST_NOTE, delete_run, rename_run, size_of, write_note
from ..runs.registry import RUNS
from ..runs.run_folders import find_run
from ..runs.saved_loras import find_lora, saved_loras
from .answers import run_asked
from .request_guard import BODY_LIMIT, Handler, Refused, json_answer, read_json, values_of
from .same_machine import can_open, is_same_machine, open_folder

_NOTE_LIMIT = BODY_LIMIT + 12 * LONGEST_NOTE  # JSON may spell a sign of two words as two of \uXXXX
_T = TypeVar("_T")


async def get_lora(request: web.Request) -> web.StreamResponse:
    path = find_lora(run_asked(request), request.match_info["path"])
    if path is None:
        raise Refused(404, "the run has no such LoRA")
    headers = {"Cache-Control": "no-cache", "X-Content-Type-Options": "nosniff", "Content-Type": "application/octet-stream",
               "Content-Disposition": f"attachment; filename*=UTF-8''{quote(path.name)}"}
    return web.FileResponse(path, headers=headers)


async def get_size(request: web.Request) -> web.Response:
    folder = run_asked(request)
    return json_answer(await asyncio.to_thread(_size, folder))


def _size(folder: Path) -> dict[str, Any]:
    size, root = size_of(folder), Path(folder_paths.get_folder_paths("loras")[0])
    saved = [{"file": path.relative_to(root).as_posix(), "bytes": path.stat().st_size} for path in saved_loras(folder)]
    return {"files": size.files, "bytes": size.bytes, "lora": size.lora, "saved": saved}


async def post_note(request: web.Request) -> web.Response:
    [text] = values_of(await read_json(request, _NOTE_LIMIT), text=str)
    folder = _stored(request)
    await _done(lambda: write_note(folder, text))
    return json_answer({"note": text.strip()})


async def post_rename(request: web.Request) -> web.Response:
    [to] = values_of(await read_json(request, _NOTE_LIMIT), to=str)
    folder = _at_rest(request)
    return json_answer({"name": (await _done(lambda: rename_run(folder, to))).name})


async def post_delete(request: web.Request) -> web.Response:
    [saved] = values_of(await read_json(request, _NOTE_LIMIT), saved=bool)
    folder = _at_rest(request)
    await _done(lambda: _delete(folder, saved=saved))
    return json_answer({"deleted": folder.name})


def _delete(folder: Path, *, saved: bool) -> None:
    copies = saved_loras(folder) if saved else []  # by what the run's own file says, which goes first
    delete_run(folder)
    for path in copies:
        path.unlink(missing_ok=True)


async def post_open(request: web.Request) -> web.Response:
    values_of(await read_json(request, _NOTE_LIMIT))
    folder = _stored(request)
    if not is_same_machine(request):
        raise Refused(403, "the folder lies on the machine that ComfyUI runs on, and this browser runs on another one")
    if not can_open(request):
        raise Refused(409, "the machine that ComfyUI runs on has no file manager to open")
    await _done(lambda: open_folder(folder))
    return json_answer({"opened": folder.name})


def _stored(request: web.Request) -> Path:
    """A run that has its folder."""
    folder = run_asked(request)
    if find_run(folder.name) is None:
        raise Refused(409, f"the run {folder.name!r} has no folder yet")
    return folder


def _at_rest(request: web.Request) -> Path:
    folder = _stored(request)
    if RUNS.find(folder.name):
        raise Refused(409, f"the run {folder.name!r} is training. Stop it, or wait until it ends.")
    return folder


async def _done(work: Callable[[], _T]) -> _T:
    try:
        return await asyncio.to_thread(work)
    except DiskError as error:
        raise Refused(507, without_paths(str(error))) from None
    except TrainingError as error:
        raise Refused(409, without_paths(str(error))) from None
    except OSError as error:
        raise Refused(500, without_paths(str(error))) from None


ROUTES: tuple[tuple[str, str, Handler], ...] = (
    ("GET", "/runs/{name}/loras/{path:.+}", get_lora),
    ("GET", "/runs/{name}/size", get_size),
    ("POST", "/runs/{name}/note", post_note),
    ("POST", "/runs/{name}/rename", post_rename),
    ("POST", "/runs/{name}/delete", post_delete),
    ("POST", "/runs/{name}/open", post_open),
)
