"""Presets for the canvas: what there is to choose from for the model and the card at hand, one of them, and what a file holds."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import comfy.model_management as model_management
from aiohttp import web

from ...training.errors import TrainingError
from ...training.presets.files import MOST, read_preset
from ...training.presets.shipped import BEYOND, card_sized, family_of, menu, shipped
from ..compat import running_server
from ..header.before_run import listed
from ..header.file import model_in
from .request_guard import Refused

log = logging.getLogger(__name__)

PRESET_LIMIT = MOST + (MOST >> 2)
"""Bytes of a request that carries a file."""
FOLDER = "lora_canvas/presets"
_NAMES = ("kind", "family", "card")


def preset_menu(folder: str, model: str, own: Path | None) -> dict[str, Any]:
    """All there is, one's `own` by the names of the files of that folder, and what fits: `family` and `card` are those of the model's file
    and of the card; None where they are not known."""
    mine = [] if own is None else sorted(path.stem for path in own.glob("*.json"))
    return {**menu(), "mine": mine, "family": _family(folder, model), "card": _card()}


def own_folder(request: web.Request) -> Path | None:
    """Where ComfyUI keeps the presets of the user who asks (web/own_presets.mjs writes them by ComfyUI's own routes)."""
    server = running_server()
    path = server and server.user_manager.get_request_user_filepath(request, FOLDER, create_dir=False)
    return Path(path) if path else None


def preset_asked(body: Mapping[str, Any]) -> dict[str, Any]:
    """Of {"kind", "family", "card"} the preset that ships, of {"name", "text"} that of a file."""
    wanted: Any
    keys: tuple[str, ...]
    wanted, keys = (read_preset, ("name", "text")) if "text" in body else (shipped, _NAMES)
    values = [body.get(key) for key in keys]
    if set(body) != set(keys) or not all(isinstance(value, str) for value in values):
        raise Refused(400, 'a preset is asked for by "kind", "family" and "card", or by the "name" and "text" of a file')
    try:
        return wanted(*values).as_json()
    except TrainingError as error:
        raise Refused(400, str(error)[:2000]) from None


def _family(folder: str, model: str) -> str | None:
    if not model:
        return None
    path = listed(folder, model)
    try:
        found = None if path is None else model_in(path)
    except Exception as error:  # noqa: BLE001 - whatever a file is, only its name is then known
        log.info("[LoRA Canvas] the header of %s was not understood (%s)", model, type(error).__name__)
        found = None
    ancestry = [] if found is None else [kind.__name__ for kind in type(found.config).__mro__ if kind is not object]
    return family_of(model, ancestry)


def _card() -> str | None:
    device = model_management.get_torch_device()
    if device.type == "cpu":
        return None
    total = model_management.get_total_memory(device)
    return str(card_sized(total / 2**30)) if total else BEYOND
