"""One tiny model through everything a run does: three steps, a file, ComfyUI's loader, ComfyUI's sampler."""

from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors.torch import load_file

from pack.tests.comfy import tiny_models
from pack.tests.comfy.central_differences import everything_in, worst_difference
from pack.tests.comfy.test_borrow import snapshot
from pack.tests.comfy.tiny_models import Tiny
from pack.tests.training.memory.fakes import LateLane
from pack.training.lora_file.file import write_lora
from pack.training.memory.activations import in_main_memory
from pack.training.memory.cheaply import cheaply
from pack.training.network.attach import attached
from pack.training.network.build import Network, build_network
from pack.training.network.checkpointing import units
from pack.training.network.files import to_tensors
from pack.training.network.spec import NetworkSpec, TargetSpec
from pack.training.network.targets import ALL
from pack.training.objective.objective import Objective
from pack.training.objective.spec import ObjectiveSpec
from pack.training.protocols import Condition, PixelGeometry, TextCondition

STEPS = 3


@dataclass(frozen=True, kw_only=True)
class Walked:
    """What came of it. Differences are relative to the largest value."""

    parametrisation: str
    keys: str
    text_encoders: tuple[str, ...]
    default_targets: int
    recomputed_blocks: int
    losses: tuple[float, ...]
    checkpointing_error: float
    ways_error: float
    least_cosine: float
    gradient_error: float
    forward_error: float
    batch_error: float
    file_error: float
    unmapped: int
    sampled: torch.Tensor
    is_as_before: bool


def walk(comfy, tiny: Tiny, folder: Path) -> Walked:
    """Raises whatever goes wrong on the way; how well it went stands in the result."""
    patcher = tiny_models.patcher(comfy, tiny)
    session = _session(patcher)
    session.load()
    network = _network(session)
    bench = _Bench(session, network, tiny)
    forward = bench.forward_error()
    before = snapshot(patcher.model)  # after the first forward: some models note things on themselves
    plain, recomputed = bench.gradients(checkpointing=False), bench.gradients(checkpointing=True)
    elsewhere = bench.gradients(checkpointing=False, keeping=away_and_cheaply)
    batch_error = bench.batch_error()
    losses = bench.train()
    is_as_before = snapshot(patcher.model) == before
    patches, unmapped = _saved_and_loaded(network, patcher, folder)
    trained = patcher.clone()
    trained.add_patches(patches, 1.0)
    return Walked(
        parametrisation=session.denoiser.parametrisation, keys=_key_form(network),
        text_encoders=tuple(name for name, _ in session.family.text_encoder_prefixes),
        default_targets=len(build_network(NetworkSpec(rank=2), session.parts(), seed=3)),
        recomputed_blocks=sum(1 for _ in units(patcher.model.diffusion_model)), losses=losses,
        checkpointing_error=_largest(recomputed, plain), ways_error=_largest(elsewhere, plain),
        least_cosine=_least_cosine(recomputed, plain),
        gradient_error=gradient_error(comfy, tiny), forward_error=forward, batch_error=batch_error,
        file_error=bench.file_error(trained), unmapped=len(unmapped), sampled=_sampled(comfy, trained, tiny),
        is_as_before=is_as_before,
    )


def gradient_error(comfy, tiny: Tiny) -> float:
    """Of recomputed blocks, as users train, against central differences; `up` is away from 0."""
    for precision, step in (("fp64", 1e-2), ("fp32", 5e-2)):
        try:
            with everything_in(precision):
                return _gradient_error(comfy, tiny, precision, step)
        except Exception as error:
            if precision == "fp32":
                raise
            assert "ouble" in str(error) or "float64" in str(error), error
    raise AssertionError("unreachable")


def _gradient_error(comfy, tiny: Tiny, precision: str, step: float) -> float:
    from pack.host.session import Session

    session = Session(tiny_models.patcher(comfy, tiny), precision=precision)
    session.load()
    network = _network(session)
    parameters = [parameter for _, parameter in network.named_parameters()]
    for parameter in parameters:
        parameter.data = parameter.data.to(session.dtype)
    bench = _Bench(session, network, tiny)
    with session.training(), attached(network, session.parts(), checkpointing=True):
        return worst_difference(lambda: bench.losses().mean(), parameters, step=step)


@contextmanager
def away_and_cheaply():
    """All that autograd keeps leaves, and comes back; what norms and activation functions make is not kept at all."""
    with in_main_memory(LateLane(), least=1, window=0), cheaply(least=1):
        yield


class _Bench:
    """A session with two samples of fixed noise."""

    def __init__(self, session, network: Network, tiny: Tiny):
        self.session, self.network = session, network
        raw = torch.randn(2, *tiny.latent, generator=torch.Generator().manual_seed(5))
        self.x0 = session.denoiser.to_model_space(raw)
        self.conditions = [condition(tiny, seed) for seed in (1, 2)]
        self.objective = Objective(ObjectiveSpec(), session.denoiser)
        self.noising = self.objective.noise(self.x0, [11, 12])

    def denoised(self) -> torch.Tensor:
        return self.session.denoiser.denoise(self.noising.x_t, self.noising.sigma, self.conditions)

    def losses(self) -> torch.Tensor:
        return self.objective.losses(self.denoised(), self.x0, self.noising)

    def gradients(self, *, checkpointing: bool, keeping=nullcontext) -> dict[str, torch.Tensor]:
        """Of the adapters that the forward passes through; `keeping` is open while it runs."""
        for _, parameter in self.network.named_parameters():
            parameter.grad = None
        with self.session.training(), attached(self.network, self.session.parts(), checkpointing=checkpointing):
            with keeping():
                loss = self.losses().mean()
            loss.backward()
        return {name: p.grad.clone() for name, p in self.network.named_parameters() if p.grad is not None}

    def batch_error(self) -> float:
        """Both samples at once against one at a time."""
        denoiser, noising = self.session.denoiser, self.noising
        with self.session.training(), torch.no_grad():
            together = self.denoised()
            singles = [denoiser.denoise(noising.x_t[i : i + 1], noising.sigma[i : i + 1], [self.conditions[i]]) for i in (0, 1)]
        return _relative(together, torch.cat(singles))

    def forward_error(self) -> float:
        """The model as it is lent, while gradients are on, against ComfyUI's own forward."""
        with self.session.training():
            ours = self.denoised().detach()
            with torch.no_grad():
                return _relative(ours, self.denoised())

    def train(self) -> tuple[float, ...]:
        optimizer = torch.optim.AdamW([p for _, p in self.network.named_parameters()], lr=1e-4)
        losses = []
        with self.session.training(), attached(self.network, self.session.parts(), checkpointing=True):
            for _ in range(STEPS):
                loss = self.losses().mean()
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
                losses.append(float(loss.detach()))
        return tuple(losses)

    def file_error(self, trained) -> float:
        """The model with our branches against the one that ComfyUI patches from the file."""
        with self.session.training(), attached(self.network, self.session.parts(), checkpointing=False), torch.no_grad():
            ours = self.denoised()
        theirs = _session(trained)
        with theirs.training(), torch.no_grad():
            found = _relative(theirs.denoiser.denoise(self.noising.x_t, self.noising.sigma, self.conditions), ours)
        with torch.inference_mode():
            trained.unpatch_model()
        return found


def condition(tiny: Tiny, seed: int) -> Condition:
    geometry = PixelGeometry(original=(96, 80), crop=(2, 0), target=(64, 64))
    return Condition(text=TextCondition(tensors=tiny_models.text_tensors(tiny, seed)), geometry=geometry)


def _session(patcher):
    from pack.host.session import Session

    return Session(patcher, precision="fp32")


def _network(session) -> Network:
    """Adapters, norms and biases, with values in what starts at 0 too, so that every gradient is alive."""
    parts = session.parts()
    (model,) = parts
    biases = any(model.has_bias(path) for path, _ in model.ops)
    spec = NetworkSpec(rank=2, alpha=2.0, targets=TargetSpec(preset=ALL), train_norms=bool(model.norms), train_biases=biases)
    network = build_network(spec, parts, seed=3)
    generator = torch.Generator().manual_seed(3)
    for name, parameter in network.named_parameters():
        if not name.endswith(".down"):
            parameter.data.normal_(0, 0.02, generator=generator)
    return network


def _key_form(network: Network) -> str:
    """The common beginning of the keys of the file."""
    (form,) = {key[: len("lora_unet_")] for key in network.file_keys.values()}
    return {"lora_unet_": "lora_unet_*", "diffusion_": "diffusion_model.*"}[form]


def _saved_and_loaded(network: Network, patcher, folder: Path):
    """Written, read back as the node does it, and ComfyUI's patches of the file."""
    from pack.host.lora.patches import known_names, load_patches
    from pack.host.lora.verify import read_back

    path = folder / "walk.safetensors"
    write_lora(path, to_tensors(network), {}, torch.float32)
    read_back(path, network, patcher, None)
    return load_patches(load_file(path), known_names(patcher, None))


def _sampled(comfy, trained, tiny: Tiny) -> torch.Tensor:
    """Two steps of ComfyUI's sampler from an empty latent, with the LoRA applied."""
    sample = comfy.module("comfy.sample")
    with torch.inference_mode():
        prompts = []
        for seed in (1, 2):
            tensors = tiny_models.text_tensors(tiny, seed)
            prompts.append([[tensors.pop("cond"), {"pooled_output": None, **tensors}]])
        latent = torch.zeros(1, *tiny.latent)
        noise = sample.prepare_noise(latent, 7)
        return sample.sample(trained, noise, 2, 2.0, "euler", "simple", *prompts, latent, seed=7, disable_pbar=True)


def _largest(found: dict, expected: dict) -> float:
    return max(_relative(found[name], expected[name]) for name in _alive(found, expected))


def _least_cosine(found: dict, expected: dict) -> float:
    """Of what any parameter's gradient has in common with the other one."""
    return min(float(torch.cosine_similarity(found[name].flatten(), expected[name].flatten(), dim=0)) for name in _alive(found, expected))


def _alive(found: dict, expected: dict) -> list[str]:
    """The parameters whose gradient is more than rounding: that of a key's bias is 0, since softmax does not see it."""
    assert found.keys() == expected.keys()
    largest = max(float(gradient.norm()) for gradient in expected.values())
    return [name for name in expected if max(found[name].norm(), expected[name].norm()) > 1e-5 * largest]


def _relative(found: torch.Tensor, expected: torch.Tensor) -> float:
    return float((found - expected).abs().max() / expected.abs().max().clamp_min(1e-12))
