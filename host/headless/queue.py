"""One prompt through ComfyUI's own queue, in a process where nobody listens."""

from __future__ import annotations

import signal
import sys
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import execution
from comfy.model_management import interrupt_current_processing
from server import PromptServer

from ..runs.registry import RUNS
from .workflow import WorkflowError

POLL = 0.1
"""Seconds between looks at the queue."""


@dataclass(frozen=True)
class Ending:
    """How a prompt ended: `failure` of the node that raised or was stopped; `was_stopped`: by Ctrl-C, or by a node, as Pause does. A node
    that raised has failed, whatever was pressed besides: launchers end all processes when one has."""

    failure: str | None
    was_stopped: bool


class Stopping:
    """Ctrl-C and SIGTERM: the first ends the training after its step, or cancels where nothing trains; the second cancels, which
    saves what was learned too; after that the process ends as any other."""

    def __init__(self, tell: Callable[[str], None]):
        self._tell = tell
        self.times = 0

    def __call__(self, number: int, _frame: object) -> None:
        self.times += 1
        live = RUNS.controls()
        if self.times == 1 and live:
            for control in live:
                control.request_pause()
            self._tell("Stopping after this step; the LoRA and the state are saved. Once more: cancel at once.")
            return
        if self.times <= 2:
            self._tell("Cancelling; what was learned is saved.")
            interrupt_current_processing(True)
            return
        signal.signal(number, signal.SIG_DFL)
        signal.raise_signal(number)

    @contextmanager
    def listening(self) -> Iterator[None]:
        before = {number: signal.signal(number, self) for number in (signal.SIGINT, signal.SIGTERM)}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)


def carried_out(prompt: dict, workflow: dict | None, on_event: Callable[[str, Any], None], tell: Callable[[str], None],
                only: list[str] | None = None) -> Ending:
    """Run a prompt to its end. Raises WorkflowError with every complaint of ComfyUI's validation; on_event(name, data) is called in
    ComfyUI's threads; `only`: the output nodes that are asked for, instead of all."""
    server, prompt_id, stopping = PromptServer.instance, str(uuid.uuid4()), Stopping(tell)
    valid, error, outputs, complaints = server.loop.run_until_complete(execution.validate_prompt(prompt_id, prompt, only))
    if not valid or complaints:
        raise WorkflowError(_explained(error, complaints))
    server.send_sync = lambda event, data, sid=None: on_event(event, data)  # else it piles up in a loop that does not run
    server.client_id = server.client_id or prompt_id  # without a client ComfyUI says nothing of its nodes
    extra = {"client_id": prompt_id, **({"extra_pnginfo": {"workflow": workflow}} if workflow else {})}
    with stopping.listening():
        server.prompt_queue.put((0, prompt_id, prompt, extra, outputs, {}))
        while not (history := server.prompt_queue.get_history(prompt_id)):
            if not any("prompt_worker" in thread.name for thread in threading.enumerate()):
                sys.exit("ComfyUI's worker has died; its log says why.")
            time.sleep(POLL)
    messages = history[prompt_id]["status"]["messages"]
    failed = any(name == "execution_error" for name, _ in messages)
    interrupted = any(name == "execution_interrupted" for name, _ in messages)
    return Ending(_failure(messages), interrupted or stopping.times > 0 and not failed)


def _failure(messages: list) -> str | None:
    for name, data in messages:
        if name == "execution_error":
            return f"{data['node_type']} (node {data['node_id']}): {data['exception_message'].strip()}"
        if name == "execution_interrupted":
            return f"stopped in {data['node_type']} (node {data['node_id']})"
    return None


def _explained(error: dict | None, complaints: dict) -> str:
    lines = [f"{error['message']}: {error['details']}".removesuffix(": ")] if error else []
    for node_id, report in complaints.items():
        lines += [f"{report['class_type']} (node {node_id}): {said['message']}: {said['details']}" for said in report["errors"]]
    return "\n".join(lines)
