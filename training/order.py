"""An order: everything that a run is made of, checked and borrowed, before any of it is built."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from .families import FAMILIES, Family
from .memory.choice import MemoryChoice, by_hand
from .memory.cost.plan import StepCost
from .network.network import Network
from .network.start_from import Starts
from .parts import Trainable
from .processes.processes import ALONE, Processes
from .protocols import Denoiser, ImageEncoder, ReferenceEncoder, Sampler, TextEncoder
from .recipe import Recipe
from .specs import Update


@dataclass(frozen=True, kw_only=True)
class Trial:
    """A model that nobody has seen train, by the name of its class; lent in fp32, and its parts as they compute then."""

    model: str
    training: Callable[[], AbstractContextManager[None]]
    parts: Sequence[Trainable]


@dataclass(frozen=True, kw_only=True)
class Order:
    """`recipe` is what the user set; the rest is what the host lends. `parts` are what gets adapters: the diffusion model,
    then text encoders to train.

    `training` lends the models to autograd, `returned` gives them back inside it, `reserve` asks for bytes beside them. `rehearsal` lends
    fakes of them, and of the encoders, before any is loaded; None: the host has none. `encoders` are the bytes of 'VAE' and 'text
    encoders', `copies` those that copies of weights take where not all of the model stays on its device. `cost` is what a step was found to
    take already. `make_room`, outside of all these, has the host put away all that it holds on the device; `free` says what the run may
    take there then, its models included. `restored` says, and mends, that somebody has taken the models away meanwhile: what was computed
    since is not to be trusted. `unrecordable` says why the model, as it is lent now, cannot be replayed from a recording, after
    'this run'.
    `read_back(file, network, watch)` loads the final file as the host would and says how it went; it calls `watch(modules done, of all)` on
    the way, passes on what that raises, and raises FileError when the file would not load.
    `overflow_folder` takes what is encoded and has no room in main memory, until the run ends. `model_identity` names the base model in
    the state, to notice another one. `starts` is what the file of `recipe.network.start_from` holds, module by module, `assistant` what
    that of `recipe.run.assistant` does. `model_facts` are for the LoRA file's metadata, where the host knows them: hash, vae_name,
    clip_skip, architecture. `trial` is asked for on a
    kind of model that was never proven. `reference_encoder` is there where the dataset has references. `extra_settings` are for the
    run's settings, 'precision' among them: the dtype that is computed in. `made_with` is program -> version. `memory` is the choice
    that the run keeps to; None: what its `gradient_checkpointing` means. `processes` train it together, and the main one alone writes.
    `begun` is what an update of the run was made of when it began, where it goes on.
    """

    recipe: Recipe
    folder: Path
    cache_folder: Path | None
    denoiser: Denoiser
    parts: Sequence[Trainable]
    image_encoder: ImageEncoder
    text_encoder: TextEncoder
    sampler: Sampler
    training: Callable[[], AbstractContextManager[None]]
    returned: Callable[[], AbstractContextManager[None]]
    reserve: Callable[[int], None]
    model_identity: str
    overflow_folder: Path | None = None
    restored: Callable[[], bool] = lambda: False
    unrecordable: Callable[[], str | None] = lambda: None
    free: Callable[[], int] | None = None
    make_room: Callable[[], None] = lambda: None
    rehearsal: Callable[[], AbstractContextManager[None]] | None = None
    cost: StepCost | None = None
    encoders: Mapping[str, int] = field(default_factory=dict)
    copies: int = 0
    model_name: str = ""
    starts: Starts | None = None
    trial: Trial | None = None
    assistant: Starts | None = None
    model_facts: Mapping[str, Any] = field(default_factory=dict)
    scale_gradients: bool = False
    read_back: Callable[[Path, Network, Callable[[int, int], None]], str] = lambda path, network, watch: ""
    reference_encoder: ReferenceEncoder | None = None
    extra_settings: Mapping[str, Any] = field(default_factory=dict)
    made_with: Mapping[str, str] = field(default_factory=dict)
    memory: MemoryChoice | None = None
    processes: Processes = ALONE
    begun: Update | None = None

    @property
    def family(self) -> Family:
        return FAMILIES[self.denoiser.family]

    @property
    def asked(self) -> Update:
        """What the recipe says that all processes together see in an update: as much as in `update`, maybe in other pieces."""
        return self.recipe.run.update(self.processes.size)

    @property
    def update(self) -> Update:
        """What the run's draws follow from."""
        return self.begun or self.asked

    @property
    def most_pieces(self) -> int:
        """The most micro-batches that an update is computed in (`BatchPlan.cut`)."""
        return self.update.accumulation * math.ceil(self.update.batch_size / self.asked.batch_size)

    @property
    def choice(self) -> MemoryChoice:
        """What the run keeps to, or means by its `gradient_checkpointing`."""
        return self.memory or by_hand(self.recipe.run.gradient_checkpointing)

    @property
    def trains_text_encoders(self) -> bool:
        return len(self.parts) > 1
