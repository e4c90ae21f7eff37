"""The run on the screen: records to the panel in every open tab, progress and previews to ComfyUI's own bar."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from comfy.cli_args import args
from comfy_execution.progress import get_progress_state
from comfy_execution.utils import get_executing_context
from server import PromptServer

from ...training.events import Event, Listener, PreviewReady, Progress, RunEnded, RunStarted, StepDone
from ...training.record.records import record
from ...training.record.samples import to_picture
from ..runs.registry import LiveRun, RunRegistry
from .batcher import Batcher

EVENT_NAME = "lora_canvas.run"


def broadcast(data: dict[str, Any]) -> None:
    """To every open tab: the one that queued the prompt may be closed, or never have existed."""
    PromptServer.instance.send_sync(EVENT_NAME, data, None)


def tell_asked(run: LiveRun, action: str, registry: RunRegistry, send: Callable[[dict[str, Any]], None] = broadcast) -> None:
    """Every tab, and one that is opened before the run has done so, that it was asked to end: the step that it is in may take long."""
    entry = {"event": "asked", "action": action}
    registry.observe(run.name, entry)
    send({"run": run.name, "node": run.node_id, "records": [entry]})


class PanelListener:
    """Sends {"run", "node", "records"} over the websocket, at most five times a second."""

    name = "the panel"
    critical = False

    def __init__(self, node_id: str, run_name: str, registry: RunRegistry,
                 send: Callable[[dict[str, Any]], None] = broadcast):
        self._run_name = run_name
        self._registry = registry
        self._batcher = Batcher(lambda records: send({"run": run_name, "node": node_id, "records": records}))

    def __call__(self, event: Event) -> None:
        entry = record(event)
        self._registry.observe(self._run_name, entry)
        if isinstance(event, Progress):
            self._batcher.replace_last(entry, lambda other: other.get("phase") == event.phase)
        else:
            self._batcher.add(entry)
        if isinstance(event, RunEnded):
            self._batcher.flush()


class NodeProgress:
    """ComfyUI's own bar and preview picture on the node: its registry knows the node by the id that it runs under, pages by
    the one that it has on the canvas.

    It speaks to the progress registry directly: `comfy.utils.ProgressBar` would raise the user's interrupt here and
    clear it, and a listener's failure is contained, so the cancel would be lost. The loop polls the interrupt itself.
    """

    name = "ComfyUI's progress bar"
    critical = False
    _interval = 0.2

    def __init__(self, node_id: str, shown_as: str, clock: Callable[[], float] = time.monotonic):
        self._node_id = node_id
        self._shown_as = shown_as
        self._clock = clock
        self._shown_at = -self._interval
        self._position: tuple[float, float] = (0, 1)
        self._training = False

    def __call__(self, event: Event) -> None:
        if isinstance(event, RunStarted):
            self._training = True
            self._show(event.start_step, event.total_steps, now=True)
        elif isinstance(event, StepDone):
            self._show(event.step, event.total_steps, now=event.step == event.total_steps)
        elif isinstance(event, Progress) and not self._training:
            self._show(event.done, event.total, now=event.done == event.total)
        elif isinstance(event, PreviewReady) and len(event.images):
            picture = ("JPEG", to_picture(event.pictures()[0]), args.preview_size)
            self._show(*self._position, now=True, picture=picture)

    def _show(self, value: float, total: float, *, now: bool, picture: tuple[str, Any, int] | None = None) -> None:
        self._position = (value, max(total, 1))
        if not now and self._clock() - self._shown_at < self._interval:
            return
        self._shown_at = self._clock()
        get_progress_state().update_progress(self._node_id, value, max(total, 1), picture)
        context = get_executing_context()
        server = PromptServer.instance
        server.send_sync(
            "progress",
            {"value": value, "max": max(total, 1), "prompt_id": context.prompt_id if context else None,
             "node": self._shown_as},
            server.client_id,
        )


def panel_listeners(node_id: str, shown_as: str, run_name: str, registry: RunRegistry) -> list[Listener]:
    """What Train LoRA adds to a run's listeners. Put them after those that write files: records name the files."""
    return [PanelListener(shown_as, run_name, registry), NodeProgress(node_id, shown_as)]
