"""What the panel's routes share: JSON as an answer, and the run that a request names."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from aiohttp import web

from ..runs.registry import RUNS
from ..runs.run_folders import find_run
from .request_guard import Refused


def as_json(content: Any) -> web.Response:
    """`content`, or JSON that is text already."""
    response = web.Response(text=content if isinstance(content, str) else json.dumps(content),
                            content_type="application/json", headers={"Cache-Control": "no-store"})
    response.enable_compression()
    return response


def run_asked(request: web.Request) -> Path:
    """The folder of the run that the route's {name} names. Refused with 404 where there is none."""
    name = request.match_info["name"]
    live = RUNS.find(name)
    # A run that still prepares its dataset is live before it has a folder.
    folder = live.folder if live else find_run(name)
    if folder is None:
        raise Refused(404, f"there is no run named {name!r}")
    return folder
