"""The demo's screen: one line for each node that runs, a bar with the time left while it trains or samples."""

import sys

from tqdm import tqdm

PHASES = {
    "latents": "Encoding pictures",
    "captions": "Encoding captions",
    "preview": "Sampling previews",
    "validation": "Validating",
}


class Display:
    """Takes ComfyUI's events one by one. titles: what to call each node, by id."""

    def __init__(self, titles: dict[str, str]):
        self._titles = titles
        self._bar: tqdm | None = None
        self._label = ""
        self._node = ""
        self._training_node = ""

    def __call__(self, name: str, data: dict) -> None:
        if name == "executing" and data.get("node"):
            self._start_node(data["node"])
        elif name == "lora_canvas.run":
            self._training_node = data["node"]
            for record in data["records"]:
                self._record(record)
        elif name == "progress" and data["node"] == self._node != self._training_node:
            self._show(self._titles.get(self._node, "Working"), data["value"], data["max"])

    def close(self) -> None:
        """End the bar that is on the screen."""
        if self._bar is not None:
            self._bar.close()
        self._bar, self._label = None, ""

    def _start_node(self, node: str) -> None:
        if node != self._node:
            self.close()
            self._node = node
            print(f"  {self._titles.get(node, node)}", flush=True)

    def _record(self, record: dict) -> None:
        kind = record["event"]
        if kind == "step":
            loss = record["loss"]
            self._show("Training", record["step"], record["total_steps"], "" if loss is None else f"loss {loss:.4f}")
        elif kind == "progress" and self._label != "Training":
            self._show(PHASES.get(record["phase"], record["phase"]), record["done"], record["total"])
        elif kind == "message":
            tqdm.write(f"    {record['level']}: {record['text']}")
        elif kind == "ended":
            self.close()

    def _show(self, label: str, value: float, total: float, note: str = "") -> None:
        if label != self._label:
            self.close()
            self._label = label
            on_terminal = sys.stdout.isatty()
            self._bar = tqdm(
                total=total, initial=0, desc=f"    {label}", file=sys.stdout, mininterval=0.2 if on_terminal else 5.0,
                ncols=None if on_terminal else 100, ascii=not on_terminal,
            )  # fmt: skip
        self._bar.set_postfix_str(note, refresh=False)
        self._bar.total = total
        self._bar.update(value - self._bar.n)
