"""`make bench-families`: seconds a step and memory of a run on the tiny checkpoint of each main family, in families.md.

Every measurement is a process of its own; those in which others took more than a tenth of a core are dropped.
`python benchmarks/families.py [rounds] [steps]`; with `one KIND CHECKPOINTING STEPS` it is such a process.
"""

from __future__ import annotations

import json
import platform
import statistics
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))

from benchmarks import workload  # noqa: E402
from benchmarks.run import MEMORY_STEPS, MOST_OTHERS, alone, timing  # noqa: E402

SIDE = 256
WARM_UP = 2
#: title, kind of demo/tiny/checkpoints.py, latent channels, shapes of the encoded caption
FAMILIES = (
    ("SD1.5", "sd15-two-levels", 4, {"cond": (1, 77, 768)}),
    ("SDXL", "sdxl-no-text", 4, {"cond": (1, 77, 2048), "pooled_output": (1, 1280)}),
    ("FLUX", "flux-dev", 16, {"cond": (1, 256, 64), "pooled_output": (1, 768)}),
)


def main(rounds: int = 3, steps: int = 8) -> None:
    results: dict[tuple[str, bool], list[dict]] = {}
    for number in range(rounds):
        for title, kind, _, _ in FAMILIES:
            for checkpointing in (False, True):
                found = measure(kind, checkpointing, steps)
                kept = found["others"] <= MOST_OTHERS
                print(f"round {number + 1}  {title:6} checkpointing {checkpointing!s:5} "
                      f"{found['seconds']:.2f} s  {found['extra_mib']:.0f} MiB"
                      f"{'' if kept else '  (dropped: the cores were shared)'}", flush=True)
                results.setdefault((title, checkpointing), []).extend([found] if kept else [])
    if not any(results.values()):
        sys.exit("every measurement was dropped, since the cores were shared: run it on an idle machine. families.md is left as it is")
    table = as_table(results)
    print(table)
    (HERE / "families.md").write_text(table, encoding="utf-8")


def measure(kind: str, checkpointing: bool, steps: int) -> dict:
    command = [str(Path(__file__).resolve()), "one", kind, str(int(checkpointing))]
    return {**alone([*command, str(MEMORY_STEPS)], frees_at_once=True), **timing(alone([*command, str(steps)]))}


def one(kind: str, checkpointing: bool, steps: int) -> None:
    """Train in this process, and print what was measured as JSON."""
    workload.start_comfyui()
    import torch

    from benchmarks.our_run import Work, run

    channels, shapes = next((channels, shapes) for _, name, channels, shapes in FAMILIES if name == kind)
    generator = torch.Generator().manual_seed(1)
    work = Work(
        patcher=_patcher(kind), latent=torch.randn(1, channels, SIDE // 8, SIDE // 8, generator=generator), side=SIDE,
        text={name: torch.randn(shape, generator=generator) for name, shape in shapes.items()},
    )
    weights = sum(parameter.numel() for parameter in work.patcher.model.diffusion_model.parameters())
    meter, trained = run(steps, checkpointing, workload.KOHYA_LAYERS, work)
    print(json.dumps({"weights": weights, "trained": trained, **meter.result(WARM_UP)}))


def _patcher(kind: str):
    """The MODEL of a tiny checkpoint, fp32."""
    import comfy.sd
    import torch

    from pack.demo.tiny import checkpoints

    path = checkpoints.make(kind, workload.ROOT / ".cache" / "checkpoints")
    with torch.inference_mode():
        return comfy.sd.load_checkpoint_guess_config(
            str(path), output_vae=False, output_clip=False, model_options={"dtype": torch.float32}
        )[0]


def as_table(results: dict[tuple[str, bool], list[dict]]) -> str:
    lines = [
        "# The tiny checkpoint of each main family",
        "",
        f"Written by `make bench-families`. Random weights, {SIDE} x {SIDE}, batch 1, rank {workload.RANK}, AdamW, fp32, 2 threads, cached",
        "latents and text. Memory is the peak of anonymous memory above the loaded model.",
        f"{platform.machine()}, Python {platform.python_version()}.",
        "",
        "| family | weights | trained | checkpointing | rounds | s/step | MiB |",
        "|---|---|---|---|---|---|---|",
    ]
    for (title, checkpointing), entries in results.items():
        if not entries:
            continue
        middle = {key: statistics.median(entry[key] for entry in entries) for key in ("seconds", "extra_mib", "weights", "trained")}
        lines.append(
            f"| {title} | {middle['weights'] / 1e6:.1f}M | {int(middle['trained']):,} | {'on' if checkpointing else 'off'} "
            f"| {len(entries)} | {middle['seconds']:.2f} | {middle['extra_mib']:.0f} |"
        )
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    if sys.argv[1:2] == ["one"]:
        one(sys.argv[2], sys.argv[3] == "1", int(sys.argv[4]))
    else:
        main(*(int(word) for word in sys.argv[1:3]))
