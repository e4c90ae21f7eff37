"""The run that a request names."""

from __future__ import annotations

from pathlib import Path

from aiohttp import web

from ..runs.registry import RUNS
from ..runs.run_folders import find_run
from .request_guard import Refused


def run_asked(request: web.Request) -> Path:
    """The folder of the run that the route's {name} names. Refused with 404 where there is none."""
    name = request.match_info["name"]
    live = RUNS.find(name)
    # A run that still prepares its dataset is live before it has a folder.
    folder = live.folder if live else find_run(name)
    if folder is None:
        raise Refused(404, f"there is no run named {name!r}")
    return folder
