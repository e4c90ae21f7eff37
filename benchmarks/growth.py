"""`make bench-growth`: what more pictures, steps, resumed runs and runs on disk cost, in growth.md. A cost that is flat stays flat.

Every column is a process of its own; `python benchmarks/growth.py one WHAT COUNT` is such a process, and prints JSON. The model is of
two layers, so that what is seen is the cost around it.
"""

from __future__ import annotations

import json
import platform
import resource
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import contextmanager
from pathlib import Path
from statistics import median

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))

from benchmarks import workload  # noqa: E402
from benchmarks.run import alone  # noqa: E402

COUNTS = {"pictures": (100, 1_000, 10_000), "steps": (1_000, 10_000, 100_000), "resumed": (1, 5, 25), "runs": (10, 100, 1_000)}
TITLES = {
    "pictures": "Pictures in the folder (64 x 64, each with a caption of ten tags that are shuffled, wildcards in it, repeated 10 times)",
    "steps": "Steps of a run: what its listeners get, and what is read back of it",
    "resumed": "Times that a run of 1,000 steps before was resumed, 20 steps each",
    "runs": "Runs below output/lora_canvas, each with its settings",
}
Figures = dict[str, float]


def main(names: list[str]) -> None:
    lines = ["# What grows, and what does not", "", f"Written by `make bench-growth`. {platform.machine()}, Python "
             f"{platform.python_version()}, one process a column; ms and MiB. On a machine that others use too a figure may be several "
             "times too high.", ""]
    for name in names or COUNTS:
        columns = [alone([str(HERE / "growth.py"), "one", name, str(count)]) for count in COUNTS[name]]
        lines += [f"## {TITLES[name]}", "", "| | " + " | ".join(f"{count:,}" for count in COUNTS[name]) + " |",
                  "|---" * (len(columns) + 1) + "|"]
        lines += [f"| {what} | {' | '.join(_told(column[what]) for column in columns)} |" for what in columns[0]]
        lines.append("")
        print("\n".join(lines[-len(columns[0]) - 5 :]), flush=True)
    if not names:
        (HERE / "growth.md").write_text("\n".join(lines), encoding="utf-8")


def _told(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.2g}"


@contextmanager
def timed(figures: Figures, name: str):
    started = time.perf_counter()
    yield
    figures[f"{name}, ms"] = 1000 * (time.perf_counter() - started)


def held() -> float:
    """MiB of this process at most so far."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def pictures(count: int, folder: Path) -> Figures:
    """Scanned, started from full caches, stepped, saved and resumed."""
    from pack.tests.training.run.fakes import Bench
    from pack.training.data.captions import texts_needed
    from pack.training.data.folder.index import FileIndex
    from pack.training.data.folder.scan import scan_folder
    from pack.training.data.specs import CaptionSpec
    from pack.training.events import RunStarted, StepDone
    from pack.training.run.build import make_plan
    from pack.training.specs import RunSpec

    figures: Figures = {}
    _make_pictures(folder / "data", count)
    index = folder / "index.sqlite"
    with timed(figures, "scanned for the first time"):
        scan_folder(folder / "data", index=FileIndex(index), repeats=10)
    with timed(figures, "scanned again"):
        dataset = scan_folder(folder / "data", index=FileIndex(index), repeats=10)
    captions = CaptionSpec(shuffle=True, wildcards=True)
    started: list[float] = []
    bench = Bench(folder / "run", RunSpec(steps=60, batch_size=2, cache_to_disk=True), samples=dataset.samples, captions=captions,
                  cache_folder=folder / "cache", on_event=lambda event: started.append(time.perf_counter())
                  if isinstance(event, RunStarted) else None)
    bench.run()  # fills the caches
    with timed(figures, "every text that can be needed"):
        texts_needed(dataset.with_captions(captions).samples)
    before = held()
    again = Bench(folder / "again", bench.run_spec, samples=dataset.samples, captions=captions, cache_folder=bench.cache_folder,
                  on_event=bench.on_event)
    begun = time.perf_counter()
    built = again.run().built
    figures["start to first step, caches full, ms"] = 1000 * (started[-1] - begun)
    steps = [event.seconds for event in again.recorder.of(StepDone)]
    figures["a step, ms"] = 1000 * median(steps[5:])
    figures["memory of another run, MiB"] = max(0.0, held() - before)
    with timed(figures, "saving a state"):
        built.checkpoints.save_state(built.trainer)
    with timed(figures, "saving a LoRA and a state"):
        built.checkpoints.save_checkpoint(built.trainer)
    figures["a state, MiB"] = built.checkpoints.state_path.stat().st_size / 2**20
    plan = make_plan(bench.run_spec, [item for item in built.items if item.sample.is_trained])
    with timed(figures, "the first step of an epoch, its order drawn"):
        plan.group(plan.steps_per_epoch)
    with timed(figures, "any other step's place in it"):
        plan.group(plan.steps_per_epoch + 1)
    return figures


def _make_pictures(folder: Path, count: int) -> None:
    import numpy as np
    from PIL import Image

    folder.mkdir()
    rng = np.random.default_rng(3)
    for number in range(count):
        Image.fromarray(rng.integers(0, 255, (64, 64, 3), dtype=np.uint8)).save(folder / f"{number:05d}.png", compress_level=1)
        tags = ", ".join(f"tag {word}" for word in rng.integers(0, 500, 9))
        (folder / f"{number:05d}.txt").write_text(f"a {{red|blue}} thing {number}, {tags}", encoding="utf-8")


def steps(count: int, folder: Path) -> Figures:
    """All the listeners of a run in ComfyUI but the progress bar, fed with steps alone."""
    from pack.host.panel.listeners import PanelListener
    from pack.host.runs.listeners import ComfyLog, Kept
    from pack.host.runs.registry import RunRegistry
    from pack.training.events import Emitter, RunEnded, RunStarted, StepDone
    from pack.training.objective.divergence import Divergence
    from pack.training.record.history import read_log
    from pack.training.record.log import JsonlLog, keep_until
    from pack.training.record.loss_plot import LossPlot
    from pack.training.record.run_json import RunJson

    figures: Figures = {}
    registry, plot, divergence = RunRegistry(), LossPlot(folder), Divergence()
    panel = PanelListener("1", "run", registry, send=lambda data: json.dumps(data) and None)
    emit = Emitter([Kept(), plot, JsonlLog(folder), RunJson(folder), ComfyLog(), panel])
    before, times = held(), []
    emit(RunStarted(run_name="run", folder=folder, start_step=0, total_steps=count, steps_per_epoch=100.0))
    for step in range(1, count + 1):
        begun = time.perf_counter()
        loss = 0.1 + 0.05 * (step * 7919 % 101) / 101
        divergence.see([loss], [step * 31 % 100 / 100])
        emit(StepDone(step=step, total_steps=count, epoch=step / 100, loss=loss, learning_rates={"diffusion_model": 1e-4}, grad_norm=0.5,
                      items=1, seconds=0.5, memory_bytes=1 << 33, peak_memory_bytes=1 << 33))
        times.append(time.perf_counter() - begun)
    tenth = len(times) // 10
    figures["a step's listeners, the first tenth, ms"] = 1000 * median(times[:tenth])
    figures["a step's listeners, the last tenth, ms"] = 1000 * median(times[-tenth:])
    figures["the slowest step's listeners, ms"] = 1000 * max(times)
    figures["memory of listeners, MiB"] = max(0.0, held() - before)
    figures["what a state holds of the losses, KiB"] = len(json.dumps(divergence.memory())) / 1024
    with timed(figures, "the end: loss.png and all"):
        emit(RunEnded(reason="finished", step=count, total_steps=count, lora_path=None, seconds=1.0))
    figures["log.jsonl, MiB"] = (folder / "log.jsonl").stat().st_size / 2**20
    with timed(figures, "the panel opens the run"):
        sent = json.dumps(read_log(folder))
    figures["what it is sent, MiB"] = len(sent) / 2**20
    with timed(figures, "the panel asks what is new"):
        read_log(folder, after=count - 5)
    with timed(figures, "a resume cuts the log"):
        keep_until(folder / "log.jsonl", count - 20)
    with timed(figures, "a resume reads its curve"):
        LossPlot(folder)(RunStarted(run_name="run", folder=folder, start_step=count - 20, total_steps=count, steps_per_epoch=100.0))
    return figures


def resumed(count: int, folder: Path) -> Figures:
    """A run that has been resumed so often already is resumed once more."""
    from pack.tests.training.run.fakes import Bench
    from pack.training.events import RunStarted
    from pack.training.run.state import state_file
    from pack.training.specs import RunSpec

    figures: Figures = {}
    Bench(folder / "run", RunSpec(steps=1000)).run()
    state = state_file(folder / "run")
    for time_ in range(count + 1):
        begun, started = time.perf_counter(), []
        bench = Bench(folder / "run", RunSpec(steps=1000 + 20 * (time_ + 1)), on_event=lambda event, started=started: started.append(
            time.perf_counter()) if isinstance(event, RunStarted) else None)
        bench.run(state)
        figures = {"start to first step, ms": 1000 * (started[0] - begun)}
    figures["a state, KiB"] = state.stat().st_size / 1024
    figures["files in the folder"] = sum(1 for path in (folder / "run").rglob("*") if path.is_file())
    figures["memory, MiB"] = held()
    return figures


def runs(count: int, folder: Path) -> Figures:
    """The page of all runs, a new run's folder, and which run is meant by 'latest'."""
    import folder_paths

    folder_paths.set_output_directory(str(folder))
    from pack.host.panel.routes import _describe_all
    from pack.host.runs.run_folders import folder_to_resume, runs_root
    from pack.training.record.run_json import RUN_NAME
    from pack.training.record.taken import new_folder

    figures: Figures = {}
    root = runs_root()
    settings = {"prompts": ["a long prompt of many words, as people write them"] * 40, "numbers": list(range(200))}
    for number in range(1, count + 1):
        own = root / ("lora" if number == 1 else f"lora_{number}")
        (own / "state").mkdir(parents=True)
        (own / "state" / "training.state").write_bytes(b"x")
        (own / "run.lock").touch()
        run = {"name": own.name, "created": 1.0, "updated": float(number), "status": "finished", "step": 100, "total_steps": 100,
               "settings": settings, "lora_path": None, "summary": {"loss": 0.1}}
        (own / RUN_NAME).write_text(json.dumps(run), encoding="utf-8")
    with timed(figures, "the page of all runs"):
        described = _describe_all()
    figures["what it is sent, KiB"] = len(json.dumps(described)) / 1024
    with timed(figures, "the folder of a new run of the same name"), new_folder(root, "lora"):
        pass
    with timed(figures, "'latest' to resume"):
        folder_to_resume("latest")
    return figures


KINDS: dict[str, Callable[[int, Path], Figures]] = {"pictures": pictures, "steps": steps, "resumed": resumed, "runs": runs}

if __name__ == "__main__":
    if sys.argv[1:2] == ["one"]:
        workload.start_comfyui()
        with tempfile.TemporaryDirectory() as scratch:
            print(json.dumps(KINDS[sys.argv[2]](int(sys.argv[3]), Path(scratch))))
    else:
        main(sys.argv[1:])
