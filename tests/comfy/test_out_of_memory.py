"""Memory that runs out in a step of a run in real ComfyUI: the step is made again in a way that takes less, and the graph goes on."""

import logging

import pytest
import torch
from torch._subclasses.fake_tensor import FakeTensor

from pack.tests.comfy.graphs import node, place_pictures, train_graph
from pack.training.record.history import read_log

STEPS = 3


@pytest.fixture(scope="module")
def graph(comfy, sd15_checkpoint):
    def made(name: str) -> dict:
        train = train_graph(sd15_checkpoint, place_pictures(comfy), run_name=name, steps=STEPS)
        return train | {"save": node("LoRACanvasSaveLoRA", lora=["train", 2], filename=name, dtype="fp32")}

    return made


@pytest.fixture(scope="module")
def plain(comfy, graph):
    """The LoRA of a run that nothing disturbs."""
    return comfy.run(graph("enough memory")).value("train", 2)


class Lack:
    """Around the UNet's own forward: in step 2 it has computed everything, and then there is no memory left."""

    def __init__(self, forward):
        self.forward, self.calls, self.kept = forward, 0, []

    def __call__(self, unet, x, *args, **kwargs):
        found = self.forward(unet, x, *args, **kwargs)
        if torch.is_grad_enabled() and not isinstance(x, FakeTensor):
            self.calls += 1
            if self.calls == 2:
                raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB. GPU 0 has a total capacity of 7.99 GiB")
        return found


def test_the_run_goes_on_with_less(comfy, graph, plain, monkeypatch, caplog):
    unet = comfy.module("comfy.ldm.modules.diffusionmodules.openaimodel").UNetModel
    lack = Lack(unet._forward)
    monkeypatch.setattr(unet, "_forward", lambda *args, **kwargs: lack(*args, **kwargs))
    with caplog.at_level(logging.WARNING):
        ran = comfy.run(graph("too little memory"))
    assert lack.calls == STEPS + 1
    records = read_log(comfy.base / "output" / "lora_canvas" / "too little memory")
    (said,) = [record["text"] for record in records if record["event"] == "message" and "Memory ran out" in record["text"]]
    assert said.startswith("Memory ran out at step 2 (CUDA out of memory). The step is undone and made again with less: from here on ")
    assert "though gradient_checkpointing is off on Train LoRA. The run goes on; its result is the same" in said
    assert any(said in line.getMessage() for line in caplog.records), "ComfyUI's own log says it too"
    assert [record["reason"] for record in records if record["event"] == "ended"] == ["finished"]
    assert [record["step"] for record in records if record["event"] == "saved" and record["kind"] == "lora"] == [STEPS]
    lora = ran.value("train", 2)
    assert lora.keys() == plain.keys() and all(torch.equal(lora[name], plain[name]) for name in plain)
    assert ran.value("save").endswith("too little memory.safetensors")
