"""The runs that processes train together in the tests; started as a script, this is one of them: `together.py FOLDER CASE ...`."""

import json
import sys
from dataclasses import dataclass, field
from pathlib import Path

if __name__ == "__main__":
    sys.path[0] = str(Path(__file__).resolve().parents[2])
    import conftest  # noqa: F401  registers `pack`

import torch

from pack.tests.training.run.fakes import Bench
from pack.training.data.dataset import Sample
from pack.training.data.graph_images import TensorPicture
from pack.training.events import StepDone
from pack.training.optim.schedules import Constant, Schedule
from pack.training.optim.spec import OptimizerSpec
from pack.training.processes.joined import joined
from pack.training.specs import RunSpec

CONSTANT = Schedule(Constant())
#: Five pictures of one size and three of another: with batches of 2, 4 or 6 there are short ones, and processes without any.
SIZES = [(64, 64)] * 5 + [(128, 64)] * 3


@dataclass(frozen=True)
class Case:
    """`batch` is one process'."""

    optimizer: OptimizerSpec = field(default_factory=lambda: OptimizerSpec(learning_rate=1e-2, schedule=CONSTANT))
    batch: int = 1
    accumulation: int = 1
    train_text: bool = False


CASES = {
    "AdamW": Case(),
    "accumulated": Case(batch=2, accumulation=2),
    "Prodigy": Case(OptimizerSpec(optimizer="Prodigy", learning_rate=1.0, schedule=CONSTANT)),
    "schedule-free": Case(OptimizerSpec(optimizer="ScheduleFreeAdamW", learning_rate=1e-2, schedule=CONSTANT)),
    "text encoder": Case(OptimizerSpec(learning_rate=1e-2, text_encoder_lr=1e-3, schedule=CONSTANT), train_text=True),
}


def album() -> tuple[Sample, ...]:
    generator = torch.Generator().manual_seed(9)
    return tuple(
        Sample(name=f"picture {i}.png", caption=f"a cat number {i}",
               picture=TensorPicture(torch.rand(height, width, 3, generator=generator), f"picture {i}"))
        for i, (width, height) in enumerate(SIZES)
    )


def ground(folder: Path, name: str, processes: int = 1, steps: int = 20) -> Bench:
    """A case's run, as one process that does the work of so many."""
    case = CASES[name]
    spec = RunSpec(steps=steps, batch_size=case.batch * processes, gradient_accumulation=case.accumulation, gradient_checkpointing=False)
    return Bench(folder=folder / name, run_spec=spec, samples=album(), optimizer=case.optimizer, train_text=case.train_text)


def steps_of(bench: Bench) -> list[tuple[float, float, int]]:
    """(loss, norm of the gradient, items) of every step."""
    return [(event.loss, event.grad_norm, event.items) for event in bench.recorder.of(StepDone)]


def main(folder: Path, names: list[str]) -> None:
    torch.set_num_threads(1)
    processes = joined()
    for name in names:
        bench = ground(folder, name)
        bench.processes = processes
        bench.run()
        if processes.is_main:
            (bench.folder / "steps.json").write_text(json.dumps(steps_of(bench)))


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2:])
