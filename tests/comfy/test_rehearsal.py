"""A step on fake tensors holds what the same step holds on real ones."""

import pytest
import torch
from torch._subclasses.fake_tensor import FakeTensorMode

from pack.tests.comfy import tiny_models
from pack.training.memory.cost.ledger import Ledger
from pack.training.network.attach import attached
from pack.training.network.build import build_network
from pack.training.network.spec import NetworkSpec, TargetSpec
from pack.training.protocols import Condition, PixelGeometry, TextCondition

CASES = [("SD15", False), ("SD15", True), ("SDXL", False), ("Flux", False), ("Flux", True)]


def peak(session, tiny, checkpointing: bool, *, fake: bool) -> int:
    """Of a forward and a backward with a LoRA on every linear; its weights are made inside, and count."""
    geometry = PixelGeometry(original=(64, 64), crop=(0, 0), target=(64, 64))
    ledger = Ledger(torch.device("cpu"))
    with session.rehearsal() if fake else session.training(), ledger:
        network = build_network(NetworkSpec(rank=2, targets=TargetSpec(preset="all linear")), session.parts(), seed=0)
        text = TextCondition(tensors=tiny_models.text_tensors(tiny, 0))
        x_t = torch.zeros(1, *tiny.latent)
        with attached(network, session.parts(), checkpointing=checkpointing):
            session.denoiser.denoise(x_t, torch.full((1,), 0.5), [Condition(text=text, geometry=geometry)]).square().mean().backward()
    return ledger.peak


@pytest.mark.parametrize(("kind", "checkpointing"), CASES)
def test_it_holds_what_the_real_one_holds(comfy, kind, checkpointing):
    from pack.host.session import Session

    tiny = next(tiny for tiny in tiny_models.TRAINED if tiny.kind == kind)
    session = Session(tiny_models.patcher(comfy, tiny), precision="fp32")
    fake, real = (peak(session, tiny, checkpointing, fake=fake) for fake in (True, False))
    assert fake == pytest.approx(real, rel=0.02) and real > 0


def test_what_comfyui_keeps_by_size_holds_no_fakes_afterwards(comfy, monkeypatch):
    """comfy_kitchen keeps the matrices that it turns quantised weights with; a fake one would fail in the next sampling."""
    from pack.host.lend.fakes import leaving_none

    module = comfy.module("comfy.utils")
    real, table = torch.eye(2), {}
    monkeypatch.setattr(module, "_KEPT_BY_SIZE", table, raising=False)
    with leaving_none(), FakeTensorMode():
        table |= {"real": real, "fake": torch.eye(2), "several": (torch.eye(2), 1)}
    assert table == {"real": real}
