"""What a step took: seconds, bytes on the card, host waits, kernels, and the share of the time in which the card was busy."""

from __future__ import annotations

import time
import warnings
from contextlib import contextmanager
from pathlib import Path

import torch

_WAITS = ("cudaStreamSynchronize", "cudaDeviceSynchronize", "cudaEventSynchronize")


def sync(comfy) -> None:
    if comfy.device.type == "cuda":
        comfy.torch.cuda.synchronize()


class Clock:
    """Call `step()` after every step; reads what the allocator held at most since `start()`."""

    def __init__(self, comfy):
        self.comfy, self.times, self.allocated, self.reserved = comfy, [], 0, 0

    def start(self) -> None:
        if self.comfy.device.type == "cuda":
            torch.cuda.synchronize()
            torch.cuda.empty_cache()
            torch.cuda.reset_peak_memory_stats()
            self.before = torch.cuda.memory_allocated()
        else:
            self.before = 0
        self.times = [time.perf_counter()]

    def step(self) -> None:
        sync(self.comfy)
        self.times.append(time.perf_counter())

    def seconds(self, warm: int = 2) -> float:
        found = sorted(b - a for a, b in zip(self.times[warm:], self.times[warm + 1:]))
        return found[len(found) // 2] if found else float("nan")

    def peaks(self) -> dict:
        if self.comfy.device.type != "cuda":
            return {"peak_gib": 0.0, "reserved_gib": 0.0}
        return {"peak_gib": torch.cuda.max_memory_allocated() / 2**30, "reserved_gib": torch.cuda.max_memory_reserved() / 2**30}


@contextmanager
def counted_syncs(comfy, into: dict):
    """How often the host waited for the device, as torch's own debug mode sees it."""
    if comfy.device.type != "cuda":
        into["syncs"] = None
        yield
        return
    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always")
        torch.cuda.set_sync_debug_mode("warn")
        try:
            yield
        finally:
            torch.cuda.set_sync_debug_mode("default")
    found = [f"{'/'.join(Path(w.filename).parts[-3:])}:{w.lineno}" for w in seen if "synchroniz" in str(w.message)]
    into["syncs"] = len(found)
    into["sync_places"] = {place: found.count(place) for place in sorted(set(found))}


@contextmanager
def traced(comfy, into):
    """What the card did in one step: the profiler without the host's ops, read raw, since making its events takes minutes."""
    if comfy.device.type != "cuda":
        yield
        return
    from torch.profiler import ProfilerActivity, profile

    sync(comfy)
    tracer = profile(activities=[ProfilerActivity.CUDA])
    tracer.__enter__()
    began = time.perf_counter()
    try:
        yield
    finally:
        sync(comfy)
        wall = (time.perf_counter() - began) * 1e3
        tracer.__exit__(None, None, None)
        into |= {"wall_ms": round(wall, 1), **_summed(list(tracer.profiler.kineto_results.events()), wall)}


def _summed(events: list, wall: float) -> dict:
    """Of the profiler's raw events: what the card did and for how long, and how often the host launched and waited."""
    on_card = [event for event in events if str(event.device_type()).endswith("CUDA")]
    on_host = [event.name() for event in events if not str(event.device_type()).endswith("CUDA")]
    by_name: dict[str, int] = {}
    busy = last = 0
    for event in sorted(on_card, key=lambda event: event.start_ns()):
        by_name[event.name()] = by_name.get(event.name(), 0) + event.duration_ns()
        end = event.start_ns() + event.duration_ns()
        busy, last = busy + max(0, end - max(event.start_ns(), last)), max(last, end)
    longest = sorted(by_name.items(), key=lambda pair: -pair[1])[:12]
    return {
        "kernels": sum(not event.name().startswith(("Memcpy", "Memset")) for event in on_card),
        "launches": sum("Launch" in name for name in on_host), "waits": sum(name in _WAITS for name in on_host),
        "busy": round(busy / 1e6 / wall, 3), "busy_ms": round(busy / 1e6, 1),
        "top": [(name[:70], round(ns / 1e6, 2)) for name, ns in longest],
    }


def relative(found, expected) -> float:
    """||a - b|| / ||b|| over dicts of tensors or tensors; NaN never passes."""
    if isinstance(expected, dict):
        assert found.keys() == expected.keys(), f"{len(found)} against {len(expected)} gradients"
        found = torch.cat([found[k].double().cpu().flatten() for k in expected])
        expected = torch.cat([expected[k].double().cpu().flatten() for k in expected])
    found, expected = found.double().cpu(), expected.double().cpu()
    return float((found - expected).norm() / expected.norm().clamp_min(1e-30))
