"""`quantized_backward`: gradients multiplied in fp8, on a card that can and a base that is quantised; refused before any work elsewhere."""

import pytest
import torch

from pack.tests.comfy.graphs import node, place_pictures, train_graph
from pack.tests.comfy.inprocess import NodeFailed
from pack.tests.comfy.parts import load
from pack.tests.comfy.quantised import FORMATS, FP8
from pack.tests.comfy.test_paged import Pager
from pack.tests.comfy.test_quantised import Step, card, cosine, loaded, written  # noqa: F401
from pack.training.specs import RunSpec

ON = RunSpec(quantized_backward=True)

#: What a gradient passes through in a transformer: the self-attention's four, the cross-attention's q and out, the feed-forward's two.
PASSED = 3 * 8


@pytest.fixture
def base(comfy, written, card):  # noqa: F811
    return lambda name: loaded(comfy, written(name), **({"dtype": FP8} if name == "fp8" else {}))


@pytest.fixture
def products(monkeypatch) -> list[tuple]:
    """The arguments of every product in fp8 that is made from now on."""
    made: list[tuple] = []
    multiply = torch._scaled_mm
    monkeypatch.setattr(torch, "_scaled_mm", lambda *args, **named: made.append(args) or multiply(*args, **named))
    return made


@pytest.mark.parametrize("name", [*FORMATS, "scaled_fp8", "fp8"])
def test_gradients_are_multiplied_in_fp8(base, products, name):
    off = Step(base(name), "bf16").gradient()
    forward = len(products)
    step = Step(base(name), "bf16", quantized_backward=True)
    on = step.gradient()
    assert len(products) - 2 * forward == PASSED
    assert not torch.equal(on, off) and cosine(on, off) > 0.9999
    assert torch.equal(step.gradient(checkpointing=True), on)


@pytest.mark.parametrize("name", ["fp8 scaled", "scaled_fp8", "fp8"])
def test_the_stored_numbers_are_multiplied(base, products, name):
    """No weight in fp8 is made wide and narrow again."""
    model = base(name)
    Step(model, "bf16", quantized_backward=True).gradient()
    layer = model.model.model.diffusion_model.input_blocks[1][1].transformer_blocks[0].attn1.to_q
    stored = getattr(layer.weight, "_qdata", layer.weight).float()
    assert any(torch.equal(weight.float(), stored) for _, weight in products if weight.shape == stored.shape)


def test_patched_and_paged_weights(comfy, base, monkeypatch):
    """What the graph puts on a weight in every forward counts, and what ComfyUI takes away after a fetch is not needed any more."""
    model = base("fp8")
    linears = [layer for layer in model.model.model.diffusion_model.modules() if isinstance(layer, torch.nn.Linear)]
    for layer in linears[::2]:
        layer.weight_function = [lambda weight: weight * 3]
    off, on = Step(model, "bf16").gradient(), Step(model, "bf16", quantized_backward=True).gradient()
    assert not torch.equal(on, off) and cosine(on, off) > 0.9999
    for layer in linears:
        layer._v, layer.comfy_cast_weights = object(), True
    pager, ops = Pager(comfy.module("comfy.ops")), comfy.module("comfy.ops")
    monkeypatch.setattr(ops, "cast_bias_weight", pager.cast)
    monkeypatch.setattr(ops, "uncast_bias_weight", pager.uncast)
    for layer in linears[::2]:
        layer.weight_function = []
    paged = Step(model, "bf16", quantized_backward=True).gradient()
    assert cosine(paged, Step(base("fp8"), "bf16").gradient()) > 0.9999 and pager.held == 0


def problems(base, run: RunSpec = ON) -> list[str]:
    from pack.host.advice.backward import backward_problems

    return backward_problems(base.model, run)


def test_on_a_card_that_cannot(comfy, written):  # noqa: F811
    model = loaded(comfy, written("fp8 scaled"))
    (text,) = problems(model)
    assert "quantized_backward is on, but cpu does not multiply in fp8" in text and "switch quantized_backward off" in text
    assert problems(model, RunSpec()) == []


def test_on_a_card_whose_product_fails(base, monkeypatch):
    def refused(*_args, **_named):
        raise RuntimeError("no such product\nat all")

    monkeypatch.setattr(torch, "_scaled_mm", refused)
    (text,) = problems(base("fp8 scaled"))
    assert "multiplying in fp8 fails on cpu: no such product. Try a newer PyTorch" in text


def test_on_a_base_that_is_not_quantised(comfy, card, sd15_checkpoint):  # noqa: F811
    (text,) = problems(load(comfy, sd15_checkpoint))
    assert "no linear of this model is held in fp8" in text and "weight_dtype" in text


def test_what_it_leaves_is_counted(base):
    from pack.host.advice.backward import backward_notices

    model = base("fp8 scaled")
    assert problems(model) == [] and backward_notices(model.model, ON) == []
    block = model.model.model.diffusion_model.input_blocks[1][1].transformer_blocks[0]
    block.attn1.to_q._full_precision_mm_config = True
    (text,) = backward_notices(model.model, ON)
    assert text.startswith("quantized_backward: 26 of 27 quantised linears multiply their gradient in fp8")
    assert backward_notices(model.model, RunSpec()) == []


def test_through_the_graph(comfy, run_prompt, written, card, sd15_checkpoint, products):  # noqa: F811
    """It trains, and another backward than it began with is refused when it goes on."""
    unet = node("UNETLoader", unet_name=written("fp8 scaled"), weight_dtype="default")
    graph = train_graph(sd15_checkpoint, place_pictures(comfy), run_name="narrow_back", steps=1, precision="bf16", quantized_backward=True)
    graph |= {"unet": unet}
    graph["train"]["inputs"]["model"] = ["unet", 0]
    executor = comfy.new_executor()
    run_prompt(graph, executor=executor)
    assert len(products) >= PASSED
    graph["train"]["inputs"] |= {"quantized_backward": False, "resume": "narrow_back", "steps": 2}
    with pytest.raises(NodeFailed, match="quantized_backward was True, is now False"):
        run_prompt(graph, executor=executor)


def test_nothing_begins_on_a_card_that_cannot(comfy, run_prompt, sd15_checkpoint):
    graph = train_graph(sd15_checkpoint, place_pictures(comfy), run_name="never", quantized_backward=True)
    with pytest.raises(NodeFailed, match="quantized_backward is on, but cpu"):
        run_prompt(graph)
    assert not (comfy.base / "output" / "lora_canvas" / "never").exists()
