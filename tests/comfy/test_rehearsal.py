"""A step on fake tensors holds what the same step holds on real ones."""

from contextlib import nullcontext

import pytest
import torch
from torch._subclasses.fake_tensor import FakeTensorMode

from pack.tests.comfy import tiny_models
from pack.tests.comfy.parts import load, session_of
from pack.training.memory.cheaply import cheaply
from pack.training.memory.cost.ledger import Ledger
from pack.training.network.attach import attached
from pack.training.network.build import build_network
from pack.training.network.spec import NetworkSpec, TargetSpec
from pack.training.protocols import Condition, PixelGeometry, TextCondition
from pack.training.specs import SamplingSpec

CASES = [("SD15", "none"), ("SD15", "all"), ("SD15", "cheap"), ("SDXL", "none"), ("Flux", "none"), ("Flux", "all"), ("Flux", "cheap")]


def peak(session, tiny, recompute: str, *, fake: bool, latent: tuple[int, ...] | None = None) -> int:
    """Of a forward and a backward with a LoRA on every linear; its weights are made inside, and count."""
    geometry = PixelGeometry(original=(64, 64), crop=(0, 0), target=(64, 64))
    ledger = Ledger(torch.device("cpu"))
    with session.rehearsal() if fake else session.training(), ledger:
        network = build_network(NetworkSpec(rank=2, targets=TargetSpec(preset="all linear")), session.parts(), seed=0)
        text = TextCondition(tensors=tiny_models.text_tensors(tiny, 0))
        x_t = torch.zeros(1, *(latent or tiny.latent))
        with attached(network, session.parts(), checkpointing=recompute == "all"):
            with cheaply(least=1) if recompute == "cheap" else nullcontext():
                loss = session.denoiser.denoise(x_t, torch.full((1,), 0.5), [Condition(text=text, geometry=geometry)]).square().mean()
            loss.backward()
    return ledger.peak


def tiny_session(comfy, kind: str):
    from pack.host.session import Session

    tiny = next(tiny for tiny in tiny_models.TRAINED if tiny.kind == kind)
    return tiny, Session(tiny_models.patcher(comfy, tiny), precision="fp32")


@pytest.mark.parametrize(("kind", "recompute"), CASES)
def test_it_holds_what_the_real_one_holds(comfy, kind, recompute):
    tiny, session = tiny_session(comfy, kind)
    fake, real = (peak(session, tiny, recompute, fake=fake) for fake in (True, False))
    assert fake == pytest.approx(real, rel=0.05 if recompute == "cheap" else 0.02) and real > 0


@pytest.mark.parametrize(("kind", "recompute"), [("SD15", "none"), ("SDXL", "all"), ("Flux", "all"), ("QwenImage", "none")])
def test_the_largest_bucket_bounds_the_others(comfy, kind, recompute):
    """From the square one to the widest and the tallest: only the largest need be gone through."""
    tiny, session = tiny_session(comfy, kind)
    buckets = [(32, 32), (24, 40), (56, 16)]
    held = [peak(session, tiny, recompute, fake=True, latent=(*tiny.latent[:-2], *bucket)) for bucket in buckets]
    assert max(held) == held[0]


def test_a_preview_takes_what_its_decoding_on_fakes_takes(comfy, sd15_checkpoint):
    from pack.host.model.sampler import ComfySampler

    loaded = load(comfy, sd15_checkpoint)
    sampler, spec = ComfySampler(loaded.model, loaded.clip, loaded.vae), SamplingSpec(prompts=("",), width=128, height=64)
    held = []
    for lent in (session_of(loaded).rehearsal(loaded.clip, loaded.vae), nullcontext()):
        with lent, Ledger(torch.device("cpu")) as ledger:
            picture = sampler.decode_nothing(spec)
        assert picture.shape == (1, 64, 128, 3)
        held.append(ledger.peak)
    assert held[0] == pytest.approx(held[1], rel=0.05) and held[1] > 4 * picture.numel()


def test_what_comfyui_keeps_by_size_holds_no_fakes_afterwards(comfy, monkeypatch):
    """comfy_kitchen keeps the matrices that it turns quantised weights with; a fake one would fail in the next sampling."""
    from pack.host.lend.fakes import leaving_none

    module = comfy.module("comfy.utils")
    real, table = torch.eye(2), {}
    monkeypatch.setattr(module, "_KEPT_BY_SIZE", table, raising=False)
    with leaving_none(), FakeTensorMode():
        table |= {"real": real, "fake": torch.eye(2), "several": (torch.eye(2), 1)}
    assert table == {"real": real}
