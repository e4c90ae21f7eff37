"""Objective as the loop uses it: the native loss, randomness per item, batch = mean of items."""

import math

import pytest
import torch

from pack.training.errors import ModelError, SettingsError
from pack.training.objective.loss import Huber
from pack.training.objective.mask import MaskedLoss
from pack.training.objective.noise import NoiseSpec
from pack.training.objective.objective import Objective
from pack.training.objective.preservation import BlankCaption, OutsideMask
from pack.training.objective.spec import ObjectiveSpec, default_for
from pack.training.objective.timesteps import Uniform, Window
from pack.training.objective.weights import MinSNR, NoWeighting

from .fakes import FakeDenoiser, sd_sigmas

PLAIN = ObjectiveSpec(timesteps=Uniform(), weighting=NoWeighting())
EVERYTHING = ObjectiveSpec(
    loss=Huber(c=0.1, schedule="snr"),
    timesteps=Uniform(),
    weighting=MinSNR(gamma=5.0),
    noise=NoiseSpec(
        offset=0.05, adaptive_offset=0.02, multires_iterations=6, input_perturbation=0.1, random_strength=True
    ),
    masked_loss=MaskedLoss(unmasked_weight=0.1, unmasked_probability=0.5),
)
MODELS = ("epsilon", "v", "flow")


def latents(batch: int = 3, size: tuple[int, int] = (8, 12)) -> torch.Tensor:
    return torch.randn(batch, 4, *size, generator=torch.Generator().manual_seed(1))


def native(parametrisation: str, x0, noising, prediction):
    """(denoised, target) for a raw model output, by each family's textbook formulas in alpha-bar form."""
    sigma = noising.sigma.view(-1, 1, 1, 1)
    if parametrisation == "flow":
        return noising.x_t - sigma * prediction, noising.noise - x0
    root_abar, root_rest = 1 / (1 + sigma**2).sqrt(), sigma / (1 + sigma**2).sqrt()
    scaled = noising.x_t * root_abar
    if parametrisation == "epsilon":
        return (scaled - root_rest * prediction) / root_abar, noising.noise
    return root_abar * scaled - root_rest * prediction, root_abar * noising.noise - root_rest * x0


@pytest.mark.parametrize("perturbation", [0.0, 0.1])
@pytest.mark.parametrize("parametrisation", MODELS)
def test_loss_is_the_native_mse(parametrisation, perturbation):
    spec = ObjectiveSpec(
        timesteps=Uniform(), weighting=NoWeighting(), noise=NoiseSpec(input_perturbation=perturbation)
    )
    objective = Objective(spec, FakeDenoiser(parametrisation))
    x0 = latents()
    noising = objective.noise(x0, seeds=[5, 6, 7])
    prediction = torch.randn(x0.shape, generator=torch.Generator().manual_seed(2))
    denoised, target = native(parametrisation, x0, noising, prediction)
    expected = ((prediction - target) ** 2).flatten(1).mean(1)
    torch.testing.assert_close(objective.losses(denoised, x0, noising), expected, rtol=1e-4, atol=0)
    torch.testing.assert_close(objective.validation_losses(denoised, x0, noising), expected, rtol=1e-4, atol=0)


@pytest.mark.parametrize("parametrisation", MODELS)
def test_noise_level_and_x_t(parametrisation):
    objective = Objective(PLAIN, FakeDenoiser(parametrisation))
    x0 = latents()
    noising = objective.noise(x0, seeds=[5, 6, 7])
    sigma = noising.sigma.view(-1, 1, 1, 1)
    if parametrisation == "flow":
        torch.testing.assert_close(noising.sigma, noising.position)
        torch.testing.assert_close(noising.x_t, (1 - sigma) * x0 + sigma * noising.noise)
    else:
        steps = (noising.position * 1000).round().long()
        torch.testing.assert_close(noising.sigma, sd_sigmas()[steps])
        torch.testing.assert_close(noising.x_t, x0 + sigma * noising.noise)


@pytest.mark.parametrize("parametrisation", MODELS)
def test_a_batch_equals_its_items(parametrisation):
    objective = Objective(EVERYTHING, FakeDenoiser(parametrisation))
    x0, seeds = latents(), [11, 12, 13]
    mask = (torch.rand(3, 1, 8, 12, generator=torch.Generator().manual_seed(3)) > 0.5).float()
    together = objective.noise(x0, seeds)
    losses = objective.losses(x0 + 0.1, x0, together, mask)
    for i in range(3):
        one = slice(i, i + 1)
        alone = objective.noise(x0[one], seeds[one])
        assert torch.equal(alone.x_t, together.x_t[one])
        assert torch.equal(alone.noise, together.noise[one])
        torch.testing.assert_close(objective.losses(x0[one] + 0.1, x0[one], alone, mask[one]), losses[one])


def test_same_seed_same_noise_and_nothing_of_the_global_generator():
    objective = Objective(EVERYTHING, FakeDenoiser("epsilon"))
    x0 = latents(1)
    torch.manual_seed(0)
    first = objective.noise(x0, [9])
    before = torch.get_rng_state()
    second = objective.noise(x0, [9])
    assert torch.equal(before, torch.get_rng_state())
    assert torch.equal(first.x_t, second.x_t)
    assert not torch.equal(first.x_t, objective.noise(x0, [10]).x_t)


def test_extras_leave_the_plain_noise_alone():
    plain = Objective(PLAIN, FakeDenoiser("flow")).noise(latents(1), [9])
    spec = ObjectiveSpec(timesteps=Uniform(), weighting=NoWeighting(), noise=NoiseSpec(input_perturbation=0.1))
    perturbed = Objective(spec, FakeDenoiser("flow")).noise(latents(1), [9])
    assert torch.equal(plain.noise, perturbed.noise)
    assert torch.equal(plain.sigma, perturbed.sigma)


def test_uniform_steps_keep_to_the_window_upper_exclusive():
    spec = ObjectiveSpec(timesteps=Uniform(), weighting=NoWeighting(), window=Window(minimum=200, maximum=203))
    objective = Objective(spec, FakeDenoiser("epsilon"))
    noising = objective.noise(torch.zeros(300, 1, 2, 2), seeds=list(range(300)))
    counts = torch.bincount((noising.position * 1000).round().long(), minlength=1000)
    assert counts[200:203].sum() == 300
    assert (counts[200:203] > 70).all()


def test_stratified_positions_fall_into_their_strata():
    spec = ObjectiveSpec(timesteps=Uniform(), weighting=NoWeighting(), stratified=True)
    objective = Objective(spec, FakeDenoiser("flow"))
    noising = objective.noise(torch.zeros(4, 1, 2, 2), seeds=[1, 2, 3, 4], strata=[(k, 4) for k in range(4)])
    assert torch.equal((noising.position * 4).long(), torch.arange(4))


def test_strata_are_ignored_unless_asked_for():
    objective = Objective(PLAIN, FakeDenoiser("flow"))
    x0 = torch.zeros(2, 1, 2, 2)
    with_strata = objective.noise(x0, [1, 2], strata=[(0, 2), (1, 2)])
    assert torch.equal(with_strata.sigma, objective.noise(x0, [1, 2]).sigma)


def test_noise_at_has_the_noise_of_the_seed_at_the_chosen_level():
    objective = Objective(PLAIN, FakeDenoiser("epsilon"))
    x0 = latents(1)
    low, high = objective.noise_at(x0, [0.1], [4]), objective.noise_at(x0, [0.9], [4])
    assert torch.equal(low.noise, high.noise)
    assert torch.equal(low.noise, objective.noise(x0, [4]).noise)
    assert math.isclose(low.sigma.item(), sd_sigmas()[100].item())
    assert math.isclose(high.sigma.item(), sd_sigmas()[900].item())


def test_every_step_can_be_asked_for():
    positions = [step / 1000 for step in range(1000)]
    noising = Objective(PLAIN, FakeDenoiser("epsilon")).noise_at(torch.zeros(1000, 1, 1, 1), positions, range(1000))
    assert torch.equal(noising.sigma, sd_sigmas())


def test_noise_at_does_not_depend_on_the_spec():
    x0 = latents(1)
    plain = Objective(PLAIN, FakeDenoiser("v")).noise_at(x0, [0.3], [4])
    assert torch.equal(plain.x_t, Objective(EVERYTHING, FakeDenoiser("v")).noise_at(x0, [0.3], [4]).x_t)


def test_sd_default_weights_match_the_min_snr_table():
    objective = Objective(default_for("epsilon"), FakeDenoiser("epsilon"))
    x0 = latents(2)
    noising = objective.noise_at(x0, [0.1, 0.5], [1, 2])
    plain = objective.validation_losses(x0 + 0.1, x0, noising)
    weighted = objective.losses(x0 + 0.1, x0, noising)
    torch.testing.assert_close(weighted / plain, torch.tensor([0.591, 1.0]), rtol=2e-3, atol=0)


def test_weights_multiply_each_sample():
    objective = Objective(PLAIN, FakeDenoiser("flow"))
    x0 = latents(2)
    noising = objective.noise(x0, [1, 2])
    plain = objective.losses(x0 + 1, x0, noising)
    weighted = objective.losses(x0 + 1, x0, noising, weights=torch.tensor([2.0, 0.5]))
    torch.testing.assert_close(weighted, plain * torch.tensor([2.0, 0.5]))
    assert objective.sample_weight(0.5, is_regularisation=False) == 0.5
    spec = ObjectiveSpec(prior_weight=0.25)
    assert Objective(spec, FakeDenoiser("flow")).sample_weight(0.5, is_regularisation=True) == 0.125


def test_preservation_pulls_to_the_base_model():
    spec = ObjectiveSpec(timesteps=Uniform(), weighting=NoWeighting(), preservation=BlankCaption(weight=2.0))
    objective = Objective(spec, FakeDenoiser("flow"))
    x0 = torch.zeros(1, 1, 2, 2)
    noising = objective.noise_at(x0, [0.5], [1])
    base = torch.zeros_like(x0)
    tuned = torch.full_like(x0, 0.5, requires_grad=True)
    # error = 0.5 / 0.5 = 1, squared 1, times the weight 2
    loss = objective.preservation_losses(tuned, base, noising)
    assert loss.tolist() == pytest.approx([2.0])
    loss.sum().backward()
    assert tuned.grad.abs().sum() > 0


def test_preservation_outside_the_mask_counts_only_there():
    spec = ObjectiveSpec(timesteps=Uniform(), weighting=NoWeighting(), preservation=OutsideMask(weight=1.0))
    objective = Objective(spec, FakeDenoiser("flow"))
    x0 = torch.zeros(1, 1, 2, 2)
    noising = objective.noise_at(x0, [0.5], [1])
    mask = torch.tensor([[[[1.0, 1.0], [1.0, 0.0]]]])
    loss = objective.preservation_losses(torch.full_like(x0, 0.5), x0, noising, mask)
    assert loss.tolist() == pytest.approx([0.25])


def test_video_latents_work():
    """(B, C, T, H, W): a mask (B, 1, H, W) holds for every frame. Wrong by 0.1 inside it and by 9 outside."""
    x0 = torch.randn(2, 4, 3, 8, 8, generator=torch.Generator().manual_seed(1))
    assert Objective(EVERYTHING, FakeDenoiser("flow")).noise(x0, [1, 2]).x_t.shape == x0.shape
    objective = Objective(PLAIN, FakeDenoiser("flow"))
    noising = objective.noise(x0, [1, 2])
    mask = torch.zeros(2, 1, 8, 8)
    mask[..., :4] = 1
    wrong = torch.where(mask.bool()[:, :, None], 0.1, 9.0)
    torch.testing.assert_close(objective.losses(x0 + wrong, x0, noising, mask), (0.1 / noising.sigma) ** 2, rtol=1e-3, atol=0)


def test_unknown_parametrisation_is_a_model_error():
    with pytest.raises(ModelError, match="predicts 'x0'"):
        Objective(ObjectiveSpec(), FakeDenoiser("x0"))


def test_zero_terminal_snr_asks_for_a_table_that_ends_in_noise():
    spec = ObjectiveSpec(zero_terminal_snr=True)
    with pytest.raises(SettingsError, match="ModelSamplingDiscrete"):
        Objective(spec, FakeDenoiser("v"))
    with pytest.raises(SettingsError, match="v-prediction"):
        Objective(spec, FakeDenoiser("flow"))
    terminal = sd_sigmas()
    terminal[-1] = 4519.0
    Objective(spec, FakeDenoiser("v", terminal))
