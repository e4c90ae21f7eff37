"""Building optimizers: defaults, LoRA+, unlearning, refusals; schedule-free weights."""

import pytest
import torch

from pack.training.errors import SettingsError
from pack.training.optim.kinds import optimizers
from pack.training.optim.optimizers import build_optimizer, learning_rates, optimizer_mode
from pack.training.optim.others import OTHERS, REFUSED
from pack.training.optim.schedules import Constant, Schedule
from pack.training.optim.spec import OptimizerSpec

from .fakes import groups, parameters, train, values

pytestmark = pytest.mark.filterwarnings("ignore:Paged optimizers")


@pytest.mark.parametrize("way", ["fused", "foreach"])
def test_adamw_matches_torch(way):
    """Fused where nothing else is asked for, which rounds otherwise than one tensor after the other."""
    named, twin, plain = parameters(), parameters(), parameters()
    extra = {} if way == "fused" else {way: True}
    ours = build_optimizer(OptimizerSpec(learning_rate=1e-3, text_encoder_lr=1e-3, weight_decay=0.1, extra_arguments=extra), groups(named))
    for optimizer, held in ((torch.optim.AdamW(twin.values(), lr=1e-3, weight_decay=0.1, **{way: True}), twin),
                            (torch.optim.AdamW(plain.values(), lr=1e-3, weight_decay=0.1), plain)):
        optimizer.param_groups[0]["base_lr"] = 1e-3
        train(optimizer, held, 0, 5)
    train(ours, named, 0, 5)
    assert all(torch.equal(named[name], twin[name]) for name in named)
    assert all(torch.allclose(named[name], plain[name], rtol=1e-5, atol=1e-7) for name in named)


def test_where_a_device_has_no_fused_one_it_is_the_other(monkeypatch):
    monkeypatch.setattr("torch.utils._foreach_utils._get_fused_kernels_supported_devices", lambda: ["cuda"])
    for name in ("AdamW", "SGDNesterov"):
        assert not build_optimizer(OptimizerSpec(optimizer=name), groups(parameters())).defaults["fused"]


def test_every_optimizer_of_the_library_is_offered_or_refused():
    from pytorch_optimizer import get_supported_optimizers

    offered = {optimizers.get(name).class_name.lower() for name in optimizers}
    assert set(get_supported_optimizers()) <= offered | set(REFUSED)
    assert not set(OTHERS) & set(REFUSED)


def test_prodigy_has_its_lora_defaults_and_extra_arguments_win():
    spec = OptimizerSpec(optimizer="Prodigy", learning_rate=1.0, extra_arguments={"d_coef": 2, "betas": (0.9, 0.999)})
    group = build_optimizer(spec, groups(parameters())).param_groups[0]
    assert group["safeguard_warmup"] is True and group["bias_correction"] is True
    assert group["d_coef"] == 2 and group["betas"] == (0.9, 0.999)


def test_ademamix_warms_up_over_the_run():
    spec = OptimizerSpec(optimizer="AdEMAMix8bit")
    assert build_optimizer(spec, groups(parameters()), 500).param_groups[0]["t_alpha"] == 500
    assert build_optimizer(spec, groups(parameters())).param_groups[0]["t_alpha"] is None


def test_muon_treats_matrices_and_vectors_apart():
    optimizer = build_optimizer(OptimizerSpec(optimizer="Muon"), groups(parameters()))
    by_kind = {group["use_muon"]: group["parameter_names"] for group in optimizer.param_groups}
    assert by_kind[False] == ["unet_conv.scale"]
    assert "unet_conv.down" in by_kind[True]


@pytest.mark.parametrize("name", [name for name in optimizers if optimizers.get(name).can_unlearn])
def test_a_negative_rate_moves_the_other_way(name):
    forward, backward = parameters(), parameters()
    rate = max(optimizers.get(name).usual_rate, 1e-3)
    for named, sign in ((forward, 1), (backward, -1)):
        spec = OptimizerSpec(optimizer=name, learning_rate=sign * rate, text_encoder_lr=sign * rate, weight_decay=0.0)
        train(build_optimizer(spec, groups(named), 20), named, 0, 20)
    start = values(parameters())
    moved = [(forward[key] - start[key]).flatten() @ (backward[key] - start[key]).flatten() for key in start]
    assert sum(moved) < 0


def test_optimizers_that_cannot_unlearn_say_so():
    with pytest.raises(SettingsError, match="amos cannot use a negative learning rate"):
        OptimizerSpec(optimizer="amos", learning_rate=-1e-4)


def test_a_refused_setting_is_a_settings_error():
    with pytest.raises(SettingsError, match="AdamW refuses its settings"):
        build_optimizer(OptimizerSpec(extra_arguments={"betas": (2, 3)}), groups(parameters()))


def test_rates_shown_include_prodigys_estimate():
    spec = OptimizerSpec(optimizer="Prodigy", learning_rate=1.0)
    assert learning_rates(build_optimizer(spec, groups(parameters()))) == {"diffusion_model": 1e-6, "text_encoder_1": 1e-6}
    plain = OptimizerSpec(learning_rate=1e-4, text_encoder_lr=5e-5, loraplus_ratio=16)
    assert learning_rates(build_optimizer(plain, groups(parameters()))) == {"diffusion_model": 1e-4, "text_encoder_1": 5e-5}


@pytest.mark.parametrize("name", ["ScheduleFreeAdamW", "schedulefreesgd", "splus"])
def test_looking_at_the_average_changes_nothing(name):
    spec = OptimizerSpec(optimizer=name, learning_rate=1e-2, text_encoder_lr=1e-2, schedule=Schedule(Constant()))
    disturbed, alone = parameters(), parameters()
    optimizer = build_optimizer(spec, groups(disturbed))
    mode = optimizer_mode(optimizer)
    train(optimizer, disturbed, 0, 3)
    trained = values(disturbed)
    mode.eval()
    mode.eval()
    assert any(not torch.equal(trained[key], disturbed[key]) for key in trained)
    mode.train()
    mode.train()
    train(optimizer, disturbed, 3, 6)
    train(build_optimizer(spec, groups(alone)), alone, 0, 6)
    assert all(torch.equal(alone[key], disturbed[key]) for key in alone)


def test_other_optimizers_have_one_mode():
    named = parameters()
    optimizer = build_optimizer(OptimizerSpec(), groups(named))
    train(optimizer, named, 0, 1)
    before = values(named)
    optimizer_mode(optimizer).eval()
    assert all(torch.equal(before[key], named[key]) for key in before)


@pytest.mark.parametrize("name", [name for name in optimizers if name not in OTHERS])
def test_a_part_without_gradients_rests(name):
    """Text encoders that are no longer trained: whatever the optimizer, they stay bit by bit."""
    named = parameters()
    rate = max(optimizers.get(name).usual_rate, 1e-3)
    optimizer = build_optimizer(OptimizerSpec(optimizer=name, learning_rate=rate, text_encoder_lr=rate), groups(named), 10)
    train(optimizer, named, 0, 2)
    for parameter in named.values():
        parameter.grad = None
    before = values(named)
    train(optimizer, {key: parameter for key, parameter in named.items() if not key.startswith("te_")}, 2, 4)
    assert all(torch.equal(before[key], named[key]) for key in named if key.startswith("te_"))
    assert not torch.equal(before["unet_a.down"], named["unet_a.down"])


@pytest.mark.parametrize(("warmup", "rates"), [(False, [0.01] * 3), (True, [1e-6, 2e-6, 3e-6])])
def test_the_rate_of_adafactor_s_relative_step_is_the_one_that_acts(warmup, rates):
    """Clipped to a root mean square of 1, its updates are as large as the rate; learning_rate says nothing."""
    spec = OptimizerSpec(optimizer="Adafactor", learning_rate=1e-4, text_encoder_lr=1e-4, weight_decay=0.0,
                         extra_arguments={"relative_step": True, "warmup_init": warmup})
    named = parameters()
    optimizer = build_optimizer(spec, groups(named))
    for step, rate in enumerate(rates):
        shown, before = learning_rates(optimizer)["diffusion_model"], values(named)["unet_a.down"]
        train(optimizer, named, step, step + 1)
        moved = float((named["unet_a.down"].detach() - before).square().mean().sqrt())
        assert shown == pytest.approx(rate) and 0.2 < moved / shown < 1.1
    assert any("relative_step is on" in text for text in spec.warnings())


def test_dadaptsgd_s_rate_is_divided_by_the_norm_of_its_first_gradient():
    """Its steps are lr d / |g_0| (Defazio and Mishchenko 2023). The first update leaves d at 1e-6."""
    named = parameters()
    optimizer = build_optimizer(OptimizerSpec(optimizer="DAdaptSGD", learning_rate=1.0, text_encoder_lr=1.0), groups(named))
    for parameter in named.values():
        parameter.grad = torch.ones_like(parameter)
    optimizer.step()
    assert {group["d"] for group in optimizer.param_groups} == {1e-6}
    norm = sum(parameter.numel() for parameter in named.values()) ** 0.5
    assert list(learning_rates(optimizer).values()) == pytest.approx([1e-6 / norm] * 2)


def test_one_rate_for_everything_that_is_0_is_said():
    with pytest.raises(SettingsError, match="Prodigy has one learning rate for everything, learning_rate, and that is 0"):
        OptimizerSpec(optimizer="Prodigy", learning_rate=0.0, text_encoder_lr=1.0)
