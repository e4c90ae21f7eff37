"""Weights of partly loaded models fetched ahead of their layers: loss and gradients are the same, bit by bit, and everything is put back.

There is one memory here. So layers are chosen that are said to lie in another one; their copies are spoilt as soon as they are let go.
"""

from types import SimpleNamespace

import pytest
import torch

from pack.demo.tiny.checkpoints import SD15_ONE_LEVEL, SEED
from pack.demo.tiny.unet import unet_weights
from pack.tests.comfy import gguf
from pack.tests.comfy.parts import Loaded, load, network_for, session_of
from pack.tests.comfy.quantised import FORMATS, missing
from pack.tests.comfy.test_paged import step as step_with_text
from pack.tests.comfy.test_quantised import Step, is_quantised, loaded, written  # noqa: F401
from pack.training.memory.streamed import StreamMover
from pack.training.network.attach import attached
from pack.training.network.spec import NetworkSpec


class Streams:
    """One that does everything at once."""

    def __init__(self):
        self.copying = SimpleNamespace(wait_stream=lambda other: None, record_event=lambda: None, synchronize=lambda: None)

    def computing(self):
        return SimpleNamespace(wait_event=lambda event: None)

    def on_copying(self):
        return torch.no_grad()


@pytest.fixture
def elsewhere(comfy, monkeypatch):
    """Call it with what lies in main memory: 'all' of a model's ops, or 'half' of them. Its `fetched` counts."""
    from pack.host import compat
    from pack.host.lend import main_memory, weights

    told = SimpleNamespace(which="all", fetched=0, spoilt=0)
    here: dict[int, torch.Tensor] = {}

    def lies_elsewhere(layer, device) -> bool:
        return (told.which == "all" or layer.weight.shape[0] % 3 == 2 or layer.weight.numel() % 64 == 0) and id(layer.weight) not in here

    def copied(layer, device) -> dict[str, torch.Tensor]:
        told.fetched += 1
        copies = {}
        for name, tensor in main_memory._tensors_of(layer):
            copy = main_memory.moved(tensor, device, non_blocking=True)
            copies[name] = copy if isinstance(copy, gguf.GGMLTensor) else copy.detach().clone()
            here[id(copies[name])] = copies[name]
        return copies

    def release(self, copy) -> None:
        for tensor in copy.value.values():
            here.pop(id(tensor), None)
            if type(tensor) is torch.Tensor and tensor.is_floating_point() and tensor.itemsize > 1:
                told.spoilt += 1
                tensor.data.fill_(float("nan"))

    monkeypatch.setattr(compat, "streams", lambda device: Streams())
    monkeypatch.setattr(main_memory, "_lies_elsewhere", lies_elsewhere)
    monkeypatch.setattr(main_memory, "_copied", copied)
    monkeypatch.setattr(StreamMover, "release", release)
    monkeypatch.setattr(weights.ComfyWeights, "recasts", lambda self, module: True)
    return told


def without(monkeypatch, run):
    """What `run` gives when ComfyUI fetches."""
    from pack.host import compat

    with monkeypatch.context() as patched:
        patched.setattr(compat, "streams", lambda device: None)
        return run()


@pytest.mark.parametrize(("which", "checkpointing"), [("all", True), ("half", False)])
def test_the_same_bits(comfy, sd15_checkpoint, elsewhere, monkeypatch, which, checkpointing):
    """Through text encoder and UNet, both in main memory."""
    model = load(comfy, sd15_checkpoint)
    expected_loss, expected = without(monkeypatch, lambda: step_with_text(model, checkpointing=checkpointing))
    assert elsewhere.fetched == 0
    elsewhere.which = which
    loss, gradients = step_with_text(model, checkpointing=checkpointing)
    assert elsewhere.fetched > 20 and elsewhere.spoilt > 0
    assert loss == expected_loss and torch.equal(gradients, expected)


def test_kinds_that_keep_the_weight_keep_their_own(comfy, sd15_checkpoint, elsewhere, monkeypatch):
    """DoRA computes with the weight itself, and autograd keeps it."""
    model, dora = load(comfy, sd15_checkpoint), NetworkSpec(algorithm="dora", rank=2, alpha=2.0)
    _, expected = without(monkeypatch, lambda: step_with_text(model, dora))
    _, gradients = step_with_text(model, dora)
    assert torch.equal(gradients, expected) and elsewhere.spoilt > 0


@pytest.mark.parametrize("name", ["fp8 scaled", "nvfp4 smoothed", "int8 convrot", "scaled_fp8", "gguf"])
def test_stored_bytes_are_fetched(comfy, written, elsewhere, monkeypatch, name):  # noqa: F811
    """Quantised and packed weights, which their layers unpack as ever."""
    if name == "gguf":
        model = Loaded(gguf.load(comfy, unet_weights(SD15_ONE_LEVEL, SEED), is_quantised), None, None)
    else:
        model = loaded(comfy, written(name))
    step = Step(model, "fp32")
    expected = without(monkeypatch, lambda: step.gradient(checkpointing=True))
    assert torch.equal(step.gradient(checkpointing=True), expected) and elsewhere.fetched > 20


def test_what_the_graph_applied_is_applied(comfy, sd15_checkpoint, elsewhere, monkeypatch):
    """ComfyUI patches weights that lie in main memory in every forward."""
    model = load(comfy, sd15_checkpoint)
    plain = Step(model, "fp32").gradient()
    model.model = model.model.clone()
    model.model.add_weight_wrapper("diffusion_model.time_embed.0.weight", lambda weight: weight * 1.5)
    expected = without(monkeypatch, Step(model, "fp32").gradient)
    assert torch.equal(Step(model, "fp32").gradient(), expected) and not torch.equal(plain, expected)


def test_the_order_is_kept_over_a_preview(comfy, sd15_checkpoint, elsewhere):
    """And nothing is held while ComfyUI has the model."""
    session = session_of(load(comfy, sd15_checkpoint), precision="fp32")
    memory = session._main_memory._rings[0]
    with session.training():
        ahead = memory._ahead
        assert ahead is not None and memory.layers
        with ahead.use(next(iter(memory.layers))):
            pass
        assert ahead._held
        with session.returned():
            assert not ahead._held and not memory.layers
        assert memory.layers and memory._foresight._seen
    assert not memory.layers


def test_what_was_fetched_of_an_unloaded_model_is_not_used_again(comfy, sd15_checkpoint, elsewhere, monkeypatch):
    """Somebody has it unloaded in the middle of a run: until it is loaded again, the graph's patch is not in its weights."""
    model = load(comfy, sd15_checkpoint)
    model.model = model.model.clone()
    model.model.add_patches({"diffusion_model.time_embed.0.weight": ("diff", (torch.ones(1280, 320),))}, 0.1)
    step = Step(model, "fp32")
    expected = without(monkeypatch, step.gradient)
    with step.session.training(), attached(step.network, step.session.parts(), checkpointing=False):
        patched = step.loss()
        comfy.model_management.unload_all_models()
        assert step.loss() != patched and step.session.restored()
        assert step.loss() == patched
    assert torch.equal(step.gradient(), expected)


def test_every_layer_is_as_it_was(comfy, sd15_checkpoint, elsewhere):
    model = load(comfy, sd15_checkpoint)
    session_of(model, clip=model.clip, precision="fp32").load()
    layers = [*model.model.model.modules(), *model.clip.cond_stage_model.modules()]
    before = [dict(layer._parameters) for layer in layers]
    step_with_text(model, checkpointing=True)
    for layer, parameters in zip(layers, before, strict=True):
        assert layer._parameters.keys() == parameters.keys()
        assert all(layer._parameters[name] is value for name, value in parameters.items())


def test_a_failure_in_the_middle_leaves_every_layer_as_it_was(comfy, sd15_checkpoint, elsewhere):
    model = load(comfy, sd15_checkpoint)
    session = session_of(model, precision="fp32")
    unet = model.model.model.diffusion_model
    session.load()
    before = dict(unet.named_parameters())
    network = network_for(session.parts())
    unet.out[2].forward = lambda x: 1 / 0
    with pytest.raises(ZeroDivisionError), session.training(), attached(network, session.parts(), checkpointing=False):
        unet(torch.zeros(1, 4, 8, 8), torch.zeros(1), context=torch.zeros(1, 77, 768))
    assert elsewhere.fetched > 20 and all(value is before[name] for name, value in unet.named_parameters())


def test_a_loaded_model_is_left_alone(comfy, sd15_checkpoint):
    """No ring, no room for copies, the same context for every layer."""
    session = session_of(load(comfy, sd15_checkpoint))
    with session.training():
        [ring] = session._main_memory._rings
        assert not ring.layers and ring._ahead is None and session._for_copies == 0
        assert all(not session._main_memory.at_hand(layer).__enter__() for layer in session.patcher.model.modules())


def test_pages_of_dynamic_vram_are_left_to_comfyui(comfy, sd15_checkpoint):
    from pack.host.lend.main_memory import can_be_fetched

    layer = load(comfy, sd15_checkpoint).model.model.diffusion_model.time_embed[0]
    assert can_be_fetched(layer)
    layer._v = object()
    assert not can_be_fetched(layer)


def test_room_for_copies_is_asked_for_where_not_all_is_loaded(comfy, sd15_checkpoint, elsewhere, monkeypatch):
    """Once it is known: the second load, and all from then on."""
    session = session_of(load(comfy, sd15_checkpoint))
    asked: list[int] = []
    real = comfy.model_management.load_models_gpu
    monkeypatch.setattr(comfy.model_management, "load_models_gpu",
                        lambda models, memory_required: (asked.append(memory_required), real(models, memory_required=memory_required)))
    session.reserve(1000)
    session.load()
    session.load()
    needed, ahead = session.bytes_of_copies(), session._main_memory.bytes_needed()
    assert asked == [1000, 1000 + needed, 1000 + needed]
    layers = [layer for layer in session.patcher.model.modules() if hasattr(layer, "comfy_cast_weights")]
    weights = [layer.weight.nbytes for layer in layers]
    assert 2 * max(weights) < ahead < sum(weights)
    assert needed - ahead == max(weights), "the one that a backward computes with"


def test_what_comfyui_does_not_pin_is_pinned_and_given_back(comfy, sd15_checkpoint, elsewhere, monkeypatch):
    """Each weight once, through ComfyUI's own function, which keeps count; it is not asked again when it has said no."""
    pinned: list[int] = []
    refused: list[int] = []

    def pin(tensor) -> bool:
        (pinned if len(pinned) < 5 else refused).append(tensor.data_ptr())
        return not refused

    monkeypatch.setattr(comfy.model_management, "pin_memory", pin)
    monkeypatch.setattr(comfy.model_management, "unpin_memory", lambda tensor: pinned.remove(tensor.data_ptr()))
    with session_of(load(comfy, sd15_checkpoint)).training():
        assert len(set(pinned)) == 5 and len(refused) == 1
    assert pinned == []


@pytest.mark.parametrize("name", ["fp8 scaled", "nvfp4"])
def test_a_quantised_weight_is_moved_as_it_is(comfy, name):
    from pack.host.lend.stored import moved, parts_of

    if reason := missing(comfy, name):
        pytest.skip(reason)
    ops = comfy.module("comfy.quant_ops")
    layout = ops.QUANT_ALGOS[FORMATS[name].algorithm]["comfy_tensor_layout"]
    options = {} if hasattr(ops, "LAYOUTS") else FORMATS[name].options
    weight = ops.QuantizedTensor.from_float(torch.randn(32, 64), layout, **options)
    parts = parts_of(weight)
    assert sum(part.nbytes for part in parts) < 32 * 64 * 1.2 and len(parts) > 1
    there = moved(weight, torch.device("meta"), non_blocking=True)
    assert type(there) is type(weight) and there.shape == weight.shape
    assert [(part.shape, part.dtype, part.device.type) for part in parts_of(there)] == [(part.shape, part.dtype, "meta") for part in parts]
    assert torch.equal(moved(weight, torch.device("cpu"), non_blocking=True).dequantize(), weight.dequantize())


def test_what_comfyui_noted_on_a_weight_goes_with_it(comfy):
    from pack.host.lend.stored import moved

    weight = torch.nn.Parameter(torch.randn(2, 3), requires_grad=False)
    weight._model_dtype = torch.float16
    assert moved(weight, torch.device("meta"), non_blocking=True)._model_dtype is torch.float16
    packed = gguf.pack(torch.randn(4, 64))
    assert moved(packed, torch.device("meta"), non_blocking=True).tensor_shape == (4, 64)


def test_the_model_s_own_device_is_the_current_one(comfy, sd15_checkpoint, monkeypatch):
    """For a run, its loading and its previews: ComfyUI asks for the current stream without saying of which device."""
    from pack.host import compat

    entered = []

    class Current:
        def __init__(self, device):
            self._device = device

        def __enter__(self):
            entered.append(self._device)

        def __exit__(self, *error):
            entered.remove(self._device)

    second = torch.device("cuda", 1)
    monkeypatch.setattr(torch.cuda, "device", Current)
    real = compat.on_device
    monkeypatch.setattr(compat, "on_device", lambda device: real(second))
    session = session_of(load(comfy, sd15_checkpoint))
    with session.training():
        assert entered == [second]
        with session.returned():
            assert entered == [second]
    assert entered == []
    with real(torch.device("cpu")):
        assert entered == []
