"""A real ComfyUI inside this process: started once, prompts run in a worker thread as ComfyUI itself does.

Used by the tests here and by the benchmarks. ComfyUI's own folder stays untouched: models, inputs, outputs and
custom nodes lie in a base folder that the caller names.
"""

import asyncio
import importlib
import logging
import sys
import threading
import traceback
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import Any

from .alias import alias_package

PACK_FOLDER = "ComfyUI-LoRA-Canvas"
FOLDERS = ("models/checkpoints", "models/loras", "models/vae", "custom_nodes", "input", "output", "temp", "user")

Event = tuple[str, Any]


class PromptRefused(Exception):
    """ComfyUI's validation turned the prompt down; the text lists every complaint."""


class NodeFailed(Exception):
    """A node raised. Carries what ComfyUI would show: node_id, node_type, message, exception_type, events."""

    def __init__(self, details: dict, events: list[Event]):
        self.node_id, self.node_type = details["node_id"], details["node_type"]
        self.message, self.exception_type = details["exception_message"], details["exception_type"]
        self.events = events
        super().__init__(
            f"node {self.node_id} ({self.node_type}): {self.exception_type}: {self.message}\n"
            + "".join(details["traceback"])
        )


class PromptInterrupted(Exception):
    """The prompt was cancelled. Carries node_id, node_type and events."""

    def __init__(self, details: dict, events: list[Event]):
        self.node_id, self.node_type, self.events = details["node_id"], details["node_type"], events
        super().__init__(f"interrupted in node {self.node_id} ({self.node_type})")


@dataclass
class PromptResult:
    """What a prompt left behind.

    outputs: the `ui` dictionaries by node id, as history shows them.
    values: by node id, the list of the node's outputs (each a list: one item for a node that ran once).
    events: (name, data) in the order they were sent.
    """

    outputs: dict[str, dict]
    values: dict[str, list]
    events: list[Event]

    def value(self, node_id: str, slot: int = 0) -> Any:
        """The single value that a node gave on an output slot."""
        (value,) = self.values[node_id][slot]
        return value

    def events_named(self, name: str) -> list[Any]:
        return [data for event, data in self.events if event == name]


@dataclass
class Comfy:
    """A running ComfyUI: its modules as attributes (`comfy.nodes`, `comfy.module("comfy.sd")`) and its folders."""

    path: Path
    base: Path
    server: Any
    nodes: ModuleType
    folder_paths: ModuleType
    execution: ModuleType
    model_management: ModuleType
    pack: ModuleType | None
    listeners: list[Callable[[str, Any], None]] = field(default_factory=list)

    @staticmethod
    def module(name: str) -> ModuleType:
        """A module of ComfyUI by its dotted name, imported when first asked for."""
        return importlib.import_module(name)

    def interrupt(self) -> None:
        """Press Cancel."""
        self.nodes.interrupt_processing(True)

    def new_executor(self) -> Any:
        """An executor with an empty output cache; give it to several `run` calls to have nodes cached between them."""
        return self.execution.PromptExecutor(
            self.server, cache_type=self.execution.CacheType.CLASSIC, cache_args={"lru": 0, "ram": 0, "ram_inactive": 0}
        )

    def run(
        self, prompt: dict, executor: Any = None, on_event: Callable[[str, Any], None] | None = None, only: list[str] | None = None
    ) -> PromptResult:
        """Run an API-format prompt to its end. Raises PromptRefused, NodeFailed or PromptInterrupted.

        on_event(name, data) is called in the worker thread for each event, before the node goes on:
        a test can interrupt there at an exact step. `only`: the output nodes that are asked for, instead of all.
        """
        prompt_id = str(uuid.uuid4())
        valid, error, output_nodes, node_errors = _run_coroutine(
            self.execution.validate_prompt(prompt_id, prompt, only)
        )
        if not valid or node_errors:
            raise PromptRefused(_explain(error, node_errors))
        executor = executor or self.new_executor()
        events: list[Event] = []
        crash: list[str] = []

        def record(name: str, data: Any) -> None:
            events.append((name, data))
            if on_event is not None:
                on_event(name, data)

        def work() -> None:
            try:
                executor.execute(prompt, prompt_id, {"client_id": "tests"}, output_nodes)
            except BaseException:  # noqa: BLE001  raised again in the thread that waits
                crash.append(traceback.format_exc())

        self.listeners.append(record)
        try:
            worker = threading.Thread(target=work, name="prompt_worker", daemon=True)
            worker.start()
            worker.join()
        finally:
            self.listeners.remove(record)
        if crash:
            raise RuntimeError(f"ComfyUI's executor itself failed:\n{crash[0]}")
        _raise_failure(executor, events)
        return PromptResult(executor.history_result["outputs"], _values(executor, prompt), events)


def start(comfyui: Path, base: Path, pack_root: Path) -> Comfy:
    """Start ComfyUI on the CPU in this process, once; `base` becomes its base directory, with the pack linked in."""
    for folder in FOLDERS:
        (base / folder).mkdir(parents=True, exist_ok=True)
    sys.path.insert(0, str(comfyui))
    args = importlib.import_module("comfy.cli_args").args
    args.cpu, args.base_directory, args.disable_api_nodes = True, str(base), True
    # Must come before `nodes`, which puts ComfyUI's comfy/ folder on sys.path, where another utils.py lies.
    importlib.import_module("utils.install_util")
    nodes, execution, server_module = (importlib.import_module(name) for name in ("nodes", "execution", "server"))
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    server = server_module.PromptServer(loop)
    comfy = Comfy(
        path=comfyui,
        base=base,
        server=server,
        nodes=nodes,
        folder_paths=importlib.import_module("folder_paths"),
        execution=execution,
        model_management=importlib.import_module("comfy.model_management"),
        pack=None,
    )
    server.send_sync = lambda event, data, sid=None: [listen(event, data) for listen in list(comfy.listeners)]
    _report_progress(server)
    loop.run_until_complete(nodes.init_extra_nodes(init_custom_nodes=False, init_api_nodes=False))
    comfy.pack = _load_pack(loop, nodes, base, pack_root)
    return comfy


def _load_pack(loop: asyncio.AbstractEventLoop, nodes: ModuleType, base: Path, pack_root: Path) -> ModuleType:
    """Load the pack through ComfyUI's own loader; its modules are the ones that tests import as `pack`."""
    link = base / "custom_nodes" / PACK_FOLDER
    if not link.exists():
        link.symlink_to(pack_root, target_is_directory=True)
    module_name = str(link).replace(".", "_x_")
    alias_package(module_name, "pack")
    complaints: list[str] = []
    handler = logging.Handler(logging.WARNING)
    handler.emit = lambda record: complaints.append(record.getMessage())
    logging.getLogger().addHandler(handler)
    try:
        core_ids = set(nodes.NODE_CLASS_MAPPINGS)
        loaded = loop.run_until_complete(nodes.load_custom_node(str(link), core_ids, module_parent="custom_nodes"))
    finally:
        logging.getLogger().removeHandler(handler)
    if not loaded:
        raise RuntimeError("ComfyUI could not load the pack:\n" + "\n".join(complaints))
    return sys.modules[module_name]


def _report_progress(server: Any) -> None:
    """Make ComfyUI's ProgressBar report as main.py does: stop when cancelled, note the progress, send `progress`."""
    management, utils, running, progress = (
        importlib.import_module(name)
        for name in ("comfy.model_management", "comfy.utils", "comfy_execution.utils", "comfy_execution.progress")
    )

    def hook(value, total, preview, prompt_id=None, node_id=None):
        management.throw_exception_if_processing_interrupted()
        context = running.get_executing_context()
        if context is not None:
            prompt_id, node_id = prompt_id or context.prompt_id, node_id or context.node_id
        prompt_id, node_id = prompt_id or server.last_prompt_id, node_id or server.last_node_id
        progress.get_progress_state().update_progress(node_id, value, total, preview)
        server.send_sync("progress", {"value": value, "max": total, "prompt_id": prompt_id, "node": node_id})

    utils.set_progress_bar_global_hook(hook)


def _run_coroutine(coroutine) -> Any:
    loop = asyncio.new_event_loop()
    try:
        return loop.run_until_complete(coroutine)
    finally:
        loop.close()


def _explain(error: dict | None, node_errors: dict) -> str:
    lines = [f"{error['message']}: {error['details']}"] if error else []
    for node_id, report in node_errors.items():
        for complaint in report["errors"]:
            lines.append(f"node {node_id} ({report['class_type']}): {complaint['message']}: {complaint['details']}")
    return "\n".join(lines)


def _raise_failure(executor: Any, events: list[Event]) -> None:
    for name, data in executor.status_messages:
        if name == "execution_error":
            raise NodeFailed(data, events)
        if name == "execution_interrupted":
            raise PromptInterrupted(data, events)


def _values(executor: Any, prompt: dict) -> dict[str, list]:
    outputs = executor.caches.outputs
    look_up = getattr(outputs, "get_local", outputs.get)  # newer ComfyUI's `get` is a coroutine
    entries = {node_id: look_up(node_id) for node_id in prompt}
    return {node_id: entry.outputs for node_id, entry in entries.items() if entry is not None}
