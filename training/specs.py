"""The frozen records that travel between nodes and into a run, checked at birth.

Each room defines its own (`data.dataset.Dataset`, `objective.spec.ObjectiveSpec`, `optim.spec.OptimizerSpec`,
`network.spec.NetworkSpec`); here stand the ones that belong to the run as a whole.
A spec never changes: ComfyUI caches node outputs between prompts, so use `dataclasses.replace`.
"""

from __future__ import annotations

from dataclasses import dataclass, fields, is_dataclass
from typing import Any

import torch

from .errors import SettingsError, raise_problems

DTYPES = {"fp32": torch.float32, "fp16": torch.float16, "bf16": torch.bfloat16}
PRECISIONS = ("fp32", "bf16", "fp16")


@dataclass(frozen=True, kw_only=True, slots=True)
class RunSpec:
    """What the Train LoRA node itself sets.

    `steps` are optimizer updates; `epochs` > 0 replaces them by whole passes over the repeated pictures.
    One update sees batch_size x gradient_accumulation pictures. `precision` is the compute dtype
    (None: what the model is loaded in); adapters stay fp32. `resume` is '' (a new run), 'latest', or a run's folder.
    """

    run_name: str = "lora"
    steps: int = 1000
    epochs: int = 0
    batch_size: int = 1
    gradient_accumulation: int = 1
    seed: int = 0
    precision: str | None = None
    gradient_checkpointing: bool = True
    save_every_n_steps: int = 0
    save_every_n_epochs: int = 0
    save_every_n_minutes: float = 0.0
    keep_last: int = 0
    resume: str = ""
    skip_bad_pictures: bool = False
    validate_every_n_steps: int = 0
    cache_to_disk: bool = False
    tensorboard: bool = False

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
        if not self.run_name.strip():
            problems.append("run_name is empty. Give the run a name on the Train LoRA node; it names the folder and files.")
        raise_problems(SettingsError, "Train LoRA", problems)


@dataclass(frozen=True, kw_only=True, slots=True)
class PreviewSpec:
    """Which pictures to sample during training, with the user's own sampler settings.

    `every_n_steps` or `every_n_epochs` of 0 switch that trigger off; `width` and `height` are pixels;
    picture i of a step uses seed + i, the same at every step, so that steps can be compared.
    """

    prompts: tuple[str, ...]
    negative: str = ""
    every_n_steps: int = 250
    every_n_epochs: int = 0
    at_start: bool = True
    at_end: bool = True
    sampler_name: str = "euler"
    scheduler: str = "normal"
    sampling_steps: int = 20
    cfg: float = 7.0
    width: int = 512
    height: int = 512
    seed: int = 42
    lora_strength: float = 1.0

    def __post_init__(self) -> None:
        problems = []
        if not self.prompts:
            problems.append("there is no prompt. Write one a line; use the trigger word of your captions.")
        for name, least in (("sampling_steps", 1), ("every_n_steps", 0), ("every_n_epochs", 0), ("seed", 0)):
            if getattr(self, name) < least:
                problems.append(f"{name} is {getattr(self, name)} but must be at least {least}.")
        for name in ("width", "height"):
            if getattr(self, name) < 64 or getattr(self, name) % 8:
                problems.append(f"{name} is {getattr(self, name)} but must be a multiple of 8, at least 64.")
        raise_problems(SettingsError, "Sample Preview", problems)


def describe(choice: Any) -> Any:
    """A spec or choice as JSON-ready values; each typed choice carries its name under 'type'. Fields that are left out of
    its repr (a file's tensors) are left out here too."""
    if isinstance(choice, tuple):
        return [describe(entry) for entry in choice]
    if not is_dataclass(choice):
        return choice
    return {"type": type(choice).__name__, **{f.name: describe(getattr(choice, f.name)) for f in fields(choice) if f.repr}}
