"""The base as its own teacher at the few noise levels of a sampler: which passes a step makes, and what it refuses."""

from dataclasses import replace

import pytest
import torch

from pack.training.errors import SettingsError
from pack.training.network.assistant import build_assistant, require_additive
from pack.training.network.attach import attached
from pack.training.network.start_from import ModuleStart
from pack.training.objective.preservation import FewSteps
from pack.training.objective.sampled import SampledSigmas
from pack.training.objective.spec import ObjectiveSpec
from pack.training.specs import Assistant, RunSpec

from .fakes import Bench

SIGMAS = (14.0, 3.0, 0.5, 0.0)


def bench(folder, *, weight: float = 1.0, preservation: bool = True, **run) -> Bench:
    made = Bench(folder, RunSpec(run_name="run", steps=3, seed=1, **run))
    held = FewSteps(weight=weight) if preservation else None
    made.objective = ObjectiveSpec(timesteps=SampledSigmas(sigmas=SIGMAS), preservation=held)
    return made


def test_each_step_looks_at_the_picture_and_at_what_the_base_does_unprompted(tmp_path):
    made = bench(tmp_path / "run")
    passes, denoise = [], made.denoiser.denoise

    def noted(x_t, sigma, conditions):
        passes.append((float(sigma[0]), conditions[0].text.tensors["cond"].clone(), torch.is_grad_enabled()))
        return denoise(x_t, sigma, conditions)

    made.denoiser.denoise = noted
    made.run()
    blank = made.text_encoder.encode("").tensors["cond"]
    assert len(passes) == 3 * 3
    for (_, own, _), (level, text, grad), (same, again, off) in zip(passes[::3], passes[1::3], passes[2::3], strict=True):
        assert min(abs(level / begin - 1) for begin in SIGMAS[:3]) < 0.02 and level == same
        assert torch.equal(text, blank) and torch.equal(again, blank) and not torch.equal(own, blank)
        assert grad and not off


def test_it_holds(tmp_path):
    """A strong teacher keeps the unprompted answers nearer to the base's than none does."""
    def strayed(name: str, **given) -> float:
        made = bench(tmp_path / name, **given)
        made.run_spec = RunSpec(run_name="run", steps=60, seed=1)
        built = made.run().built
        stepper, draws = built.trainer.stepper, built.trainer.plan.group(0)[0]
        with torch.no_grad(), attached(built.network, list(made.order().parts), checkpointing=False):
            fed = stepper.feed.batch(draws)
            x0, conditions = fed.latents, stepper.feed.with_text(draws, fed.conditions, [""] * len(draws))
            sigma = torch.full((len(draws),), 3.0)
            tuned = made.denoiser.denoise(x0, sigma, conditions)
            with built.network.disabled():
                return float((tuned - made.denoiser.denoise(x0, sigma, conditions)).square().mean())

    assert strayed("held", weight=20.0) < 0.5 * strayed("free", preservation=False)


def test_not_together_with_an_assistant(tmp_path):
    tensors = {"lora_down.weight": torch.ones(1, 4), "lora_up.weight": torch.ones(16, 1), "alpha": torch.tensor(1.0)}
    made = bench(tmp_path / "run", assistant=Assistant(name="a", digest="b", tensors=tensors))
    order = made.order
    made.order = lambda: _with(order(), {("diffusion_model", "blocks.0"): ModuleStart("lora", tensors)})
    with pytest.raises(SettingsError, match="'few_steps' holds on to the few steps that the assistant takes away"):
        made.run()


def test_an_assistant_under_a_kind_that_reads_the_weight_is_refused(tmp_path):
    spec = Assistant(name="a", digest="b")
    with pytest.raises(SettingsError, match="algorithm 'dora' changes a weight by what it is"):
        require_additive(spec, {}, "dora")
    with pytest.raises(SettingsError, match="holds oft, which multiplies the weight"):
        require_additive(spec, {("diffusion_model", "blocks.0"): ModuleStart("oft", {})}, "lora")
    with pytest.raises(SettingsError, match="assistant_strength is 0"):
        Assistant(name="a", digest="b", strength=0.0)
    assert len(build_assistant(Assistant(name="a", digest="b", tensors={"x": torch.ones(1)}), {}, [])) == 0


def _with(order, starts):
    return replace(order, assistant=starts)
