"""What the pack tells ComfyUI when it is imported: its routes, that runs hold LoRAs, and where captioners lie."""

from __future__ import annotations

import logging

import folder_paths

from ..training.files.strangers import circle
from .captioning.models import register_folder
from .compat import running_server
from .panel import routes
from .runs.run_folders import runs_root

log = logging.getLogger(__name__)


def register() -> None:
    offer_runs()
    register_folder()
    server = running_server()
    if server is not None:
        routes.register(server)


def offer_runs() -> None:
    """Checkpoints of a run can be picked in LoraLoader as soon as they are written."""
    looping = circle(runs_root())
    if looping is None:
        folder_paths.add_model_folder_path("loras", str(runs_root()))
    else:
        log.warning(
            "[LoRA Canvas] LoRA loaders do not offer the files of runs: the link %s leads to a folder that holds it, and ComfyUI would "
            "follow it for ever. Remove the link, and start ComfyUI again.", looping,
        )
