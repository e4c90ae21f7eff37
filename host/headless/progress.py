"""The screen of a run without a browser: one line for each node, a bar with the time left while it trains or samples."""

import sys
import time
from collections import deque
from typing import TextIO

from tqdm import tqdm

PHASES = {
    "latents": "Encoding pictures",
    "captions": "Encoding captions",
    "preview": "Sampling previews",
    "validation": "Validating",
}
LOSSES = 20  # the loss on the bar is the mean of so many steps: a single one says little


class Bar:
    """Work of a known length: a bar that moves on a terminal, a line every ten seconds in a log."""

    LOG_INTERVAL = 10.0

    def __init__(self, label: str, total: float, out: TextIO):
        self._label, self._total, self._out = f"    {label}", total, out
        self._started = self._shown = time.monotonic()
        # Little smoothing: training stops for previews, and the time left should not jump with them.
        self._bar = tqdm(total=total, desc=self._label, file=out, smoothing=0.02) if out.isatty() else None

    def show(self, done: float, note: str = "") -> None:
        if self._bar is not None:
            self._bar.set_postfix_str(note, refresh=False)
            self._bar.update(done - self._bar.n)
            return
        now = time.monotonic()
        if done >= self._total or now - self._shown >= self.LOG_INTERVAL:
            self._shown = now
            meter = tqdm.format_meter(
                done, self._total, now - self._started, ncols=110, prefix=self._label, ascii=True, postfix=note
            )
            print(meter, file=self._out, flush=True)

    def close(self) -> None:
        if self._bar is not None:
            self._bar.close()


class Display:
    """Takes ComfyUI's events one by one. titles: what to call each node, by id; says_messages: a run's messages, which are in
    ComfyUI's log too."""

    def __init__(self, titles: dict[str, str], out: TextIO | None = None, *, says_messages: bool = True):
        self._titles, self._out, self._says_messages = titles, out or sys.stdout, says_messages
        #: The names of the runs that were shown.
        self.runs: list[str] = []
        self._bar: Bar | None = None
        self._label = self._node = self._training_node = ""
        self._step, self._losses = 0, deque(maxlen=LOSSES)

    def __call__(self, name: str, data: dict) -> None:
        if name == "executing" and data.get("node"):
            self._start_node(data["node"])
        elif name == "lora_canvas.run":
            self._training_node = data["node"]
            if data["run"] not in self.runs:
                self.runs.append(data["run"])
            for record in data["records"]:
                self._record(record)
        elif name == "progress" and data["node"] == self._node != self._training_node:
            self._show("Working", data["value"], data["max"])

    def close(self) -> None:
        """End the bar that is on the screen."""
        if self._bar is not None:
            self._bar.close()
        self._bar, self._label = None, ""

    def say(self, text: str) -> None:
        """A line that leaves the bar whole."""
        tqdm.write(text, file=self._out)
        self._out.flush()

    def _start_node(self, node: str) -> None:
        if node != self._node:
            self.close()
            self._node = node
            print(f"  {self._titles.get(node, node)}", file=self._out, flush=True)

    def _record(self, record: dict) -> None:
        kind = record["event"]
        if kind == "step":
            self._step = record["step"]
            if record["loss"] is not None:
                self._losses.append(record["loss"])
            mean = sum(self._losses) / len(self._losses) if self._losses else float("nan")
            self._show("Training", self._step, record["total_steps"], f"loss {mean:.3f}")
        elif kind == "progress":
            phase: str = PHASES.get(record["phase"]) or record["phase"]
            if self._bar is not None and self._label == "Training":
                self._bar.show(self._step, f"{phase.lower()}, {record['done']} of {record['total']}")
            else:
                self._show(phase, record["done"], record["total"])
        elif kind == "message" and self._says_messages:
            self.say(f"    {record['level']}: {record['text']}")
        elif kind == "ended":
            self.close()

    def _show(self, label: str, done: float, total: float, note: str = "") -> None:
        if self._bar is None or label != self._label:
            self.close()
            self._label, self._bar = label, Bar(label, total, self._out)
        self._bar.show(done, note)
