"""`make bench`: every contestant in a process of its own, in interleaved rounds, and the table in results.md.

Run it on an otherwise idle machine: two torch processes on two cores slow each other down many times. Rounds in which
others took more than a tenth of a core are dropped. `python benchmarks/run.py [rounds] [steps] [name ...]` runs some, and
leaves results.md alone.
"""

from __future__ import annotations

import json
import os
import platform
import statistics
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))

from benchmarks.contestants import CONTESTANTS  # noqa: E402

MOST_OTHERS = 0.1
MEMORY_STEPS = 3


def main(rounds: int = 3, steps: int = 8, names: list[str] | None = None) -> None:
    results: dict[str, list[dict]] = {name: [] for name in names or CONTESTANTS}
    for number in range(rounds):
        for name in results:
            measured = measure(name, steps)
            kept = measured["others"] <= MOST_OTHERS
            print(f"round {number + 1}  {name:34} {measured['seconds']:.2f} s  {measured['extra_mib']:.0f} MiB"
                  f"{'' if kept else '  (dropped: the cores were shared)'}", flush=True)
            results[name] += [measured] if kept else []
    table = as_table(results)
    print(table)
    if names is None:
        (HERE / "results.md").write_text(table, encoding="utf-8")


def measure(name: str, steps: int) -> dict:
    """Time and memory, each in a process of its own: see `alone`."""
    command = [str(HERE / "contestants.py"), name]
    return {**alone([*command, str(MEMORY_STEPS)], frees_at_once=True), **timing(alone([*command, str(steps)]))}


def timing(measured: dict) -> dict:
    return {key: measured[key] for key in ("seconds", "others")}


def alone(command: list[str], *, frees_at_once: bool = False) -> dict:
    """What a script prints in a process of its own, on two threads. With `frees_at_once` the allocator gives blocks back to the
    system as soon as they are freed, so that the peak tells what was live; the page faults of that make it useless for times."""
    environment = {**os.environ, "OMP_NUM_THREADS": "2", "OMP_WAIT_POLICY": "passive"}
    if frees_at_once:
        environment["MALLOC_MMAP_THRESHOLD_"] = "262144"
    done = subprocess.run([sys.executable, *command], env=environment, capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"{' '.join(command)} failed:\n{done.stderr[-3000:]}")
    return json.loads(done.stdout.splitlines()[-1])


def as_table(results: dict[str, list[dict]]) -> str:
    medians = {
        name: {key: statistics.median(entry[key] for entry in entries) for key in ("seconds", "extra_mib", "trained")}
        for name, entries in results.items()
        if entries
    }
    lines = [
        "# SD1.5 at full size against ComfyUI's own trainer and the eager floor",
        "",
        "Written by `make bench`. 859.5M random weights, 256 x 256, batch 1, rank 16, AdamW, fp32, 2 threads, cached latents and text.",
        f"{platform.machine()}, Python {platform.python_version()}. Memory is the peak of anonymous memory above the loaded model.",
        "",
        "| run | rounds | s/step | x core | MiB | x core | trained |",
        "|---|---|---|---|---|---|---|",
    ]
    for name, row in medians.items():
        core = medians.get("core, checkpointing" if "checkpointing" in name else "core")
        against = [f"{row[key] / core[key]:.2f}" if core else "-" for key in ("seconds", "extra_mib")]
        lines.append(
            f"| {name} | {len(results[name])} | {row['seconds']:.2f} | {against[0]} "
            f"| {row['extra_mib']:.0f} | {against[1]} | {int(row['trained']):,} |"
        )
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    numbers = [int(word) for word in sys.argv[1:] if word.isdigit()]
    main(*numbers[:2], names=[word for word in sys.argv[1:] if not word.isdigit()] or None)
