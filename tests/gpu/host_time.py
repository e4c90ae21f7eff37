"""Where the host's time goes: on a fast card a step is as long as Python takes to launch it."""

from __future__ import annotations

import cProfile
import pstats
import time

import torch
from torch.utils.checkpoint import checkpoint

from .measure import sync
from .orders import Work, run_pack
from .steps import F16

REPEATS = 2000


def launches(comfy, options):
    """Microseconds of host time for one of each: the floor of any step."""
    with torch.inference_mode(False), torch.enable_grad():
        x, weight = (torch.randn(64, 64, device=comfy.device, dtype=torch.bfloat16) for _ in range(2))
        leaf = torch.randn(64, 64, device=comfy.device, requires_grad=True)
        works = {
            "add": lambda: x + 1, "empty": lambda: torch.empty(4096, device=comfy.device),
            "linear": lambda: torch.nn.functional.linear(x, weight),
            "cast": lambda: x.float(), "lazy clone": lambda: torch._lazy_clone(x), "add with gradient": lambda: leaf + 1,
            "checkpoint and backward": lambda: checkpoint(torch.square, leaf, use_reentrant=False).sum().backward(),
        }
        return {"ok": True, "say": ", ".join(f"{name} {_microseconds(comfy, work):.1f} us" for name, work in works.items())}


def step(comfy, options):
    """The functions that a step of SD1.5 spends its time in, as Python's profiler sees them (which makes all of them slower)."""
    for on in (False, True):
        profiler, (first, last) = cProfile.Profile(), (1, 2) if options.tiny else (3, 6)
        work = Work("sd15", F16, 512, checkpointing=on, steps=6, is_traced=False)
        row, _ = run_pack(comfy, options, work, each_step=_between(profiler, first, last))
        stats = pstats.Stats(profiler).stats
        longest = sorted(stats.items(), key=lambda item: -item[1][2])[:25]
        calls = sum(entry[1] for entry in stats.values())
        told = [f"{'/'.join(where.split('/')[-2:])}:{line} {name}: {entry[2] * 1e3:.1f} ms, {entry[1]} calls"
                for (where, line, name), entry in longest]
        said = f"checkpointing {on}: {row['s_step']:.3f} s/step, {calls // (last - first)} calls a step"
        yield {"ok": True, "say": f"{said}; {'; '.join(told)}"}


def _between(profiler: cProfile.Profile, first: int, last: int):
    def seen(step: int) -> None:
        if step == first:
            profiler.enable()
        if step == last:
            profiler.disable()

    return seen


def _microseconds(comfy, work) -> float:
    for _ in range(20):
        work()
    sync(comfy)
    began = time.perf_counter()
    for _ in range(REPEATS):
        work()
    taken = time.perf_counter() - began
    sync(comfy)
    return taken / REPEATS * 1e6
