"""What the pack tells ComfyUI when it is imported: its routes, that runs hold LoRAs, and where captioners lie."""

from __future__ import annotations

import folder_paths

from .captioning.models import register_folder
from .compat import running_server
from .panel import routes
from .runs.run_folders import runs_root


def register() -> None:
    """Checkpoints of a run can be picked in LoraLoader as soon as they are written."""
    folder_paths.add_model_folder_path("loras", str(runs_root()))
    register_folder()
    server = running_server()
    if server is not None:
        routes.register(server)
