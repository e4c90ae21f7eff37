"""Values that an optimizer cannot compute with are found before a run, and named."""

import pytest
import torch

from pack.training.errors import SettingsError
from pack.training.optim.kinds import OptimizerKind, optimizers
from pack.training.optim.rehearsal import rehearsal_problems

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
