"""A step on a bare model, for what it costs: that of the run itself, with pictures and captions that are nothing but shapes."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch

from ...training.data.dataset import Dataset, Sample
from ...training.data.encoded import EncodedPicture
from ...training.data.items import make_items
from ...training.memory.cost.plan import StepCost
from ...training.network.spec import NetworkSpec
from ...training.objective.spec import ObjectiveSpec
from ...training.optim.spec import OptimizerSpec
from ...training.order import Order
from ...training.recipe import Recipe
from ...training.run.build import stepping
from ...training.run.rehearsal.step import rehearsed
from ...training.specs import RunSpec
from ..session import Session
from .captions import caption_of


@dataclass(frozen=True, kw_only=True)
class Work:
    """What is trained: pictures of `side` x `side` pixels, or clips of `frames` latent frames."""

    side: int
    frames: int = 1
    network: NetworkSpec = field(default_factory=NetworkSpec)
    optimizer: OptimizerSpec = field(default_factory=OptimizerSpec)
    objective: ObjectiveSpec = field(default_factory=ObjectiveSpec)
    run: RunSpec = field(default_factory=RunSpec)


def step_cost(bare: Any, work: Work) -> StepCost | None:
    """What a step of `work` on a bare model takes, without what its encoders take at their own time. None where nobody knows
    what a caption is to the model. Raises whatever it raises where it cannot run on fakes."""
    session = Session(bare, precision=work.run.precision)
    caption = caption_of(session.denoiser.family, bare.model.model_config.unet_config)
    if caption is None:
        return None
    picture = EncodedPicture(_latent(bare.model.latent_format, work))
    recipe = Recipe(
        dataset=Dataset(samples=(Sample(name="one", picture=picture, caption="one", condition=caption),)),
        network=work.network, optimizer=work.optimizer, objective=work.objective, run=work.run,
    )
    nobody: Any = None  # is asked: pictures and captions are encoded already, and no step is taken
    order = Order(
        recipe=recipe, folder=Path(), cache_folder=None, denoiser=session.denoiser, parts=session.parts(), image_encoder=nobody,
        text_encoder=nobody, sampler=nobody, training=session.training, returned=session.returned, reserve=session.reserve,
        rehearsal=session.rehearsal, copies=session.bytes_of_copies(), model_identity="bare",
    )
    return rehearsed(order, make_items(recipe.dataset), stepping(order))


def _latent(latent_format: Any, work: Work) -> torch.Tensor:
    """(C, H, W), with a time axis (C, T, H, W)."""
    cells = work.side // getattr(latent_format, "spacial_downscale_ratio", 8)
    time = (work.frames,) if latent_format.latent_dimensions == 3 else ()
    return torch.zeros(latent_format.latent_channels, *time, cells, cells)
