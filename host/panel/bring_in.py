"""Pictures brought into ComfyUI's input folder from the browser, and the folders that are there.

    GET  /lora_canvas/inputs        {"folders": [{"name", "pictures"}], "most_files", "most_bytes", "free"}
    POST /lora_canvas/inputs/look   {"folder", "files": [[path below it, bytes], ...]}: {"states", "bytes", "free", "problem"}
    POST /lora_canvas/inputs/file   ?folder= &file= &size= &replace=0: the body is the file, as application/octet-stream

ComfyUI's own upload gives a file another name where one of its name is there, which parts a picture from its caption; so it is not used.
"""

from __future__ import annotations

import asyncio
import re
import shutil
from dataclasses import asdict
from typing import Any

import folder_paths
from aiohttp import web

from ...training.errors import DiskError, SettingsError
from ...training.files.strangers import without_paths
from ..runs.input_folders import MOST_BYTES, MOST_FILES, list_folders, look, take
from .request_guard import PROMPT_LIMIT, Handler, Refused, json_answer, read_json

_PIECE = 1 << 20


async def get_inputs(request: web.Request) -> web.Response:
    def answer() -> dict[str, Any]:
        free = shutil.disk_usage(folder_paths.get_input_directory()).free
        return {"folders": list_folders(), "most_files": MOST_FILES, "most_bytes": MOST_BYTES, "free": free}

    return json_answer(await asyncio.to_thread(answer))


async def post_look(request: web.Request) -> web.Response:
    body = await read_json(request, PROMPT_LIMIT)
    folder, files = body.get("folder"), body.get("files")
    if not isinstance(folder, str) or not isinstance(files, list) or not all(map(_is_file, files)):
        raise Refused(400, "folder must be a name, and files a list of [path, bytes]")
    try:
        return json_answer(asdict(await asyncio.to_thread(look, folder, [(name, size) for name, size in files])))
    except SettingsError as error:
        raise Refused(400, " ".join(error.problems)) from None


def _is_file(file: Any) -> bool:
    return isinstance(file, list) and len(file) == 2 and isinstance(file[0], str) and type(file[1]) is int and file[1] >= 0


async def post_file(request: web.Request) -> web.Response:
    if request.content_type != "application/octet-stream":
        raise Refused(415, f"the body must be application/octet-stream, not {request.content_type}")
    asked = request.query
    size = asked.get("size", "")
    if not re.fullmatch("[0-9]{1,12}", size) or asked.get("replace", "0") not in ("0", "1"):
        raise Refused(400, "size must be the file's bytes, and replace 0 or 1")
    try:
        path = await take(asked.get("folder", ""), asked.get("file", ""), int(size), request.content.iter_chunked(_PIECE),
                          replace=asked.get("replace") == "1")
    except SettingsError as error:
        raise Refused(409, " ".join(error.problems)) from None
    except DiskError as error:
        raise Refused(507, without_paths(str(error))) from None
    return json_answer({"file": path.name})


ROUTES: tuple[tuple[str, str, Handler], ...] = (
    ("GET", "/inputs", get_inputs),
    ("POST", "/inputs/look", post_look),
    ("POST", "/inputs/file", post_file),
)
