"""Small events for the tests of what listens to them."""

import pytest

from pack.training.events import RunStarted, StepDone


@pytest.fixture
def started():
    def make(folder, start_step=0, total_steps=100, **settings) -> RunStarted:
        return RunStarted(run_name=folder.name, folder=folder, start_step=start_step, total_steps=total_steps,
                          steps_per_epoch=10.0, settings=settings)

    return make


@pytest.fixture
def step():
    def make(number, loss=0.5, **changes) -> StepDone:
        fields = dict(step=number, total_steps=100, epoch=number / 10, loss=loss, grad_norm=1.0, items=2, seconds=0.25,
                      learning_rates={"diffusion_model": 1e-4})
        return StepDone(**{**fields, **changes})

    return make
