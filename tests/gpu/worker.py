"""One process: one ComfyUI, a list of checks. Every line that begins with @@ is for run.py.

    python worker.py '{"comfy": ..., "pack": ..., "device": "cuda", ...}' check:seconds ...
"""

from __future__ import annotations

import importlib
import inspect
import json
import logging
import os
import sys
import time
import traceback
from types import ModuleType, SimpleNamespace


def main() -> None:
    setting = SimpleNamespace(**json.loads(sys.argv[1]))
    wanted = [(name, float(limit)) for name, _, limit in (word.partition(":") for word in sys.argv[2:])]
    os.environ["HF_HUB_OFFLINE"] = "1"
    logging.basicConfig(level=logging.ERROR)
    began = time.monotonic()
    sys.path[:] = [*setting.site, *(entry for entry in sys.path if entry not in ("", os.path.dirname(os.path.abspath(__file__))))]
    package = ModuleType("pack")  # without its __init__, which registers nodes and wants a server
    package.__path__ = [setting.pack]
    sys.modules["pack"] = package
    comfy = importlib.import_module("pack.tests.gpu.boot").boot(setting)
    logging.getLogger().setLevel(logging.ERROR)
    is_cuda = comfy.device.type == "cuda"
    tell(booted=round(time.monotonic() - began, 1), comfyui=comfy.version, dynamic=comfy.dynamic, device=str(comfy.device),
         torch=comfy.torch.__version__, name=comfy.torch.cuda.get_device_name() if is_cuda else "CPU")
    for name, limit in wanted:
        tell(start=name, limit=limit)
        _check(comfy, name, SimpleNamespace(tiny=setting.tiny, seconds=limit, kohya=setting.kohya))
        tell(end=name)


def _check(comfy, name: str, options: SimpleNamespace) -> None:
    """Each finding is told as it comes: a check that is ended keeps what it has found."""
    module, _, function = name.partition(".")
    started = time.monotonic()
    with importlib.import_module("pack.training.errors").Contained() as trouble:
        found = getattr(importlib.import_module(f"pack.tests.gpu.{module}"), function)(comfy, options)
        for one in found if inspect.isgenerator(found) or isinstance(found, list) else [found]:
            tell(check=name, seconds=round(time.monotonic() - started, 1), **one)
    if trouble.error is not None:
        tell(check=name, seconds=round(time.monotonic() - started, 1), ok=False,
             say=f"{type(trouble.error).__name__}: {trouble.error!s:.400}",
             trace="".join(traceback.format_exception(trouble.error))[-3000:])
    if module not in ("steps", "rivals"):  # those keep a full-size model for the next of them
        importlib.import_module("pack.tests.gpu.models").free_all(comfy)


def tell(**what) -> None:
    sys.stdout.write("@@" + json.dumps(what, default=str) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
