"""The frozen records that travel between nodes and into a run, checked at birth.

Each room defines its own (`data.dataset.Dataset`, `objective.spec.ObjectiveSpec`, `optim.spec.OptimizerSpec`,
`network.spec.NetworkSpec`); here stand the ones that belong to the run as a whole.
A spec never changes: ComfyUI caches node outputs between prompts, so use `dataclasses.replace`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from typing import Any

import torch

from .errors import SettingsError, raise_problems
from .inputs import SHORT, text_problems
from .settings import free, stands_for

DTYPES = {"fp32": torch.float32, "fp16": torch.float16, "bf16": torch.bfloat16}
PRECISIONS = ("fp32", "bf16", "fp16")
AUTO, LEAST, BY_HAND = MEMORY = ("auto", "least", "by hand")
"""The fastest way that fits into what is free, the one that takes least, what `gradient_checkpointing` says."""
OFF, GRAPH = COMPILE = ("off", "graph")
WANDB = (OFF, "online", "offline")
"""Each step is gone through by Python; or recorded once, and replayed."""
NEW = "new"
"""Of `resume`: always a new run. AUTO goes on with a run that waits, where nothing has changed."""
CONTINUE, HOLD, RESTART = RESUME_SCHEDULES = ("continue", "hold", "restart")


@dataclass(frozen=True, kw_only=True, slots=True)
class Assistant:
    """A LoRA that lies frozen under the trained one while training: the training adapter of a distilled model. `tensors` are the
    file's, by key; `digest` stands for their content. Below 0 it is taken out of the model: a turbo LoRA that is merged into it."""

    name: str
    digest: str = field(metadata=stands_for("the assistant's file"))
    strength: float = 1.0
    tensors: Mapping[str, torch.Tensor] = field(default_factory=dict, repr=False, compare=False)

    def __post_init__(self) -> None:
        if not self.strength:
            raise SettingsError("Train LoRA", ["assistant_strength is 0, which is no assistant. Set it to 1, or assistant_name to none."])


@dataclass(frozen=True, slots=True)
class Update:
    """What an update sees: so many batches, of one bucket each, of so many pictures at most. The run's draws follow from it, however
    many are computed at once, and in however many processes."""

    batch_size: int
    accumulation: int

    @property
    def pictures(self) -> int:
        return self.batch_size * self.accumulation


@dataclass(frozen=True, kw_only=True, slots=True)
class RunSpec:
    """What the Train LoRA node itself sets.

    `steps` are optimizer updates; `epochs` > 0 replaces them by whole passes over the repeated pictures.
    One update sees batch_size x gradient_accumulation pictures, in each process: their number is the run's, their shape is free.
    `precision` is the compute dtype
    (None: what the model is loaded in); adapters stay fp32. `resume` is AUTO (or ''), NEW, 'latest', or a run's folder.
    `assistant` lies under the LoRA while training. `quantized_backward` multiplies gradients in fp8 where the base is quantised.
    `memory`, one of MEMORY, is how the run lives with the memory that there is: `gradient_checkpointing` is read with BY_HAND alone.
    `deterministic` has a card compute the same bits every time. `resume_schedule`, one of RESUME_SCHEDULES, is what the learning
    rate does from where a run is resumed with another length or schedule. `compile`, one of COMPILE, is how a step is launched.
    `wandb`, one of WANDB, writes the run for Weights & Biases. `training_comment` goes into the file's metadata.
    """

    run_name: str = free("lora", quiet=True)
    steps: int = free(1000)
    epochs: int = free(0)
    batch_size: int = free(1)
    gradient_accumulation: int = free(1)
    seed: int = 0
    precision: str | None = None
    gradient_checkpointing: bool = free(True)
    save_every_n_steps: int = free(0)
    save_every_n_epochs: int = free(0)
    save_every_n_minutes: float = free(0.0)
    keep_last: int = free(0)
    resume: str = free(AUTO, quiet=True)
    skip_bad_pictures: bool = free(False)
    validate_every_n_steps: int = free(0)
    cache_to_disk: bool = free(False)
    tensorboard: bool = free(False)
    assistant: Assistant | None = None
    quantized_backward: bool = False
    resume_schedule: str = free(CONTINUE, quiet=True)
    memory: str = free(BY_HAND, quiet=True)
    deterministic: bool = free(False)
    compile: str = free(OFF, quiet=True)
    wandb: str = free(OFF, quiet=True)
    training_comment: str = free("", quiet=True)

    def __post_init__(self) -> None:
        at_least = (("batch_size", 1), ("gradient_accumulation", 1), ("steps", 1), ("epochs", 0), ("seed", 0),
                    ("save_every_n_steps", 0), ("save_every_n_epochs", 0), ("keep_last", 0), ("validate_every_n_steps", 0))
        problems = [
            f"{name} is {getattr(self, name)} but must be at least {least}. Set '{name}' on the Train LoRA node."
            for name, least in at_least
            if getattr(self, name) < least
        ]
        if self.save_every_n_minutes < 0:
            problems.append(f"save_every_n_minutes is {self.save_every_n_minutes} but must be at least 0 (0: off).")
        if self.precision is not None and self.precision not in PRECISIONS:
            problems.append(f"precision is '{self.precision}' but must be one of {', '.join(PRECISIONS)}, or auto.")
        problems += text_problems("run_name", self.run_name, SHORT)
        if self.resume_schedule not in RESUME_SCHEDULES:
            problems.append(f"resume_schedule is '{self.resume_schedule}' but must be one of {', '.join(RESUME_SCHEDULES)}.")
        if self.memory not in MEMORY:
            problems.append(f"memory is '{self.memory}' but must be one of {', '.join(MEMORY)}.")
        if self.compile not in COMPILE:
            problems.append(f"compile is '{self.compile}' but must be one of {', '.join(COMPILE)}.")
        if self.wandb not in WANDB:
            problems.append(f"wandb is '{self.wandb}' but must be one of {', '.join(WANDB)}.")
        problems += text_problems("training_comment", self.training_comment)
        if not self.run_name.strip():
            problems.append("run_name is empty. Give the run a name on the Train LoRA node; it names the folder and files.")
        raise_problems(SettingsError, "Train LoRA", problems)

    def update(self, processes: int = 1) -> Update:
        """Of so many processes together."""
        return Update(self.batch_size * processes, self.gradient_accumulation)

    @property
    def resumes(self) -> str:
        """AUTO, NEW, or the run that `resume` names."""
        return resumes(self.resume)


def resumes(text: str) -> str:
    """What the text of `resume` means: AUTO, NEW, or the run that it names."""
    text = text.strip()
    return text.lower() if text.lower() in (AUTO, NEW) else text or AUTO


@dataclass(frozen=True, kw_only=True, slots=True)
class OwnSettings:
    """What one prompt has of its own; None: as the others."""

    negative: str | None = None
    width: int | None = None
    height: int | None = None
    seed: int | None = None
    cfg: float | None = None
    sampling_steps: int | None = None

    def given(self) -> dict[str, Any]:
        return {each.name: value for each in fields(self) if (value := getattr(self, each.name)) is not None}

    def problems(self) -> list[str]:
        if self.cfg is not None and not 0 <= self.cfg <= 100:
            return [f"cfg is {self.cfg:g} but must be from 0 to 100.", *replace(self, cfg=None).problems()]
        return SamplingSpec(prompts=("a",), **self.given()).problems()


@dataclass(frozen=True, kw_only=True, slots=True)
class SamplingSpec:
    """Which pictures to sample, with the user's own sampler settings. `width` and `height` are pixels; picture i uses
    seed + i. `own`, empty or one for each prompt, is what prompts have of their own. `references`, each (1, h, w, 3) in 0..1, are
    what an edit model starts every picture from. Whoever holds it raises its `problems` under the name of the node that they were
    set on."""

    prompts: tuple[str, ...]
    negative: str = ""
    sampler_name: str = "euler"
    scheduler: str = "normal"
    sampling_steps: int = 20
    cfg: float = 7.0
    width: int = 512
    height: int = 512
    seed: int = 42
    references: tuple[torch.Tensor, ...] = field(default=(), repr=False, compare=False)
    own: tuple[OwnSettings, ...] = ()

    def one(self, number: int) -> SamplingSpec:
        """How the prompt with this number, from 0, is sampled."""
        given = self.own[number].given() if self.own else {}
        return replace(self, **{"seed": self.seed + number, **given})

    def each(self) -> list[SamplingSpec]:
        return [self.one(number) for number in range(len(self.prompts))]

    def largest(self) -> SamplingSpec:
        """How the largest of its pictures is sampled."""
        return max(self.each(), key=lambda one: one.width * one.height, default=self)

    def problems(self) -> list[str]:
        found = [] if self.prompts else ["there is no prompt. Write one a line; use the trigger word of your captions."]
        for number, prompt in enumerate(self.prompts, start=1):
            found += text_problems(f"prompt {number}", prompt)
        found += text_problems("negative", self.negative)
        for name, least in (("sampling_steps", 1), ("seed", 0)):
            if getattr(self, name) < least:
                found.append(f"{name} is {getattr(self, name)} but must be at least {least}.")
        for name in ("width", "height"):
            if getattr(self, name) < 64 or getattr(self, name) % 8:
                found.append(f"{name} is {getattr(self, name)} but must be a multiple of 8, at least 64.")
        return found


@dataclass(frozen=True, kw_only=True, slots=True)
class PreviewSpec:
    """When to sample during training. `every_n_steps` or `every_n_epochs` of 0 switch that trigger off; the pictures of
    `sampling` are the same at every step, so that steps can be compared."""

    sampling: SamplingSpec
    every_n_steps: int = 250
    every_n_epochs: int = 0
    at_start: bool = True
    at_end: bool = True
    lora_strength: float = 1.0

    def __post_init__(self) -> None:
        problems = self.sampling.problems()
        for name in ("every_n_steps", "every_n_epochs"):
            if getattr(self, name) < 0:
                problems.append(f"{name} is {getattr(self, name)} but must be at least 0 (0: off).")
        raise_problems(SettingsError, "Sample Preview", problems)

    def steps_between(self, steps_per_epoch: float) -> int:
        """Steps from one sampling to the next, rounded; 0 where there is none but that of the start and the end."""
        ways = [self.every_n_steps, round(self.every_n_epochs * steps_per_epoch)]
        return min((steps for steps in ways if steps), default=0)
