"""ComfyUI as its main.py brings it up, without a server, on a machine that may lack half of what it asks for.

Nothing of torch or ComfyUI is imported before `boot`.
"""

from __future__ import annotations

import importlib
import importlib.abc
import importlib.machinery
import importlib.util
import os
import sys
import types
from pathlib import Path
from types import SimpleNamespace

#: Packages that a machine with a card may lack and that only decoration needs: an empty stand-in will do.
STAND_INS = ("av", "server", "alembic", "sqlalchemy", "kornia", "torchaudio")


class _Name(type):
    """An empty class, every attribute of which is its name."""

    def __getattr__(cls, name):
        if name.startswith("__"):
            raise AttributeError(name)
        return name


class _Anything(types.ModuleType):
    """A module of which every name is an empty class, and every submodule another of these."""

    __path__: list = []

    def __getattr__(self, name):
        if name.startswith("__"):
            raise AttributeError(name)
        made = _Name(name, (), {"__init__": lambda self, *a, **k: None})
        setattr(self, name, made)
        return made


class _StandIns(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    def __init__(self, tops):
        self._tops = set(tops)

    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in self._tops:
            return importlib.machinery.ModuleSpec(name, self, is_package=True)
        return None

    def create_module(self, spec):
        return _Anything(spec.name)

    def exec_module(self, module):
        module.__path__ = []


def stand_in(*names: str) -> None:
    """Empty modules for those of `names` that are not installed."""
    sys.meta_path.append(_StandIns([name for name in names if not _there(name)]))


def boot(setting: SimpleNamespace) -> SimpleNamespace:
    """ComfyUI's modules and what was found of the machine. `setting`: comfy (its folder), base (a folder to write to), device ('cuda' or
    'cpu'), dynamic (whether newer ComfyUI's dynamic VRAM is on)."""
    sys.path.insert(0, setting.comfy)
    stand_in(*STAND_INS)
    if setting.device == "cuda":  # as ComfyUI's cuda_malloc.py sets it on every card that can
        os.environ.setdefault("PYTORCH_CUDA_ALLOC_CONF", "backend:cudaMallocAsync")
    sys.modules["server"] = _Anything("server")
    server = SimpleNamespace(send_sync=lambda *a, **k: None, client_id=None, last_node_id="1", last_prompt_id="1", sockets={})
    sys.modules["server"].PromptServer = SimpleNamespace(instance=server)
    argv, sys.argv = sys.argv, sys.argv[:1]
    try:
        _options(setting)
        importlib.import_module("utils.install_util")
        names = ("model_management", "model_patcher", "supported_models", "sd", "ops", "utils", "sample", "lora", "model_base")
        modules = SimpleNamespace(**{name: importlib.import_module(f"comfy.{name}") for name in names})
        is_dynamic = setting.dynamic and _dynamic(modules)
    finally:
        sys.argv = argv
    base = Path(setting.base)
    for folder in ("models/checkpoints", "models/loras", "input", "output", "temp", "user"):
        (base / folder).mkdir(parents=True, exist_ok=True)
    version = (Path(setting.comfy) / "comfyui_version.py").read_text(encoding="utf-8").split('"')[1]
    return SimpleNamespace(**vars(modules), version=version, dynamic=is_dynamic, base=base, torch=importlib.import_module("torch"),
                           device=modules.model_management.get_torch_device(), module=importlib.import_module)


def _options(setting: SimpleNamespace) -> None:
    """What the command line would have said."""
    args = importlib.import_module("comfy.cli_args").args
    args.cpu = setting.device == "cpu"
    args.base_directory = str(setting.base)
    if setting.device == "cuda" and hasattr(args, "cuda_malloc"):
        args.cuda_malloc = True
    if not setting.dynamic and hasattr(args, "disable_dynamic_vram"):
        args.disable_dynamic_vram = True
    if setting.dynamic:
        control = importlib.import_module("comfy_aimdo.control")
        try:
            control.init(simple_vram_headroom=None, nvml_pressure=True)
        except TypeError:
            control.init()


def _there(name: str) -> bool:
    try:
        return importlib.util.find_spec(name) is not None
    except (ImportError, ValueError):
        return False


def _dynamic(modules) -> bool:
    """main.py's own steps to dynamic VRAM."""
    control = importlib.import_module("comfy_aimdo.control")
    if not control.init_devices(d.index for d in modules.model_management.get_all_torch_devices()):
        return False
    modules.model_patcher.CoreModelPatcher = modules.model_patcher.ModelPatcherDynamic
    importlib.import_module("comfy.memory_management").aimdo_enabled = True
    return True
