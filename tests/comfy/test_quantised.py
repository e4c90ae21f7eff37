"""Quantised bases, as people download them: trained through the graph, saved, read back, applied; gradients against the same
model dequantised, with weights that are dequantised in the forward and with activations quantised too, as cards multiply."""

import pytest
import torch
from safetensors.torch import load_file, save_file

from pack.demo.tiny.checkpoints import SD15_ONE_LEVEL, SEED
from pack.demo.tiny.unet import unet_weights
from pack.tests.comfy.graphs import node, place_pictures, sample_graph, train_graph
from pack.tests.comfy.parts import Loaded, condition, network_for, session_of
from pack.tests.comfy.quantised import FORMATS, FP8, dequantised, missing, old_scaled, quantised
from pack.training.network.attach import attached
from pack.training.network.network import Network
from pack.training.objective.objective import Objective
from pack.training.objective.spec import ObjectiveSpec
from pack.training.objective.timesteps import Uniform
from pack.training.objective.weights import NoWeighting
from pack.training.run.gradient_check import ALLOWED, Slope, slope_along_gradient

#: Format -> the least cosine where the card quantises the activations too. Eight bits cost next to nothing, four what they are.
NARROW = {"fp8 scaled": 0.9995, "mxfp8": 0.9995, "nvfp4": 0.998, "nvfp4 smoothed": 0.998, "int8 tensorwise": 0.9995, "int8 convrot": 0.9995,
          "convrot w4a4": 0.995, "w4a8": 0.9995}


def is_quantised(key: str) -> bool:
    """The transformers' matrices. SD1.5 is known by the width of its first `attn2.to_k`, which packed numbers would halve."""
    return "transformer_blocks" in key and "attn2.to_k" not in key


@pytest.fixture(scope="module")
def written(comfy):
    """A file of the tiny UNet in models/diffusion_models, by format; 'fp8' is plain, 'scaled_fp8' as in 2024."""
    weights = unet_weights(SD15_ONE_LEVEL, SEED)
    folder = comfy.base / "models" / "diffusion_models"
    folder.mkdir(parents=True, exist_ok=True)

    def write(name: str) -> str:
        if name in FORMATS and (reason := missing(comfy, name)):
            pytest.skip(reason)
        path = folder / f"{name.replace(' ', '-')}.safetensors"
        if not path.exists():
            tensors, metadata = weights, {}
            if name in FORMATS:
                tensors, metadata = quantised(comfy, weights, name, is_quantised)
            if name == "scaled_fp8":
                tensors = old_scaled(weights, is_quantised)
            save_file({key: tensor.contiguous() for key, tensor in tensors.items()}, path, metadata)
        return path.name

    return write


@pytest.fixture(scope="module")
def folder(comfy) -> str:
    return place_pictures(comfy)


@pytest.fixture(scope="module")
def executor(comfy):
    """One for all: the checkpoint's text encoder and VAE are loaded once."""
    return comfy.new_executor()


def loaded(comfy, name: str, **options) -> Loaded:
    path = comfy.folder_paths.get_full_path_or_raise("diffusion_models", name)
    with torch.inference_mode():
        return Loaded(comfy.module("comfy.sd").load_diffusion_model(path, model_options=options), None, None)


class Step:
    """One batch of fixed noise on a model, with adapters on every layer."""

    def __init__(self, base: Loaded, precision: str | None, **options):
        self.session = session_of(base, precision=precision, **options)
        self.network: Network = network_for(self.session.parts())
        self.parameters = [parameter for _, parameter in self.network.named_parameters()]
        self.objective = Objective(ObjectiveSpec(timesteps=Uniform(), weighting=NoWeighting()), self.session.denoiser)

    def loss(self) -> torch.Tensor:
        x0 = torch.randn(1, 4, 8, 8, generator=torch.Generator().manual_seed(1))
        noising = self.objective.noise(x0, [4])
        denoised = self.session.denoiser.denoise(noising.x_t, noising.sigma, [condition()])
        return self.objective.losses(denoised, x0, noising).mean()

    def gradient(self, *, checkpointing: bool = False) -> torch.Tensor:
        for parameter in self.parameters:
            parameter.grad = None
        with self.session.training(), attached(self.network, self.session.parts(), checkpointing=checkpointing):
            self.loss().backward()
        return torch.cat([parameter.grad.flatten() for parameter in self.parameters])

    def loss_at(self, shift: torch.Tensor) -> float:
        """With the adapters moved by `shift`, and moved back."""
        with self.session.training(), attached(self.network, self.session.parts(), checkpointing=False), torch.no_grad():
            self._move(shift)
            loss = self.loss()
            self._move(-shift)
        return float(loss)

    def _move(self, shift: torch.Tensor) -> None:
        for parameter, part in zip(self.parameters, shift.split([p.numel() for p in self.parameters]), strict=True):
            parameter.add_(part.view_as(parameter))


def cosine(one: torch.Tensor, other: torch.Tensor) -> float:
    return float(torch.nn.functional.cosine_similarity(one, other, dim=0))


@pytest.fixture
def card(comfy, monkeypatch):
    """ComfyUI as on a card that multiplies in every format. What CPUs cannot multiply is multiplied after the same rounding."""
    monkeypatch.setattr(comfy.model_management, "supports_fp8_compute", lambda device=None: True)
    if not hasattr(comfy.model_management, "supports_nvfp4_compute"):
        return
    kitchen = comfy.module("comfy_kitchen")
    monkeypatch.setattr(comfy.model_management, "supports_nvfp4_compute", lambda device=None: True)
    monkeypatch.setattr(comfy.model_management, "supports_mxfp8_compute", lambda device=None: True)

    def mxfp8(a, b, block_scale_a, block_scale_b, bias=None, out_dtype=None):
        wide = (kitchen.dequantize_mxfp8(x, scale, out_dtype) for x, scale in ((a, block_scale_a), (b, block_scale_b)))
        return torch.nn.functional.linear(*wide, bias)

    def nvfp4(a, b, scale_a, scale_b, block_scale_a, block_scale_b, bias=None, out_dtype=None, **other):
        numbers = ((a, scale_a, block_scale_a), (b, scale_b, block_scale_b))
        return torch.nn.functional.linear(*(kitchen.dequantize_nvfp4(*number, out_dtype) for number in numbers), bias)

    monkeypatch.setattr(kitchen, "scaled_mm_mxfp8", mxfp8)
    monkeypatch.setattr(kitchen, "scaled_mm_nvfp4", lambda a, b, tensor_scale_a, tensor_scale_b, *rest, **named: nvfp4(
        a, b, tensor_scale_a, tensor_scale_b, *rest, **named))


@pytest.mark.parametrize("name", [*FORMATS, "scaled_fp8"])
def test_gradients_are_those_of_the_dequantised_model(comfy, written, name):
    base, plain = loaded(comfy, written(name)), loaded(comfy, written(name))
    dequantised(comfy, plain.model.model, torch.bfloat16)
    for layer in base.model.model.modules():  # as ComfyUI multiplies in formats that the card has not
        if hasattr(layer, "_full_precision_mm"):
            layer._full_precision_mm = True
    assert cosine(Step(base, "bf16").gradient(), Step(plain, "bf16").gradient()) > 0.999


@pytest.mark.parametrize("name", [*FORMATS, "scaled_fp8"])
def test_with_quantised_activations_the_gradient_goes_straight_through(comfy, written, card, name):
    base, plain = loaded(comfy, written(name)), loaded(comfy, written(name))
    dequantised(comfy, plain.model.model, torch.float32)
    step = Step(base, None)
    narrow = step.gradient()
    assert not torch.equal(narrow, wide := Step(plain, None).gradient()), "nothing was quantised"
    assert cosine(narrow, wide) > NARROW.get(name, 0.9995)
    assert torch.equal(step.gradient(checkpointing=True), narrow)


def test_a_layer_that_scales_its_input_has_its_own_gradient(comfy, written):
    """`pre_quant_scale`, against central differences along the gradient: its slope is the gradient's length."""
    step = Step(loaded(comfy, written("nvfp4 smoothed")), "fp32")
    gradient = step.gradient()
    along = gradient / gradient.norm() * 0.1
    slope = (step.loss_at(along) - step.loss_at(-along)) / 0.2
    assert slope == pytest.approx(float(gradient.norm()), rel=1e-3)


def slope(base: Loaded) -> Slope:
    """As the trial of a run on a new kind of model takes it."""
    from pack.host.session import Session

    step = Step(base, "fp32")
    step.session = Session(base.model, precision="fp32", exact=True)
    with step.session.training(), attached(step.network, step.session.parts(), checkpointing=True):
        return slope_along_gradient(step.loss, step.parameters)


@pytest.mark.parametrize("name", [*FORMATS, "scaled_fp8"])
def test_a_trial_is_not_misled_by_rounded_activations(comfy, written, card, name):
    assert slope(loaded(comfy, written(name))).error < ALLOWED / 2


def test_a_trial_is_not_misled_by_fp8_matmuls(comfy, written, card):
    assert slope(loaded(comfy, written("fp8"), dtype=FP8, fp8_optimizations=True)).error < ALLOWED / 2


def test_a_trial_finds_a_scale_that_the_gradient_leaves_out(comfy, written, monkeypatch):
    """`pre_quant_scale` as it was: the forward scales its input, the frozen op's gradient does not."""
    from pack.host.lend import smoothing

    base = loaded(comfy, written("nvfp4 smoothed"))
    monkeypatch.setattr(smoothing, "smoothed_layers", lambda model: [])
    assert slope(base).error > ALLOWED


def test_a_lora_for_such_a_file_is_said_to_be_for_it_alone(comfy, written):
    from pack.host.advice.checks import _about_weights

    (text,) = _about_weights(loaded(comfy, written("nvfp4 smoothed")).model)
    assert text.startswith("27 layers") and "pre_quant_scale" in text
    assert _about_weights(loaded(comfy, written("nvfp4")).model) == []


@pytest.mark.parametrize("checkpointing", [False, True])
def test_fp8_matmuls_that_clamp_their_input_in_place(comfy, written, card, checkpointing):
    """`fp8_e4m3fn_fast`, `--fast fp8_matrix_mult`: the activation is written to while others hold it."""
    plain = Step(loaded(comfy, written("fp8"), dtype=FP8), "bf16").gradient()
    fast = loaded(comfy, written("fp8"), dtype=FP8, fp8_optimizations=True)
    layer = fast.model.model.diffusion_model.input_blocks[1][1].transformer_blocks[0].attn1.to_q
    assert type(layer) is comfy.module("comfy.ops").fp8_ops.Linear
    assert cosine(Step(fast, "bf16").gradient(checkpointing=checkpointing), plain) > 0.999


@pytest.mark.parametrize("name", [*FORMATS, "scaled_fp8", "fp8"])
def test_trained_saved_read_back_and_applied(run_prompt, written, sd15_checkpoint, folder, executor, name):
    """The graph that users run; the file on the same quantised model samples what the node's own output samples."""
    unet = node("UNETLoader", unet_name=written(name), weight_dtype="fp8_e4m3fn" if name == "fp8" else "default")
    file = name.replace(" ", "-")
    graph = train_graph(sd15_checkpoint, folder, run_name=file, steps=2, precision="bf16", cache_to_disk=True) | {"unet": unet}
    graph["train"]["inputs"]["model"] = ["unet", 0]
    graph["save"] = node("LoRACanvasSaveLoRA", lora=["train", 2], filename=file, dtype="fp32")
    trained = run_prompt(graph | sampled(["train", 0]), executor=executor)
    tensors = load_file(trained.value("save"))
    assert sum(key.endswith("lora_up.weight") and bool(value.abs().max() > 0) for key, value in tensors.items()) == 3 * 12
    lora = node("LoraLoaderModelOnly", model=["unet", 0], lora_name=f"{file}.safetensors", strength_model=1.0)
    from_file = run_prompt({"load": graph["load"], "unet": unet, "lora": lora} | sampled(["lora", 0]), executor=executor)
    assert torch.equal(trained.value("sampled")["samples"], from_file.value("sampled")["samples"])


def sampled(model: list) -> dict:
    """One step without a picture."""
    graph = sample_graph(model, ["load", 1], ["load", 2], side=32, steps=1)
    graph["shown"] = node("SaveLatent", samples=["sampled", 0], filename_prefix="narrow")
    return {key: entry for key, entry in graph.items() if key != "picture"}
