"""What autograd keeps between forward and backward in each way, and what the way costs, on full-size SD1.5 at 256 x 256 in fp32 with
kohya's layers; `--tiny` gives the model 32 channels, so that nearly all of a step is the host's own time.

    COMFYUI_PATH=... python benchmarks/ways.py [--tiny]

Main memory is played by the CPU's own: what a copy costs there is what `memcpy` costs, and nothing runs beside it.
"""

from __future__ import annotations

import statistics
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, nullcontext
from pathlib import Path

import torch

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks import workload

ROUNDS = 5
#: Name -> (blocks that are recomputed, or every which one; norms and activation functions; activations away).
WAYS = {
    "none": (False, False, False), "cheap": (False, True, False), "every third block": (3, False, False),
    "every second block": (2, False, False), "all": (True, False, False), "none, away": (False, False, True),
    "cheap, away": (False, True, True), "all, away": (True, False, True),
}


class Direct:
    """A lane that copies at once."""

    device = torch.device("cpu")

    def __init__(self) -> None:
        self.carried = 0

    def far(self, like: torch.Tensor) -> torch.Tensor:
        return torch.empty_like(like)

    def copy(self, into: torch.Tensor, source: torch.Tensor) -> Direct:
        self.carried += source.nbytes
        into.copy_(source)
        return self

    def wait(self) -> None: ...

    finish = wait


@contextmanager
def counted(constant: set[int], into: dict[int, torch.UntypedStorage]) -> Iterator[None]:
    """The storages that autograd keeps while it is open, weights left out."""
    from pack.training.network.in_place import hooks_so_far, storage_of

    pack_so_far, unpack = hooks_so_far()

    def pack(tensor):
        kept = pack_so_far(tensor)
        if storage_of(tensor) not in constant:  # by address: what was written into afterwards is kept as it was and as it became
            address = torch._C._data_address(kept)  # pyright: ignore[reportAttributeAccessIssue]
            place = address - kept.storage_offset() * kept.element_size()
            into[place] = kept.untyped_storage()
        return kept

    with torch.autograd.graph.saved_tensors_hooks(pack, unpack):
        yield


def main(tiny: bool) -> None:
    workload.start_comfyui()
    from pack.host.session import Session
    from pack.training.network.attach import attached
    from pack.training.network.build import build_network
    from pack.training.network.checkpointing import unit_name, units
    from pack.training.network.in_place import storage_of
    from pack.training.network.spec import NetworkSpec, TargetSpec

    if tiny:
        workload.UNET_CONFIG["model_channels"] = 32
    session = Session(workload.sd15_patcher(), precision="fp32")
    session.load()
    parts = session.parts()
    network = build_network(NetworkSpec(rank=workload.RANK, targets=TargetSpec(preset=workload.KOHYA_LAYERS)), parts, seed=0)
    model = parts[0].module
    names = [unit_name(parts[0].name, path) for path, _ in units(model)]
    given = torch.randn(workload.LATENT), torch.tensor([500.0]), workload.text()
    with session.training():
        constant = {storage_of(tensor) for tensor in (*model.parameters(), *model.buffers(), *network.tensors())}
        for way, (blocks, cheap, away) in WAYS.items():
            chosen = blocks if isinstance(blocks, bool) else names[::blocks]
            with attached(network, parts, checkpointing=chosen):
                kept, carried, seconds = step(model, given, network, constant, cheap=cheap, away=away, rounds=ROUNDS if tiny else 1)
            stays, left = (kept - carried) / 2**20, carried / 2**20
            print(f"{way:20s} kept {stays:7.1f} MiB, carried away {left:7.1f} MiB, {seconds:.3f} s", flush=True)


def step(model, given, network, constant, *, cheap: bool, away: bool, rounds: int) -> tuple[int, int, float]:
    """Bytes that autograd keeps, those of them that left, and the median of the seconds of forward and backward."""
    from pack.training.memory.activations import in_main_memory
    from pack.training.memory.cheaply import cheaply

    kept, carried, times = 0, 0, []
    for counting in (True, *[False] * rounds):
        lane, storages, began = Direct(), {}, time.perf_counter()
        with ExitStack() as stack:
            stack.enter_context(counted(constant, storages) if counting else nullcontext())
            stack.enter_context(in_main_memory(lane if away else None, network.tensors()))
            stack.enter_context(cheaply() if cheap else nullcontext())
            loss = model(given[0], given[1], given[2]).square().mean()
        if counting:
            kept, carried = sum(storage.nbytes() for storage in storages.values()), lane.carried
            storages.clear()
        loss.backward()
        if not counting:
            times.append(time.perf_counter() - began)
        for _, parameter in network.named_parameters():
            parameter.grad = None
    return kept, carried, statistics.median(times)


if __name__ == "__main__":
    main("--tiny" in sys.argv)
