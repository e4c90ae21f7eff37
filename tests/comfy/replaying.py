"""A tiny model's micro-steps with other pictures, noise levels and captions each time, gone through and replayed."""

from dataclasses import dataclass, field

import torch

from pack.tests.comfy.parts import network_for
from pack.training.graph.replays import Replays
from pack.training.network.attach import attached
from pack.training.objective.objective import Objective
from pack.training.objective.spec import ObjectiveSpec
from pack.training.run.stepper import Given, Stepper


@dataclass
class Steps:
    """`made` gives the gradients of each of `count` micro-steps; `said` is what Replays told of them."""

    session: object
    latent: tuple[int, ...]
    conditions: object
    spec: object = None
    checkpointing: bool = False
    count: int = 4
    said: list[str] = field(default_factory=list)

    def made(self, *, replayed: bool) -> list[list[torch.Tensor]]:
        denoiser, parts = self.session.denoiser, self.session.parts()
        objective, network = Objective(ObjectiveSpec(), denoiser), network_for(parts, self.spec)
        stepper = Stepper(denoiser=denoiser, objective=objective, network=network, feed=None)
        parameters = [parameter for _, parameter in network.named_parameters()]

        def work(given, upstream):
            losses = stepper.computed(given)
            gradients = torch.autograd.grad(losses.trained, parameters, upstream, allow_unused=True)
            network.copies.forget()
            return torch.stack([losses.trained.detach(), losses.plain, losses.position]), gradients

        replays = Replays(work, network.draws, lambda: parameters, denoiser.device, say=lambda text, _: self.said.append(text))
        found = []
        with self.session.training(), attached(network, parts, checkpointing=self.checkpointing):
            for number in range(self.count):
                network.begin(number)
                given, upstream = self._given(denoiser, objective, number), torch.full((2,), 0.5)
                if replayed:
                    rows = replays.made(given, upstream, "tiny latents")
                    gradients = [parameter.grad for parameter in parameters]
                else:
                    rows, gradients = work(given, upstream)
                found.append([rows, *(one for one in gradients if one is not None)])
                for parameter in parameters:
                    parameter.grad = None
            replays.forget()
        return found

    def _given(self, denoiser, objective, number: int) -> Given:
        latents = torch.randn(2, *self.latent, generator=torch.Generator().manual_seed(number))
        noising = objective.noise(latents, [2 * number, 2 * number + 1])
        conditions = [self.conditions(2 * number), self.conditions(2 * number + 1)]
        return Given(latents=latents, noising=noising, asked=denoiser.prepared(noising.x_t, noising.sigma, conditions), masks=None,
                     weights=torch.ones(2))


def are_same(some: list[list[torch.Tensor]], others: list[list[torch.Tensor]]) -> bool:
    return len(some) == len(others) and all(
        len(one) == len(other) and all(map(torch.equal, one, other)) for one, other in zip(some, others, strict=True))
