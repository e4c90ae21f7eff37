"""'auto' on every family is the shift that ComfyUI samples it with, by ComfyUI's own formulas; nodes of the graph count."""

import math

import pytest
import torch

from pack.tests.comfy import tiny_models
from pack.tests.comfy.tiny_models import TRAINED
from pack.training.objective.objective import Objective
from pack.training.objective.spec import ObjectiveSpec
from pack.training.objective.timesteps import FluxShift, Given, Shift, Sigmoid, Uniform

#: The k of k t / (1 + (k - 1) t) by which ComfyUI samples each. HiDream's 3 comes by a ModelSamplingSD3 node in its workflows.
KNOWN = {
    "FluxSchnell": 1.0, "SD3": 3.0, "AuraFlow": 1.73, "ZImage": 3.0, "Lumina2": 6.0, "Omnigen2": 2.6, "HiDream": 1.0, "WAN21_T2V": 8.0,
    "QwenImage": math.exp(1.15), "Flux2": math.exp(2.02), "Chroma": math.exp(1.15), "Anima": 3.0, "Ideogram4": 1.0, "Krea2": math.exp(1.15),
}


def denoiser_of(patcher):
    from pack.host.session import Session

    return Session(patcher, precision="fp32").denoiser


def made(comfy, kind: str):
    return tiny_models.patcher(comfy, next(tiny for tiny in TRAINED if tiny.kind == kind))


@pytest.fixture(scope="module")
def expected(comfy):
    """The shift by the settings of a model's configuration and the kind of its sampling."""
    sampling = comfy.module("comfy.model_sampling")

    def shift(patcher) -> float:
        own, settings = patcher.model.model_sampling, patcher.model.model_config.sampling_settings
        if isinstance(own, sampling.ModelSamplingFlux):
            return math.exp(settings.get("shift", 1.15))
        return settings.get("shift", 1.0) if isinstance(own, sampling.ModelSamplingDiscreteFlow) else 1.0

    return shift


def test_each_family_has_its_own(comfy, expected):
    found, wrong = {}, {}
    for tiny in TRAINED:
        if not hasattr(comfy.module("comfy.supported_models"), tiny.kind) or tiny.kind in found:
            continue
        patcher = tiny_models.patcher(comfy, tiny)
        denoiser = denoiser_of(patcher)
        timesteps = Objective(ObjectiveSpec(), denoiser).spec.timesteps
        found[tiny.kind] = timesteps
        by_size = type(patcher.model).__name__ == "Flux" and tiny.kind != "FluxSchnell"
        if denoiser.parametrisation != "flow":
            right = timesteps == Uniform()
        else:
            right = timesteps == FluxShift() if by_size else timesteps == Shift(k=pytest.approx(expected(patcher), rel=1e-4))
        if not right:
            wrong[tiny.name] = timesteps, expected(patcher)
    assert wrong == {}
    known = {kind: k for kind, k in KNOWN.items() if kind in found}
    assert {kind: found[kind].k for kind in known} == pytest.approx(known, rel=1e-4)
    assert sum(isinstance(timesteps, Shift) for timesteps in found.values()) >= 10


@pytest.mark.parametrize("kind", ["ZImage", "QwenImage", "WAN21_T2V"])
def test_the_levels_are_those_that_comfyui_would_make_of_a_sigmoid(comfy, kind):
    """ComfyUI's sigma(timestep), on positions of the plain sigmoid."""
    patcher = made(comfy, kind)
    own, denoiser = patcher.model.model_sampling, denoiser_of(patcher)
    given, u = Given(tokens=64, sigmas=denoiser.sigmas()), torch.linspace(0.01, 0.99, 25, dtype=torch.float64)
    plain = Sigmoid().quantile(u, given)
    multiplier = getattr(own, "multiplier", 1)
    torch.testing.assert_close(Shift(k=denoiser.own_shift).quantile(u, given), own.sigma(plain * multiplier).double(), rtol=1e-4, atol=1e-6)


def test_a_sampling_node_of_the_graph_counts(comfy):
    nodes = comfy.module("comfy_extras.nodes_model_advanced")
    z_image, flux = made(comfy, "ZImage"), made(comfy, "Flux")
    (shifted,) = nodes.ModelSamplingAuraFlow().patch_aura(z_image, 5.5)
    assert denoiser_of(shifted).own_shift == pytest.approx(5.5) and denoiser_of(z_image).own_shift == pytest.approx(3.0)
    (three,) = nodes.ModelSamplingSD3().patch(z_image, 2.0)
    assert denoiser_of(three).own_shift == pytest.approx(2.0)
    (sized,) = nodes.ModelSamplingFlux().patch(flux, 1.15, 0.5, 512, 512)
    mu = 0.5 + (1024 - 256) * (1.15 - 0.5) / (4096 - 256)
    assert denoiser_of(sized).own_shift == pytest.approx(math.exp(mu), rel=1e-4)
    assert denoiser_of(flux).own_shift is None


@pytest.mark.parametrize("kind, sigmas, bounds", [
    ("CosmosT2IPredict2", (80.0, 1.0, 0.0), (0.0, 0.5, 80 / 81)), ("ZImage", (1.0, 0.75, 0.0), (0.0, 0.75, 1.0)),
])  # fmt: skip
def test_sigmas_are_counted_as_the_model_s_samplers_do(comfy, kind, sigmas, bounds):
    from pack.training.objective.sampled import SampledSigmas

    objective = Objective(ObjectiveSpec(timesteps=SampledSigmas(sigmas=sigmas)), denoiser_of(made(comfy, kind)))
    assert objective._timesteps.bounds == pytest.approx(bounds, abs=1e-4)


def test_edm_sigmas_are_divided_by_their_deviation(comfy):
    patcher = tiny_models.patcher(comfy, next(tiny for tiny in TRAINED if tiny.name == "SDXL (Playground 2.5)"))
    denoiser = denoiser_of(patcher)
    assert denoiser.from_sampler(torch.tensor([1.0])).tolist() == [2.0]
    assert float(denoiser.sigmas()[-1]) == pytest.approx(float(patcher.model.model_sampling.sigma_max) / 0.5)


def test_sigmas_of_the_graph_reach_the_objective(comfy, sd15_checkpoint):
    from pack.training.objective.sampled import SampledSigmas

    result = comfy.run({
        "1": {"class_type": "CheckpointLoaderSimple", "inputs": {"ckpt_name": sd15_checkpoint}},
        "2": {"class_type": "BasicScheduler", "inputs": {"model": ["1", 0], "scheduler": "karras", "steps": 8, "denoise": 1.0}},
        "3": {"class_type": "SplitSigmas", "inputs": {"sigmas": ["2", 0], "step": 3}},
        "4": {"class_type": "LoRACanvasTrainingObjective", "inputs": {
            "loss": "l2", "timesteps": "auto", "weighting": "auto", "noise_offset": 0.0, "sigmas": ["3", 1]}},
        "5": {"class_type": "PreviewAny", "inputs": {"source": ["4", 0]}},
    })  # fmt: skip
    whole, low = result.value("2").tolist(), result.value("3", 1).tolist()
    spec = result.value("4")
    assert spec.timesteps == SampledSigmas(sigmas=tuple(low)) and low == whole[3:] and len(low) == 6
    objective = Objective(spec, denoiser_of(result.value("1")))
    sigma = objective.noise(torch.zeros(100, 4, 8, 8), list(range(100))).sigma
    assert float(sigma.max()) <= low[0] + 1e-5 and float(sigma.min()) >= 0.029


@pytest.mark.parametrize("name, spec, says", [
    ("wan2.2_t2v_high_noise_14B_fp16.safetensors", ObjectiveSpec(), "min_timestep to 875"),
    ("wan2.2_t2v_low_noise_14B_fp16.safetensors", ObjectiveSpec(), "max_timestep to 875"),
    ("Wan2.2-LowNoise.safetensors", "high", "low_sigmas"),
    ("wan2.2_t2v_high_noise_14B_fp16.safetensors", "high", None),
    ("wan2.2_t2v_low_noise_14B_fp16.safetensors", "low", None),
    ("wan2.1_t2v_14B.safetensors", ObjectiveSpec(), None),
])  # fmt: skip
def test_a_half_of_wan_is_told_its_window(comfy, name, spec, says):
    from pack.host.advice.checks import noise_level_warnings
    from pack.training.objective.sampled import SampledSigmas

    wired = {"high": SampledSigmas(sigmas=(1.0, 0.93, 0.875)), "low": SampledSigmas(sigmas=(0.875, 0.5, 0.0))}
    found = noise_level_warnings(name, ObjectiveSpec(timesteps=wired[spec]) if isinstance(spec, str) else spec)
    assert (says is None and found == []) or says in found[0]
