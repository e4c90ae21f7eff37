"""The runs that processes train together in the tests; started as a script, this is one of them: `together.py FOLDER CASE ...`."""

import json
import os
import sys
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

if __name__ == "__main__":
    sys.path[0] = str(Path(__file__).resolve().parents[2])
    import conftest  # noqa: F401  registers `pack`

import torch
from safetensors.torch import load

from pack.tests.training.run.fakes import Bench
from pack.training.data.dataset import REGULARISATION, Sample
from pack.training.data.from_graph.graph_images import TensorPicture
from pack.training.events import Message, StepDone
from pack.training.optim.schedules import Constant, Schedule
from pack.training.optim.spec import OptimizerSpec
from pack.training.order import Order
from pack.training.processes.joined import joined
from pack.training.processes.processes import ALONE, Processes
from pack.training.processes.voices import Voices
from pack.training.run.carry_out import carry_out
from pack.training.run.state import state_file
from pack.training.specs import RunSpec

CONSTANT = Schedule(Constant())
#: Five pictures of one size and three of another: with batches of 2, 4 or 6 there are short ones, and processes without any.
SIZES = [(64, 64)] * 5 + [(128, 64)] * 3
NO_MEMORY = "CUDA out of memory. Tried to allocate 2.00 GiB"


@dataclass
class Ground(Bench):
    """`restored` is the host's, as in an Order."""

    restored: Callable[[], bool] = lambda: False

    def order(self) -> Order:
        return replace(super().order(), restored=self.restored)

    def carried_out(self, state: Path | None = None) -> None:
        """As host/train.py does."""
        try:
            carry_out(self.order(), self.control, Voices([self.recorder], self.processes), state)
        except BaseException as error:
            self.processes.leave(f"has ended: {error}", is_failure=True)
            raise


def times(number: int, then: Callable[[], None]) -> Callable[[torch.Tensor], torch.Tensor]:
    """What a denoiser has made, as it is; at that time, from 1, `then` is called."""
    seen: list[int] = []

    def spoil(denoised: torch.Tensor) -> torch.Tensor:
        seen.append(1)
        if len(seen) == number:
            then()
        return denoised

    return spoil


def _overflows(bench: Ground) -> None:
    """One process' gradient, once."""
    factors = iter([torch.inf])

    def spoil(denoised: torch.Tensor) -> torch.Tensor:
        if denoised.requires_grad and len(bench.recorder.of(StepDone)) == 2:
            factor = next(factors, 1.0)
            denoised.register_hook(lambda gradient: gradient * factor)
        return denoised

    bench.denoiser.spoil = spoil


def _is_unloaded(bench: Ground) -> None:
    answers = iter([False] * 7 + [True])
    bench.restored = lambda: next(answers, False)


def _lacks_memory(bench: Ground) -> None:
    def fail() -> None:
        raise torch.OutOfMemoryError(NO_MEMORY)

    bench.denoiser.spoil = times(4, fail)


def _dies(bench: Ground) -> None:
    bench.denoiser.spoil = times(4, lambda: os._exit(9))


def _lacks_memory_in_an_update(bench: Ground) -> None:
    from pack.training.run.updater import Updater

    update, calls = Updater.update, []

    def failing(self: Updater, norm: float) -> bool:
        calls.append(1)
        if len(calls) == 4:
            raise torch.OutOfMemoryError(NO_MEMORY)
        return update(self, norm)

    Updater.update = failing


def _wishes_to_end(bench: Ground) -> None:
    bench.control.request_save()
    bench.denoiser.spoil = times(4, bench.control.request_stop)


@dataclass(frozen=True)
class Case:
    """`batch` is one process'; `rate` is what the main one is told by the panel; `parts`: pictures with masks, and others against
    forgetting; `encoded`: where what is encoded lies, 'cache' or 'overflow', '': in each process' memory; `trouble` befalls the last
    one, or that one."""

    optimizer: Callable[[], OptimizerSpec] = partial(OptimizerSpec, learning_rate=1e-2, schedule=CONSTANT)
    batch: int = 1
    accumulation: int = 1
    train_text: bool = False
    parts: bool = False
    scaled: bool = False
    rate: float = 1.0
    encoded: str = ""
    trouble: Callable[[Ground], None] = lambda bench: None
    befalls: int = -1


#: A spec imports what its optimizer is from, and bitsandbytes takes as long as all the rest.
EIGHT_BIT = partial(OptimizerSpec, optimizer="AdamW8bit", learning_rate=1e-2, schedule=CONSTANT, extra_arguments={"min_8bit_size": 16})
CASES = {
    "AdamW": Case(),
    "accumulated": Case(batch=2, accumulation=2, encoded="overflow"),
    "masks and regularisation": Case(batch=2, parts=True, encoded="cache"),
    "rates": Case(rate=0.5),
    "overflow": Case(scaled=True, trouble=_overflows),
    "unloaded": Case(trouble=_is_unloaded),
    "memory": Case(trouble=_lacks_memory),
    "Prodigy": Case(partial(OptimizerSpec, optimizer="Prodigy", learning_rate=1.0, schedule=CONSTANT)),
    "schedule-free": Case(partial(OptimizerSpec, optimizer="ScheduleFreeAdamW", learning_rate=1e-2, schedule=CONSTANT)),
    "text encoder": Case(partial(OptimizerSpec, learning_rate=1e-2, text_encoder_lr=1e-3, schedule=CONSTANT), train_text=True),
}
ODD = {
    "8 bits": Case(EIGHT_BIT, batch=2),
    "goes on": Case(accumulation=2),
    "ended": Case(trouble=_wishes_to_end),
    "died": Case(trouble=_dies),
    "died first": Case(trouble=_dies, befalls=0),
    "no memory": Case(trouble=_lacks_memory_in_an_update),
}


def album(with_parts: bool = False) -> tuple[Sample, ...]:
    generator = torch.Generator().manual_seed(9)
    mask = torch.ones(64, 64, 1)
    mask[:40] = 0
    plain = tuple(
        Sample(name=f"picture {i}.png", caption=f"a cat number {i}",
               picture=TensorPicture(torch.rand(height, width, 3, generator=generator), f"picture {i}"))
        for i, (width, height) in enumerate(SIZES)
    )
    if not with_parts:
        return plain
    masked = [replace(sample, mask=TensorPicture(mask, "m")) for sample in plain[:2]]
    return (*masked, *plain[2:6], *(replace(sample, role=REGULARISATION, weight=0.5) for sample in plain[6:]))


def ground(folder: Path, name: str, processes: int = 1, steps: int = 20, among: Processes = ALONE) -> Ground:
    """A case's run, as one process that does the work of so many, or as one `among` them."""
    case = {**CASES, **ODD}[name]
    spec = RunSpec(steps=steps, batch_size=case.batch * processes, gradient_accumulation=case.accumulation, gradient_checkpointing=False)
    bench = Ground(folder=folder / name, run_spec=spec, samples=album(case.parts), optimizer=case.optimizer(), train_text=case.train_text,
                   scale_gradients=case.scaled, processes=among)
    if case.encoded:
        setattr(bench, f"{case.encoded}_folder", folder / case.encoded)
    if among.is_main:
        bench.control.set_learning_rate_scale(case.rate)
    if among.size > 1 and among.rank == case.befalls % among.size:
        case.trouble(bench)
    return bench


def steps_of(bench: Bench) -> list[tuple[float, float, int]]:
    """(loss, norm of the gradient, items) of every step."""
    return [(event.loss, event.grad_norm, event.items) for event in bench.recorder.of(StepDone)]


def require_same_weights(file: Path, alone: Ground) -> None:
    """To 1e-4 of what was learned most."""
    ours, theirs = load(file.read_bytes()), load(alone.file())
    learned = max(float(tensor.abs().max()) for key, tensor in theirs.items() if "lora_up" in key)  # began at 0
    for key in theirs:
        torch.testing.assert_close(ours[key], theirs[key], rtol=0, atol=1e-4 * learned, msg=lambda text, key=key: f"{key}: {text}")


def main(folder: Path, names: list[str]) -> None:
    torch.set_num_threads(1)
    processes = joined()
    for name in names:
        bench = ground(folder, name, among=processes)
        bench.carried_out(begun if (begun := state_file(bench.folder)).is_file() else None)
        (bench.folder / f"encoded-{processes.rank}").write_text(str(bench.image_encoder.encoded))
        if processes.is_main:
            (bench.folder / "steps.json").write_text(json.dumps(steps_of(bench)))
            (bench.folder / "said.json").write_text(json.dumps([said.text for said in bench.recorder.of(Message)]))


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2:])
