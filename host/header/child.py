"""A program of its own: what a step on a model file takes, by its header. ComfyUI's process must not do this: while a step is rehearsed
nobody else may load or sample there, and a prompt may begin at any moment.

JSON comes in on stdin ("comfy" and "pack", folders, and what `rehearse.py` is asked) and goes out on stdout.
"""

from __future__ import annotations

import importlib
import json
import sys
from types import ModuleType, SimpleNamespace

NAME = "lora_canvas_rehearsal"


def boot(comfy: str, pack: str) -> None:
    """ComfyUI's modules importable, on the CPU and without its server; the pack importable as NAME."""
    sys.path[0] = comfy
    importlib.import_module("comfy.cli_args").args.cpu = True
    importlib.import_module("utils.install_util")
    server, package = ModuleType("server"), ModuleType(NAME)
    server.__dict__["PromptServer"] = SimpleNamespace(instance=None)
    package.__path__ = [pack]
    sys.modules.update({"server": server, NAME: package})


def main() -> None:
    said = json.load(sys.stdin)
    answer, sys.stdout = sys.stdout, sys.stderr  # what is imported may print
    boot(said["comfy"], said["pack"])
    json.dump(importlib.import_module(f"{NAME}.host.header.rehearse").rehearsed_file(said), answer)


if __name__ == "__main__":
    main()
