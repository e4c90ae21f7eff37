"""What a second process costs: a step of one process on half of two cores against that of two on both, one thread each.

    python benchmarks/processes.py [rounds] [steps]     measures, and writes processes.md; as root, in a network of its own
    torchrun ... benchmarks/processes.py one STEPS      one of the processes; prints JSON

Both do the same work a process (SD1.5 narrow, batch 1), so a second process that cost nothing would take the same time. The rounds are
interleaved. On a machine that others use too, wall times are the least of all steps, and processor time says more.
"""

from __future__ import annotations

import json
import os
import platform
import subprocess
import sys
from pathlib import Path
from statistics import median

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from benchmarks import workload  # noqa: E402
from demo.comfyui.server import free_port  # noqa: E402

CHANNELS, SIDE, PICTURES, WARM_UP = 64, 256, 8, 3
MB = 1e6
#: (what, numbers that are trained, seconds a step alone): rank 16, attention and feed-forward, counted on `meta`; times of gpu.md (H200).
KNOWN = (("SD1.5 512, bf16", 6_782_976, 0.318), ("SDXL 1024, bf16, checkpointing", 42_557_440, 1.718))
#: (what, processes, bytes a second through the narrowest place of the ring, seconds that a hop takes): assumed.
PLACES = (("8 cards, PCIe 4.0 x16", 8, 10e9, 20e-6), ("2 machines of 8, 10 GbE", 16, 1.1e9, 100e-6))


def one(steps: int) -> None:
    """This process' part."""
    workload.start_comfyui()
    import torch
    import torch.distributed

    from benchmarks.our_run import Work, run

    torch.set_num_threads(1)
    sent: list[int] = []
    reduce = torch.distributed.all_reduce

    def counted(tensor, *args, **kwargs):
        sent.append(tensor.nbytes)
        return reduce(tensor, *args, **kwargs)

    torch.distributed.all_reduce = counted
    work = Work(patcher=workload.sd15_patcher(CHANNELS), latent=workload.latent(), text={"cond": workload.text()}, side=SIDE,
                pictures=PICTURES)
    before = on_the_wire()
    meter, trained = run(steps, False, workload.KOHYA_LAYERS, work, together=True)
    told = {"wall": _steps(meter.times), "own": _steps(meter.own), "trained": trained, "reduced": sum(sent) / steps,
            "wire": (on_the_wire() - before) / steps}
    print("FOUND " + json.dumps({"rank": int(os.environ["RANK"]), **told}), flush=True)


def _steps(times: list[float]) -> list[float]:
    return [after - before for before, after in zip(times[WARM_UP:-1], times[WARM_UP + 1 :], strict=True)]


def on_the_wire() -> int:
    """Bytes that the loopback of this process' network has carried; all of them ours where the network is."""
    for line in Path("/proc/net/dev").read_text().splitlines():
        if line.strip().startswith("lo:"):
            return int(line.split()[1])
    raise OSError("this system does not tell what its loopback carries; the benchmark runs on Linux")


def measured(processes: int, steps: int) -> dict[str, dict]:
    """What each process found, by rank."""
    port = str(free_port())
    given = {**os.environ, "OMP_NUM_THREADS": "1", "WORLD_SIZE": str(processes), "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port}
    started = [subprocess.Popen([sys.executable, __file__, "one", str(steps)], text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                env={**given, "RANK": str(rank), "LOCAL_RANK": str(rank)}) for rank in range(processes)]
    found = {}
    for process in started:
        out, trouble = process.communicate()
        if process.returncode:
            sys.exit(f"a process failed:\n{trouble[-3000:]}")
        told = json.loads(out[out.index("FOUND ") + 6 :].splitlines()[0])
        found[told.pop("rank")] = told
    return found


def main(rounds: int = 3, steps: int = 20) -> None:
    own_network = os.environ.get("OWN_NETWORK") or _moved_into_one()
    rows: dict[int, list[dict]] = {1: [], 2: []}
    for number in range(rounds):
        for processes in rows:
            found = measured(processes, steps)
            rows[processes] += found.values()
            wall, own = (min(min(told[what]) for told in found.values()) for what in ("wall", "own"))
            print(f"round {number + 1}, {processes}: least wall {wall:.3f} s, least processor time {own:.3f} s", flush=True)
    text = report(rows, rounds, steps, own_network == "1")
    print(text)
    (ROOT / "benchmarks" / "processes.md").write_text(text, encoding="utf-8")


def report(rows: dict[int, list[dict]], rounds: int, steps: int, own_network: bool) -> str:
    told = rows[2][0]
    gradients = 4 * told["trained"]
    carried = median(each["wire"] for each in rows[2])
    wire = f"{carried / MB:.2f} MB a step of both, x {carried / (2 * gradients):.3f}" if own_network else "what was not measured"
    lines = [
        "# What a second process costs", "",
        f"Written by `make bench-processes`. SD1.5 of {CHANNELS} channels, {SIDE} x {SIDE}, batch 1 a process, rank {workload.RANK}, "
        f"AdamW, fp32, {told['trained']:,} numbers trained; one thread a process on two cores, gloo over loopback; {rounds} "
        f"rounds of {steps} steps, interleaved. {platform.machine()}, Python {platform.python_version()}. Where other programs use the "
        "cores too, the least wall time of all steps is the fairest, and processor time does not see who else ran.", "",
        "| a step, seconds | 1 process | 2 processes | 2 against 1 |", "|---|---|---|---|",
        *(_row(name, what, of, rows) for name, what, of in (
            ("wall, least", "wall", min), ("wall, median", "wall", median), ("processor time of a process, least", "own", min),
            ("processor time of a process, median", "own", median))), "",
        f"What is summed: {told['reduced'] / MB:.3f} MB a step; the gradients alone are {gradients / MB:.3f} MB in fp32 "
        f"(x {told['reduced'] / gradients:.4f}). Two processes must each send so much, whatever the way; the wire carried {wire}.", "",
        *_prediction(),
    ]
    return "\n".join(lines) + "\n"


def _row(name: str, what: str, of, rows: dict[int, list[dict]]) -> str:
    one_process, two = (of([value for told in rows[processes] for value in told[what]]) for processes in (1, 2))
    return f"| {name} | {one_process:.3f} | {two:.3f} | {two / one_process:.3f} |"


def _prediction() -> list[str]:
    """Nothing of it is measured but the steps of one card."""
    lines = [
        "## Predicted, not measured", "",
        "A step of N processes takes as long as a step of one, and the sum: a ring sends 2 (N - 1) / N of the gradients G past every "
        "process, in 2 (N - 1) hops. With G = 4 bytes a number, b the bytes a second of the narrowest place, h the time of a hop:", "",
        "    t(N) = t(1) + 2 (N - 1) / N * G / b + 2 (N - 1) * h        efficiency = t(1) / t(N)", "",
        "t(1) is of an H200 (gpu.md), where a step was as long as Python took to launch it; b and h are assumed. Not in it: the Python of "
        "eight processes on one host's cores, batches of unlike sizes (all wait for the largest bucket), previews (the others wait). A "
        "step that takes a third of t(1), as the card alone could, makes the last column 0.95 and 0.68 for SD1.5.", "",
        "| | G, MB | t(1), s | where | b, GB/s | h, us | sum, ms | efficiency |", "|---|---|---|---|---|---|---|---|",
    ]
    for name, trained, alone in KNOWN:
        for place, processes, rate, hop in PLACES:
            took = summing(4 * trained, processes, rate, hop)
            cells = name, f"{4 * trained / MB:.1f}", f"{alone:.3f}", place, f"{rate / 1e9:.1f}", f"{hop * 1e6:.0f}", f"{1e3 * took:.1f}"
            lines.append(f"| {' | '.join(cells)} | {alone / (alone + took):.3f} |")
    return lines


def summing(size: float, processes: int, rate: float, hop: float) -> float:
    """Seconds that a ring takes for the sum of `size` bytes."""
    return 2 * (processes - 1) / processes * size / rate + 2 * (processes - 1) * hop


def _moved_into_one() -> str:
    """"1" in a network of its own, where the loopback carries nothing else; else this process begins anew there, where it may."""
    inside = ["unshare", "--net", "sh", "-c", 'ip link set lo up && exec "$@"', "sh"]
    if subprocess.run([*inside, "true"], capture_output=True).returncode == 0:
        os.execvpe("unshare", [*inside, sys.executable, __file__, *sys.argv[1:]], {**os.environ, "OWN_NETWORK": "1"})
    return "0"


if __name__ == "__main__":
    if sys.argv[1:2] == ["one"]:
        one(int(sys.argv[2]))
    else:
        main(*map(int, sys.argv[1:]))
