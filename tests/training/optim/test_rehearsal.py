"""Values that an optimizer cannot compute with are found before a run, and named."""

import pytest
import torch

from pack.training.errors import SettingsError
from pack.training.optim.kinds import OptimizerKind, optimizers
from pack.training.optim.optimizers import require_device
from pack.training.optim.rehearsal import rehearsal_problems
from pack.training.optim.spec import OptimizerSpec

from .fakes import from_widgets


@pytest.mark.parametrize(
    ("optimizer", "text", "said"),
    [
        ("AdamW", "eps=none", "AdamW refuses its settings, it cannot compute with eps=None"),
        ("AdamW", "amsgrad=True betas=none", "AdamW refuses its settings, it cannot compute with betas=None"),
        ("Adafactor", "eps1=none", "Adafactor refuses its settings, it cannot compute with eps1=None"),
        ("SGDNesterov", "momentum=none", "SGDNesterov refuses its settings, it cannot compute with momentum=None"),
        ("AdamW", "eps=" + "9" * 1000, "AdamW refuses its settings, it cannot compute with eps=999"),
    ],
)
def test_the_argument_that_fails_is_named(optimizer, text, said):
    with pytest.raises(SettingsError) as caught:
        from_widgets(optimizer=optimizer, extra_arguments=text, learning_rate=1e-4)
    (problem,) = caught.value.problems
    assert said in problem and "Give another value" in problem and "\n" not in problem and len(problem) < 500


@pytest.mark.parametrize(("optimizer", "text"), [("Prodigy", "eps=none"), ("AdamW", "betas=0.9,0.99 eps=1e-7"), ("Muon", "momentum=0.9"),
                                                 ("Adafactor", "clip_threshold=0.5 momentum_dtype=none")])  # fmt: skip
def test_values_that_work_pass(optimizer, text):
    from_widgets(optimizer=optimizer, extra_arguments=text, learning_rate=1.0 if optimizer == "Prodigy" else 1e-4)


def test_it_works_where_comfyui_calls_nodes():
    with torch.inference_mode():
        assert rehearsal_problems("AdamW", optimizers.get("AdamW"), {"eps": 1e-7}) == []
        assert rehearsal_problems("AdamW", optimizers.get("AdamW"), {"eps": None})


class NeedsAGpu(torch.optim.SGD):
    def step(self, closure=None):
        raise RuntimeError("no GPU")


def test_an_optimizer_that_fails_here_with_any_arguments_is_not_blamed_on_them(monkeypatch):
    kind = OptimizerKind(module="torch.optim", class_name="SGD")
    monkeypatch.setattr(OptimizerKind, "load", lambda self: NeedsAGpu)
    assert rehearsal_problems("SGD", kind, {"momentum": 0.9}) == []


class OfOneMaker(torch.optim.SGD):
    """One whose library has no code for any device but a CPU."""

    def step(self, closure=None):
        if self.param_groups[0]["params"][0].device.type != "cpu":
            raise NotImplementedError("no kernel for this device\nand much more")
        return super().step(closure)


def test_a_device_that_an_optimizer_does_not_know_is_found_before_a_run(monkeypatch):
    kind = OptimizerKind(module=__name__, class_name="OfOneMaker")
    monkeypatch.setattr(OptimizerKind, "load", lambda self: OfOneMaker if self is kind else torch.optim.AdamW)
    monkeypatch.setitem(optimizers._entries, "OfOneMaker", kind)
    spec = OptimizerSpec(optimizer="OfOneMaker")
    require_device(spec, torch.device("cpu"))
    require_device(OptimizerSpec(optimizer="AdamW"), torch.device("meta"))
    with pytest.raises(SettingsError, match=r"OfOneMaker does not compute on 'meta' \(NotImplementedError: no kernel for this device\)"):
        require_device(spec, torch.device("meta"))
