"""Writes the workflows and the blueprint that are shipped: `python -m demo.shipped.make_workflows`, with COMFYUI_PATH set.

They are made from the running pack's own schemas, so every socket and widget exists; run it again after a node changes.
"""

import json
import os
import sys
import tempfile
from pathlib import Path

from ..comfyui.client import ComfyClient
from ..comfyui.server import ComfyServer
from . import BLUEPRINTS, WORKFLOWS

ROOT = Path(__file__).resolve().parents[2]


def main() -> None:
    comfyui = Path(os.environ.get("COMFYUI_PATH") or ROOT / ".comfyui").resolve()
    with tempfile.TemporaryDirectory() as base, ComfyServer(comfyui, Path(base), ROOT) as server:
        with ComfyClient(server.address) as client:
            info = client.get("/object_info")
    for name, make in WORKFLOWS.items():
        write(ROOT / "workflows" / f"{name}.json", make(info).workflow())
    for name, make in BLUEPRINTS.items():
        write(ROOT / "subgraphs" / f"{name}.json", make(info))


def write(path: Path, content: dict) -> None:
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps(content, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    print(path.relative_to(ROOT))


if __name__ == "__main__":
    sys.exit(main())
