"""A data set to be seen and edited, behind the same guard as the panel.

    POST /lora_canvas/dataset                          {"prompt", "node"} of a Load Dataset node -> its pictures, and the "key" to edit them
    GET  /lora_canvas/dataset/{key}/pictures/{index}   a JPEG, ?kind=small or large
    GET  /lora_canvas/dataset/{key}/masks/{index}      the painted mask, a PNG
    POST /lora_canvas/dataset/{key}/{edit}             one of EDITS; {"rows": what is shown otherwise now, "undo": what undo takes back}

A page names pictures by their place in what it was given, never by a path: nothing else can be read or written. A caption that was
changed elsewhere meanwhile is not written over: 409 with {"error", "text": what it says now}.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from aiohttp import web

from ...training.data.editing.album import Album, Elsewhere
from ...training.data.editing.change import Change
from ...training.errors import FileError, TrainingError
from ...training.files.strangers import without_paths
from .datasets import DATASETS, Opened
from .request_guard import PROMPT_LIMIT, Handler, Refused, json_answer, read_json, values_of
from .thumbnails import SIDES, THUMBNAILS

EDIT_LIMIT = 24 << 20
"""Bytes of an edit: a mask, or the indices of many pictures."""
_DECODERS = ThreadPoolExecutor(max_workers=4, thread_name_prefix="lora-canvas-pictures")


async def _answering(work: Callable[..., Any], *args: Any, pool: ThreadPoolExecutor | None = None) -> Any:
    """The work done in a thread, its errors as refusals."""
    try:
        return await asyncio.get_running_loop().run_in_executor(pool, work, *args)
    except FileError as error:
        raise Refused(507, without_paths(str(error))) from None
    except TrainingError as error:
        raise Refused(400, without_paths(str(error))[:2000]) from None


async def post_dataset(request: web.Request) -> web.Response:
    body = await read_json(request, PROMPT_LIMIT)
    prompt, node = body.get("prompt"), body.get("node")
    if not isinstance(prompt, dict) or not isinstance(node, str):
        raise Refused(400, "prompt must be an object, as it is queued, and node the id of a node in it")
    return json_answer(await _answering(_open, prompt, node))


def _open(prompt: dict[str, Any], node: str) -> dict[str, Any]:
    opened = DATASETS.open(prompt, node)
    told = [*opened.dataset.problems, *opened.dataset.warnings]
    return {"key": opened.key, "folder": opened.dataset.facts.get("folder", ""), "rows": opened.album.rows(),
            "told": [without_paths(line) for line in told], "undo": opened.album.history.last}


def _opened(request: web.Request) -> tuple[Opened, int]:
    opened, text = DATASETS.find(request.match_info["key"]), request.match_info["index"]
    if not text.isdecimal() or len(text) > 8 or int(text) >= len(opened.album.samples):
        raise Refused(404, "the data set has no such picture")
    return opened, int(text)


async def get_picture(request: web.Request) -> web.Response:
    opened, index = _opened(request)
    kind, version = request.query.get("kind", "small"), request.query.get("v", "")
    if kind not in SIDES or len(version) > 40:
        raise Refused(400, f"kind must be one of {', '.join(SIDES)}")
    data = await _answering(THUMBNAILS.get, opened.album.sample(index), version, kind, pool=_DECODERS)
    # The address holds the file's version: what it gives never changes.
    return web.Response(body=data, content_type="image/jpeg", headers={
        "Cache-Control": "private, max-age=604800, immutable", "X-Content-Type-Options": "nosniff"})


async def get_mask(request: web.Request) -> web.Response:
    opened, index = _opened(request)
    data = await _answering(opened.album.mask, index)
    if data is None:
        raise Refused(404, "the picture has no painted mask")
    return web.Response(body=data, content_type="image/png", headers={"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"})


async def post_edit(request: web.Request) -> web.Response:
    album, edit = DATASETS.find(request.match_info["key"]).album, EDITS.get(request.match_info["edit"])
    if edit is None:
        raise Refused(404, f"there is no such edit, only {', '.join(EDITS)}")
    body = await read_json(request, EDIT_LIMIT)
    try:
        return json_answer(await _answering(edit, album, body))
    except Elsewhere as theirs:
        return web.json_response({"error": str(theirs), "text": theirs.text}, status=409, headers={"Cache-Control": "no-store"})


def _indices(indices: list[Any]) -> list[int]:
    if any(type(index) is not int for index in indices):
        raise Refused(400, "indices must be whole numbers")
    return list(dict.fromkeys(indices))


def _caption(album: Album, body: dict[str, Any]) -> dict[str, Any]:
    index, before, text, burst = values_of(body, index=int, before=list, text=str, burst=str)
    if not all(isinstance(one, str) for one in before):
        raise Refused(400, "before must hold texts")
    return album.save_caption(index, before, text, burst)


def _change(album: Album, body: dict[str, Any]) -> dict[str, Any]:
    indices, change = values_of(body, indices=list, change=dict)
    if not set(change) <= {"kind", "what", "to", "unit", "place"} or not all(isinstance(value, str) for value in change.values()):
        raise Refused(400, "change must hold kind, what, to, unit and place, all of them texts")
    return album.change(_indices(indices), Change(**{"kind": "", "what": "", **change}))


def _leave_out(album: Album, body: dict[str, Any]) -> dict[str, Any]:
    indices, leave_out = values_of(body, indices=list, leave_out=bool)
    return album.leave_out(_indices(indices), leave_out)


def _mask(album: Album, body: dict[str, Any]) -> dict[str, Any]:
    index, text = values_of(body, index=int, png=str)
    try:
        data = base64.b64decode(text, validate=True) or None
    except (binascii.Error, ValueError):
        raise Refused(400, "png must be base64") from None
    return album.save_mask(index, data)


EDITS: dict[str, Callable[[Album, dict[str, Any]], dict[str, Any]]] = {
    "caption": _caption, "change": _change, "leave_out": _leave_out, "mask": _mask,
    "undo": lambda album, body: album.undo(), "refresh": lambda album, body: album.refreshed(),
}

DATASET_ROUTES: tuple[tuple[str, str, Handler], ...] = (
    ("POST", "/dataset", post_dataset),
    ("GET", "/dataset/{key}/pictures/{index}", get_picture),
    ("GET", "/dataset/{key}/masks/{index}", get_mask),
    ("POST", "/dataset/{key}/{edit}", post_edit),
)
