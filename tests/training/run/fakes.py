"""A model of two layers and everything else that a run needs, without ComfyUI."""

from collections.abc import Callable, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import torch
from torch import nn

from pack.training.data.dataset import Dataset, Sample
from pack.training.data.from_graph.graph_images import TensorPicture
from pack.training.data.specs import BucketSpec, CaptionSpec
from pack.training.devices.upload import uploaded
from pack.training.events import Emitter, Event, Message
from pack.training.memory.choice import MemoryChoice
from pack.training.memory.cost.ledger import Stretch
from pack.training.memory.cost.plan import StepCost
from pack.training.memory.cost.trace import Pass, Trace
from pack.training.network.attach import attached
from pack.training.network.spec import NetworkSpec, TargetSpec
from pack.training.objective.spec import ObjectiveSpec
from pack.training.optim.schedules import Constant, Schedule
from pack.training.optim.spec import OptimizerSpec
from pack.training.order import Order
from pack.training.parts import Trainable
from pack.training.processes.processes import ALONE, Processes
from pack.training.protocols import TextCondition
from pack.training.recipe import Recipe
from pack.training.run.build import Built
from pack.training.run.carry_out import Result, carry_out
from pack.training.run.control import Control
from pack.training.specs import PreviewSpec, RunSpec

BUCKETS = BucketSpec(resolution=64, min_bucket=64, max_bucket=128, bucket_step=64)


class TinyModel(nn.Module):
    """(B, 4, H, W) -> the same shape; the text shifts it, the noise level scales it."""

    def __init__(self):
        super().__init__()
        generator = torch.Generator().manual_seed(0)
        self.blocks = nn.ModuleList([nn.Linear(4, 16), nn.Linear(16, 4)])
        self.text = nn.Linear(3, 4)
        for parameter in self.parameters():
            parameter.data.normal_(0, 0.3, generator=generator)
        self.requires_grad_(False)

    def forward(self, x, sigma, text):
        hidden = torch.tanh(self.blocks[0](x.movedim(1, -1)))
        hidden = self.blocks[1](hidden) + self.text(text)[:, None, None]
        return (hidden / (1 + sigma[:, None, None, None])).movedim(-1, 1)


class TinyDenoiser:
    parametrisation = "epsilon"
    family = "other"
    device = torch.device("cpu")
    patch = 2
    own_shift = None

    def __init__(self, model: TinyModel):
        self.model = model
        self.spoil: Callable[[torch.Tensor], torch.Tensor] = lambda denoised: denoised

    def to_model_space(self, latents):
        return latents * 0.5

    def sigmas(self):
        return torch.linspace(0.03, 14.0, 1000)

    def from_sampler(self, sigmas):
        return sigmas

    def add_noise(self, x0, noise, sigma):
        return x0 + noise * sigma[:, None, None, None]

    def denoise(self, x_t, sigma, conditions):
        text = uploaded(torch.cat([condition.text.tensors["cond"] for condition in conditions]), x_t.device)
        scaled = x_t / (1 + sigma[:, None, None, None] ** 2).sqrt()
        return self.spoil(x_t - sigma[:, None, None, None] * self.model(scaled, sigma, text))

    def prepared(self, x_t, sigma, conditions):
        return x_t, sigma, conditions

    def estimate(self, asked):
        return self.denoise(*asked)


#: 11,000 bytes where everything is kept, and 4,500 where its one block is computed twice; 120 numbers and AdamW's state of them.
COST = StepCost(
    trace=Trace([Stretch("forward 0", 0, 4500), Stretch("after 0", 4500, 4500), Stretch("backward", 11_000, 11_000)],
                [Pass("diffusion_model/block", 0, saved=6500)], 0),
    weights=0, adapters=480, gradients=480, state=960, update=480,
)


class TinyImageEncoder:
    identity, downscale = "tiny vae", 8

    def __init__(self):
        self.encoded = 0

    def encode(self, pixels):
        self.encoded += len(pixels)
        small = torch.nn.functional.avg_pool2d(pixels.movedim(-1, 1), 8)
        return torch.cat([small, small.mean(1, keepdim=True)], 1) * 2 - 1


class TinyTextEncoder(nn.Module):
    identity = "tiny clip"

    def __init__(self):
        super().__init__()
        self.layers = nn.ModuleList([nn.Linear(3, 3)])
        self.layers[0].weight.data.copy_(torch.eye(3))
        self.layers[0].bias.data.zero_()
        self.requires_grad_(False)

    def encode(self, text):
        with torch.no_grad():
            return self.encode_trainable(text)

    def frozen(self, trained):
        return None

    def encode_trainable(self, text, frozen=None):
        letters = torch.tensor([[len(text), text.count("a"), text.count("t")]], dtype=torch.float32) / 10
        return TextCondition(tensors={"cond": self.layers[0](letters)})

    def count_tokens(self, text):
        return len(text.split())


@dataclass(frozen=True)
class PlainWeights:
    device: torch.device = torch.device("cpu")
    dtype: torch.dtype = torch.float32

    def weight(self, module, dtype):
        return module.weight.to(dtype)

    def bias(self, module, dtype):
        return module.bias.to(dtype)

    def can_recast(self, module):
        return False


class PlainSampler:
    def __init__(self, model):
        self.model = model
        self.asked: list[tuple[str, int]] = []

    def sample(self, spec, prompt, seed, references=()):
        self.asked.append((prompt, seed))
        device = next(self.model.parameters()).device
        noise = torch.randn(1, 4, 8, 8, generator=torch.Generator().manual_seed(seed))
        made = self.model(*(given.to(device) for given in (noise, torch.ones(1), torch.zeros(1, 3))))
        return made[:, :3].movedim(1, -1).sigmoid().detach().cpu()


@contextmanager
def nothing():
    yield


def pictures(count: int = 4, size: tuple[int, int] = (64, 64)) -> tuple[Sample, ...]:
    """Coloured noise, all of one size."""
    generator = torch.Generator().manual_seed(9)
    return tuple(
        Sample(name=f"picture {i}.png", picture=TensorPicture(torch.rand(size[1], size[0], 3, generator=generator), f"picture {i}"),
               caption=f"a cat number {i}")
        for i in range(count)
    )


@dataclass
class Recorder:
    """A listener that keeps every event."""

    name: str = "recorder"
    critical: bool = False
    events: list[Event] = field(default_factory=list)

    def __call__(self, event: Event) -> None:
        self.events.append(event)

    def of(self, kind: type) -> list[Event]:
        return [event for event in self.events if isinstance(event, kind)]


@dataclass
class Bench:
    """One run's ground; `run()` trains, and may be called again for another run in the same folder."""

    folder: Path
    run_spec: RunSpec
    samples: tuple[Sample, ...] = field(default_factory=pictures)
    optimizer: OptimizerSpec = field(default_factory=lambda: OptimizerSpec(learning_rate=1e-2, schedule=Schedule(Constant())))
    network: NetworkSpec = field(default_factory=lambda: NetworkSpec(rank=2, alpha=2.0, targets=TargetSpec(preset="all linear")))
    objective: ObjectiveSpec = field(default_factory=ObjectiveSpec)
    preview: PreviewSpec | None = None
    captions: CaptionSpec = field(default_factory=CaptionSpec)
    buckets: BucketSpec = BUCKETS
    control: Control = field(default_factory=Control)
    on_event: Callable[[Event], None] = lambda event: None
    train_text: bool = False
    cache_folder: Path | None = None
    overflow_folder: Path | None = None
    precision: str = "float32"
    made_with: Mapping[str, str] = field(default_factory=dict)
    vae: str = "tiny vae"
    clip: str = "tiny clip"
    may_fall_apart: bool = False
    memory: MemoryChoice | None = None
    cost: StepCost = COST
    scale_gradients: bool = False
    free: int | None = None
    processes: Processes = ALONE
    reserved: list[int] = field(default_factory=list)
    read_back: Callable[..., str] = lambda path, network, watch: ""

    def __post_init__(self):
        self.model, self.text_encoder = TinyModel(), TinyTextEncoder()
        self.denoiser, self.sampler = TinyDenoiser(self.model), PlainSampler(self.model)
        self.image_encoder, self.recorder = TinyImageEncoder(), Recorder()

    def run(self, state: Path | None = None) -> Result:
        class OnEvent:
            critical = True
            __call__ = staticmethod(self.on_event)

        heard = Recorder()
        result = carry_out(self.order(), self.control, Emitter([self.recorder, OnEvent(), heard]), state)
        alarms = [event.text for event in heard.of(Message) if event.topic == "divergence"]
        assert self.may_fall_apart or not alarms, f"a good run was told to fall apart: {alarms}"
        return result

    def order(self) -> Order:
        parts = [_part("diffusion_model", self.model)] + ([_part("clip_l", self.text_encoder)] if self.train_text else [])
        self.image_encoder.identity, self.text_encoder.identity = self.vae, self.clip
        self.folder.mkdir(parents=True, exist_ok=True)
        recipe = Recipe(
            dataset=Dataset(samples=self.samples).with_captions(self.captions).with_buckets(self.buckets),
            network=self.network, optimizer=self.optimizer, objective=self.objective, preview=self.preview, run=self.run_spec,
        )
        return Order(
            recipe=recipe, folder=self.folder, cache_folder=self.cache_folder,
            overflow_folder=self.overflow_folder, denoiser=self.denoiser, parts=parts,
            image_encoder=self.image_encoder, text_encoder=self.text_encoder, sampler=self.sampler,
            training=nothing, returned=nothing, reserve=self.reserved.append, model_identity="tiny model",
            extra_settings={"precision": self.precision}, made_with=self.made_with,
            memory=self.memory, cost=self.cost, free=None if self.free is None else lambda: self.free, scale_gradients=self.scale_gradients,
            read_back=self.read_back,
            processes=self.processes,
        )

    def losses_with_and_without(self, built: Built) -> tuple[float, float]:
        """The mean loss of the draws of the first eight updates, with the adapters and without."""
        draws = [draw for step in range(8) for batch in built.trainer.plan.group(step) for draw in batch]
        with torch.no_grad(), attached(built.network, list(self.order().parts), checkpointing=False):
            after = float(built.trainer.stepper.losses(draws).mean())
            with built.network.disabled():
                return after, float(built.trainer.stepper.losses(draws).mean())

    def file(self) -> bytes:
        return (self.folder / f"{self.folder.name}.safetensors").read_bytes()


def _part(name: str, module: nn.Module) -> Trainable:
    keys = {path: f"{name}.{path}" for path, child in module.named_modules() if isinstance(child, nn.Linear)}
    return Trainable(name=name, module=module, file_keys=keys, weights=PlainWeights(next(module.parameters()).device))
