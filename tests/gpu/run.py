"""Run the checks of this room, each group in a process of its own, within a number of seconds.

    python tests/gpu/run.py --comfy FOLDER --out FOLDER              a machine with a card and a ComfyUI
    python3 run.py --carry FOLDER --out FOLDER                       one with Python and torch only: FOLDER is what carry.py made
    python tests/gpu/run.py --comfy FOLDER --out FOLDER --device cpu --tiny        a dry run

A check that hangs or kills its process is left out and the rest goes on; what was found until then is in results.json.
"""

from __future__ import annotations

import argparse
import json
import os
import selectors
import shutil
import signal
import subprocess
import sys
import tarfile
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

HERE = Path(__file__).resolve().parent


@dataclass(frozen=True)
class Group:
    """Checks that share a process, 'name:seconds' each; groups of one phase run at once, phases one after the other, each for its
    share of the time. `tree` is the older or the newer ComfyUI, where two are carried."""

    name: str
    phase: int
    share: float
    checks: str
    tree: str = "older"
    dynamic: bool = False


GROUPS = (
    Group("steps", 1, 0.4, "steps.sd15:40 steps.sdxl:40 rivals.kohya:40 rivals.core:30 steps.flux_fp8:50 steps.same_again:30 "
                           "steps.replayed:60 host_time.launches:10 host_time.step:30 steps.tail:10 steps.sd15_all_layers:20"),
    Group("steps, dynamic VRAM", 2, 0.2, "steps.sd15:40 steps.sdxl:40 steps.flux_fp8:40", "newer", True),
    Group("gradients", 3, 0.22, "gradients.exact_fp32:20 gradients.precisions:40 gradients.partly_loaded:60 gradients.fast_fp8:20 "
                                "gradients.kinds:40 gradients.families:60"),
    Group("nodes", 3, 0.22, "through_nodes.run:40 through_nodes.text_encoder:30 through_nodes.fp16_overflow:20 "
                            "through_nodes.out_of_memory:40 optimizers.every_one:40"),
    Group("nodes, dynamic VRAM", 3, 0.22, "through_nodes.run:60 through_nodes.text_encoder:40 through_nodes.out_of_memory:40 "
                                          "gradients.exact_fp32:20 gradients.precisions:40 gradients.fast_fp8:30 gradients.families:60",
          "newer", True),
    Group("small cards", 4, 0.18, "steps.on_small_cards:80 steps.flux:50"),
)


@dataclass
class Run:
    """What one call was asked for and has found."""

    options: argparse.Namespace
    places: dict[str, Path]
    end: float
    results: list[dict] = field(default_factory=list)

    def keep(self, group: str, **found) -> None:
        self.results.append({"group": group, **found})
        (self.options.out / "results.json").write_text(json.dumps(self.results, indent=1, default=str), encoding="utf-8")
        mark = {True: "ok ", False: "BAD", None: "-  "}[found.get("ok")]
        print(f"[{group}] {mark} {found['check']} ({found.get('seconds', 0)} s): {found['say'][:1000]}", flush=True)


def main(argv: list[str] | None = None) -> int:
    options = _options(argv)
    began = time.monotonic()
    options.out.mkdir(parents=True, exist_ok=True)
    run = Run(options, _unpack(options.carry, options.work) if options.carry else {}, began + options.seconds)
    groups = [group for group in groups_for(options.device) if _wanted(group, options.only)]
    shares = {group.phase: group.share for group in groups}
    for phase in sorted(shares):
        here = [group for group in groups if group.phase == phase]
        left = run.end - time.monotonic()
        until = time.monotonic() + left * shares[phase] / sum(share for other, share in shares.items() if other >= phase)
        with ThreadPoolExecutor(len(here) if options.device == "cuda" else 1) as pool:
            list(pool.map(lambda group, until=until: _run_group(run, group, until if options.device == "cuda" else run.end), here))
    sys.path.insert(0, str(HERE))
    from table import table

    print(table(run.results), f"\nin {time.monotonic() - began:.0f} s", flush=True)
    return any(entry.get("ok") is False for entry in run.results)


def _options(argv: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    place = parser.add_mutually_exclusive_group(required=True)
    place.add_argument("--comfy", type=Path, help="a ComfyUI")
    place.add_argument("--carry", type=Path, help="what carry.py collected")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--work", type=Path, default=Path(tempfile.gettempdir()) / "lora_canvas_gpu")
    parser.add_argument("--seconds", type=float, default=520)
    parser.add_argument("--device", choices=("cuda", "cpu"), default="cuda")
    parser.add_argument("--tiny", action="store_true", help="small models in place of the full-size ones, and fewer of the tiny ones")
    parser.add_argument("--only", nargs="*", default=[], help="groups or checks whose names hold one of these words")
    return parser.parse_args(argv)


def groups_for(device: str) -> list[Group]:
    """Dynamic VRAM is a card's: without one those groups would ask the same as the others."""
    return [group for group in GROUPS if device == "cuda" or not group.dynamic]


def _wanted(group: Group, only: list[str]) -> list[str]:
    return [word for word in group.checks.split() if not only or any(one in word or one == group.name for one in only)]


def _unpack(carry: Path, work: Path) -> dict[str, Path]:
    """Every archive of the carry folder, by name."""
    def one(archive: Path) -> tuple[str, Path]:
        name = archive.name.split(".tar")[0]
        with tarfile.open(archive) as file:
            file.extractall(work / name, filter="data")
        return name, work / name

    with ThreadPoolExecutor() as pool:
        return dict(pool.map(one, sorted(carry.glob("*.tar.*"))))


def _run_group(run: Run, group: Group, until: float) -> None:
    options = run.options
    comfy = run.places.get(group.tree) or options.comfy
    if comfy is None:
        run.keep(group.name, check="start", ok=None, say=f"no {group.tree} ComfyUI was carried")
        return
    setting = {
        "comfy": str(comfy.resolve()), "pack": str(run.places.get("pack", HERE.parents[1])), "device": options.device, "tiny": options.tiny,
        "dynamic": group.dynamic and options.device == "cuda", "base": str(options.work / "base" / group.name.replace(" ", "_")),
        "site": [str(run.places["site"])] if "site" in run.places else [], "kohya": str(run.places.get("kohya", "")),
    }
    shutil.rmtree(setting["base"], ignore_errors=True)  # what an earlier run left is no run to resume
    waiting = _wanted(group, options.only)
    while waiting and time.monotonic() < until - 10:
        waiting = waiting[_run_process(run, group, setting, waiting, until):]
    for word in waiting:
        run.keep(group.name, check=word.partition(":")[0], ok=None, say="no time left")


def _run_process(run: Run, group: Group, setting: dict, waiting: list[str], until: float) -> int:
    """Run the checks until one hangs or the process dies; how many are done with, the bad one too."""
    worker = Path(setting["pack"]) / "tests" / "gpu" / "worker.py"
    environment = {**os.environ, "OMP_WAIT_POLICY": "passive", "PYTHONUNBUFFERED": "1", "TOKENIZERS_PARALLELISM": "false"}
    with (run.options.out / f"{group.name.replace(',', '').replace(' ', '_')}.log").open("ab") as log:
        process = subprocess.Popen([sys.executable, str(worker), json.dumps(setting), *waiting], stdout=subprocess.PIPE, stderr=log,
                                   env=environment, start_new_session=os.name == "posix")
        watch = _Watch(run, group.name, slower=1 if run.options.device == "cuda" else 6)
        for line in _lines(process, lambda: min(watch.deadline, until)):
            watch.heard(line) if line.startswith(b"@@") else log.write(line + b"\n")
    if process.returncode is None:
        _end(process)
        late = time.monotonic() > until
        run.keep(group.name, check=watch.current or "start", ok=None if late else False,
                 say="no time left" if late else "it took too long and was ended")
        return watch.done + 1 if watch.current else len(waiting)
    if process.returncode and (watch.current or not watch.done):
        run.keep(group.name, check=watch.current or "start", ok=False, say=f"the process died ({process.returncode}); see the log")
        return watch.done + 1 if watch.current else len(waiting)
    return max(watch.done, 1)


class _Watch:
    """What a process is at, and until when it may be."""

    def __init__(self, run: Run, group: str, slower: float):
        self._run, self._group, self._slower = run, group, slower
        self.done, self.current, self.deadline = 0, "", time.monotonic() + 120 * slower

    def heard(self, line: bytes) -> None:
        entry = json.loads(line[2:])
        if "booted" in entry:
            told = f"ComfyUI {entry['comfyui']}, torch {entry['torch']}, {entry['name']}, dynamic VRAM {entry['dynamic']}"
            self._run.keep(self._group, check="start", ok=True, say=told, seconds=entry["booted"])
        elif "start" in entry:
            self.current, self.deadline = entry["start"], time.monotonic() + entry["limit"] * self._slower
        elif "end" in entry:
            self.done, self.current, self.deadline = self.done + 1, "", time.monotonic() + 60 * self._slower
        else:
            self._run.keep(self._group, **entry)


def _lines(process: subprocess.Popen, deadline):
    """What the process prints, line by line, until it ends or the deadline has passed."""
    reader, buffer = selectors.DefaultSelector(), b""
    reader.register(process.stdout, selectors.EVENT_READ)
    while time.monotonic() < deadline():
        if not reader.select(timeout=0.5):
            if process.poll() is not None:
                return
            continue
        chunk = os.read(process.stdout.fileno(), 1 << 16)
        if not chunk:
            process.wait()
            return
        *lines, buffer = (buffer + chunk).split(b"\n")
        yield from lines


def _end(process: subprocess.Popen) -> None:
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL) if os.name == "posix" else process.kill()
    process.wait()


if __name__ == "__main__":
    sys.exit(main())
