"""One contestant in one process: `python benchmarks/contestants.py NAME STEPS`. Prints its measurements as JSON."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks import workload
from benchmarks.meter import Meter

WARM_UP = 2


def core(steps: int, checkpointing: bool) -> tuple[Meter, int]:
    """ComfyUI's own TrainLoraNode, called as its executor calls it."""
    import comfy.utils
    import torch
    from comfy_extras.nodes_train import TrainLoraNode

    patcher = workload.sd15_patcher()
    with torch.inference_mode():
        latents, positive = [{"samples": workload.latent()}] * 2, [[[workload.text(), {}]]] * 2
        meter = Meter()
        comfy.utils.set_progress_bar_global_hook(lambda *_args, **_kwargs: meter.step())
        output = TrainLoraNode.execute(
            [patcher], latents, positive, [1], [steps], [1], [workload.LEARNING_RATE], [workload.RANK], ["AdamW"], ["MSE"],
            [0], ["fp32"], ["fp32"], ["LoRA"], [checkpointing], ["[None]"],
        )
    return meter, sum(tensor.numel() for tensor in output.args[1].values())


def ours(steps: int, checkpointing: bool, targets: str) -> tuple[Meter, int]:
    """This pack: the whole run, from its specs to its file."""
    from benchmarks.our_run import run

    return run(steps, checkpointing, targets)


def floor(steps: int, checkpointing: bool, targets: str) -> tuple[Meter, int]:
    """The least that eager PyTorch can do: side branches on the plain modules, and a bare loop."""
    from benchmarks.bare_loop import run

    return run(steps, checkpointing, targets)


CONTESTANTS: dict[str, Callable[[int], tuple[Meter, int]]] = {
    "core": lambda steps: core(steps, False),
    "core, checkpointing": lambda steps: core(steps, True),
    "floor, 282 layers": lambda steps: floor(steps, False, workload.ALL_LAYERS),
    "floor, 282 layers, checkpointing": lambda steps: floor(steps, True, workload.ALL_LAYERS),
    "floor, 192 layers": lambda steps: floor(steps, False, workload.KOHYA_LAYERS),
    "ours, 282 layers": lambda steps: ours(steps, False, workload.ALL_LAYERS),
    "ours, 282 layers, checkpointing": lambda steps: ours(steps, True, workload.ALL_LAYERS),
    "ours, 192 layers": lambda steps: ours(steps, False, workload.KOHYA_LAYERS),
    "ours, 192 layers, checkpointing": lambda steps: ours(steps, True, workload.KOHYA_LAYERS),
}


def main(name: str, steps: int) -> None:
    workload.start_comfyui()
    meter, trained = CONTESTANTS[name](steps)
    print(json.dumps({"name": name, "trained": trained, **meter.result(WARM_UP)}))


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
