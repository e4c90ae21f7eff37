"""The runs that are tormented: the engine with a model of two layers, everything on disk that a run leaves, in a fifth of a second."""

from __future__ import annotations

import random
import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from pack.tests.training.run.fakes import Bench
from pack.tests.training.run.test_resume import CASES, STEPS, ground
from pack.training.events import Emitter, Event, StepDone
from pack.training.record.history import read_records
from pack.training.record.log import JsonlLog
from pack.training.record.loss_plot import LossPlot
from pack.training.record.run_json import RunJson, read_run
from pack.training.record.samples import SampleFiles
from pack.training.run.carry_out import carry_out
from pack.training.specs import PreviewSpec, SamplingSpec

from .children import Ending, in_child
from .tally import Lost

PREVIEW = PreviewSpec(sampling=SamplingSpec(prompts=("a cat",), width=64, height=64), every_n_steps=4)


@dataclass
class Ground:
    """One kind of run in `folder`: `go_on` trains from whatever lies there, in a child."""

    folder: Path
    case: str
    spec: dict
    listeners: list = field(default_factory=list)

    @classmethod
    def drawn(cls, folder: Path, draw: random.Random) -> Ground:
        spec = {"save_every_n_steps": draw.choice((0, 1, 2, 5)), "keep_last": draw.choice((0, 1, 2)), "validate_every_n_steps": 5}
        return cls(folder, draw.choice(list(CASES)), spec)

    @property
    def run_folder(self) -> Path:
        return self.folder / "run"

    @property
    def state(self) -> Path:
        return self.run_folder / "state" / "training.state"

    def bench(self) -> Bench:
        bench = ground(self.folder, CASES[self.case], **self.spec)
        bench.preview = PREVIEW
        return bench

    def train(self, bench: Bench | None = None) -> str:
        bench = bench or self.bench()
        if not self.state.is_file():
            shutil.rmtree(bench.folder, ignore_errors=True)  # a run that left no state is begun in a folder of its own
        records = [JsonlLog(bench.folder), RunJson(bench.folder), LossPlot(bench.folder), SampleFiles(bench.folder), *self.listeners]
        return carry_out(bench.order(), bench.control, Emitter(records), self.state if self.state.is_file() else None).reason

    def go_on(self, kill_after: float | None = None) -> Ending:
        return in_child(self.train, self.folder.parent / "answer.json", kill_after).require_ours()

    def file(self) -> bytes:
        return (self.run_folder / "run.safetensors").read_bytes()

    def require_whole(self, expected: bytes) -> None:
        """As if nothing had ever happened: the file, the log with every step once, the record, and no litter."""
        if self.file() != expected:
            raise Lost(f"{self.case}: the final file is another one")
        steps = [entry["step"] for entry in read_records(self.run_folder) if entry["event"] == "step"]
        if steps != list(range(1, STEPS + 1)):
            raise Lost(f"{self.case}: the log has the steps {steps}")
        status = (read_run(self.run_folder) or {}).get("status")
        if status != "finished":
            raise Lost(f"{self.case}: run.json says {status!r}")
        litter = [path.name for path in self.run_folder.rglob("*.part")]
        if litter:
            raise Lost(f"{self.case}: left lying: {litter}")


class Wholes:
    """The final files of undisturbed runs, made once a kind; `seconds` is how long the last of them took."""

    def __init__(self, folder: Path):
        self._folder = folder
        self._files: dict[str, bytes] = {}
        self.seconds = 0.0

    def of(self, ground: Ground) -> bytes:
        if ground.case not in self._files:
            whole = Ground(self._folder / "whole" / ground.case.replace(" ", "-"), ground.case, ground.spec)
            started = time.monotonic()
            ending = whole.go_on()
            self.seconds = time.monotonic() - started
            if ending.text != "finished":
                raise Lost(f"an undisturbed run ended so: {ending}")
            self._files[ground.case] = whole.file()
            shutil.rmtree(whole.folder)
        return self._files[ground.case]


@dataclass
class AtStep:
    """A listener that calls `act()` once, when `step` is done."""

    step: int
    act: Callable[[], None]
    name: str = "the soak"
    critical: bool = False

    def __call__(self, event: Event) -> None:
        if isinstance(event, StepDone) and event.step == self.step:
            self.act()
