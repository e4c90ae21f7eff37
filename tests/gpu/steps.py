"""Full-size models with random weights: seconds a step, memory against the plan, waits, the device's busy share."""

from __future__ import annotations

import math
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

import torch

from pack.training.network.files import to_tensors
from pack.training.optim.numerics import clip_gradients

from . import models
from .findings import Findings
from .measure import sync
from .orders import Work, drop_models, run_pack, told

PRECISIONS = (("bf16", True), ("bf16", False), ("fp16", True), ("fp32", True))
F16, BF16, FP8 = torch.float16, torch.bfloat16, torch.float8_e4m3fn


def sd15(comfy, options):
    return (_measured(comfy, options, Work("sd15", F16, 512, precision, on))
            for precision, on in PRECISIONS[: 2 if options.tiny else None])


def sd15_all_layers(comfy, options):
    return [_measured(comfy, options, Work("sd15", F16, 512, targets="all linear + convolution"))]


def sdxl(comfy, options):
    return (_measured(comfy, options, Work("sdxl", F16, 1024, checkpointing=on)) for on in (True, False))


def flux(comfy, options):
    return [_measured(comfy, options, Work("flux", BF16, 1024, steps=4))]


def flux_fp8(comfy, options):
    for side in (1024, 512):
        yield _measured(comfy, options, Work("flux", FP8, side, steps=4))
    if comfy.device.type == "cuda" and torch.cuda.mem_get_info()[1] > 70 * 2**30:
        yield _measured(comfy, options, Work("flux", FP8, 512, checkpointing=False, steps=4, is_traced=False))


def replayed(comfy, options):
    """With `compile` 'graph', beside the same steps without: is the step recorded and launched as one, is what it learns the same, and
    what does it give?"""
    cases = (("sd15", F16, 512, False), ("sd15", F16, 512, True), ("sdxl", F16, 1024, True))
    for family, stored, side, on in cases[: 1 if options.tiny else None]:
        rows = [run_pack(comfy, options, Work(family, stored, side, checkpointing=on, steps=8, compile=way))[0] for way in ("off", "graph")]
        plain, row = rows
        off = max(abs(one - other) for one, other in zip(plain["losses"], row["losses"], strict=True))
        said = f"{told(row)}; off: {plain['s_step']:.3f} s/step; losses differ by {off:.1e}; {row.get('compile')}"
        yield {"ok": "replayed from now on" in row.get("compile", "") and off < 1e-2, "say": said, "row": {**row, "who": "steps, graph"}}


def same_again(comfy, options):
    """Twice the same run of full SD1.5: bit by bit? And with `deterministic` on?"""
    rows = {}
    for label, on in (("as it is", False), ("deterministic", True)):
        work = Work("sd15", F16, 512, steps=3, is_traced=False, deterministic=on)
        a, b = (to_tensors(run_pack(comfy, options, work)[1].built.network) for _ in range(2))
        rows[label] = max(float((a[key] - b[key]).abs().max()) for key in a)
    said = ", ".join(f"{key}: {value:.1e}" for key, value in rows.items())
    return {"ok": rows["deterministic"] == 0, "say": f"{said} (0: the same file)"}


_HOG = ("import sys,torch; n=torch.cuda.mem_get_info()[0]-int(float(sys.argv[1])*2**30); x="
        "[torch.empty(n//8,dtype=torch.uint8,device='cuda') for _ in range(8)] if n>0 else []; print('held',flush=True); sys.stdin.read()")


@contextmanager
def smaller_card(comfy, gib: float) -> Iterator[float]:
    """Another process holds all of the card but `gib`: what a card of that size has free. Gives what is free."""
    drop_models(comfy)
    hog = subprocess.Popen([sys.executable, "-c", _HOG, str(gib)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    try:
        hog.stdout.readline()
        yield torch.cuda.mem_get_info()[0] / 2**30
    finally:
        hog.stdin.close()
        hog.wait(20)


def on_small_cards(comfy, options):
    """SDXL on 12 GiB, FLUX fp8 on 12, SDXL on 8, SDXL without checkpointing on 16: does the plan keep the run alive, how fast is it?"""
    if comfy.device.type != "cuda":
        yield {"ok": None, "say": "skipped: needs a card"}
        return
    began = time.monotonic()
    for gib, family, stored, on in ((12, "sdxl", F16, True), (12, "flux", FP8, True), (8, "sdxl", F16, True), (16, "sdxl", F16, False)):
        if time.monotonic() - began > options.seconds - 25:
            break
        model, found = models.full_model(comfy, family, stored, BF16, options.tiny), Findings()
        with smaller_card(comfy, gib) as free, found.trying(f"{gib} GiB ({free:.1f} free) {family} checkpointing {on}"):
            work = Work(family, stored, 1024, checkpointing=on, steps=3, is_traced=False)
            row, _ = run_pack(comfy, options, work, model=model)
            yield {"ok": True, "say": f"{gib} GiB ({free:.1f} free): {told(row)}", "row": row}
        if found.bad:
            yield found.row()
        del model


def tail(comfy, options):
    """What stands around forward and backward, on SDXL's and FLUX's parameters: clipping and AdamW."""
    counts = (8,) if options.tiny else (722, 304)
    return {"ok": True, "say": "; ".join(f"{count} modules: {_tail(comfy, count)}" for count in counts)}


def _tail(comfy, count: int) -> str:
    with torch.inference_mode(False), torch.enable_grad():
        shapes = [(16, 1280), (1280, 16)] * count
        parameters = [torch.nn.Parameter(torch.randn(shape, device=comfy.device) * 0.02) for shape in shapes]
        for parameter in parameters:
            parameter.grad = torch.randn_like(parameter)
        plain, fused = torch.optim.AdamW(parameters, lr=1e-5), torch.optim.AdamW(parameters, lr=1e-5, fused=True)
        works = {"clip": lambda: clip_gradients(parameters, 1.0), "AdamW": plain.step, "AdamW fused": fused.step}
        return ", ".join(f"{name} {_milliseconds(comfy, work):.2f} ms" for name, work in works.items())


def _milliseconds(comfy, work, repeats: int = 5) -> float:
    work()
    sync(comfy)
    began = time.perf_counter()
    for _ in range(repeats):
        work()
    sync(comfy)
    return (time.perf_counter() - began) / repeats * 1e3


def _measured(comfy, options, work: Work) -> dict:
    found, _ = run_pack(comfy, options, work)
    fits = comfy.device.type != "cuda" or found["beside_gib"] <= 1.05 * found["plan_gib"]
    return {"ok": fits and all(map(math.isfinite, found["losses"])), "say": told(found), "row": found}
