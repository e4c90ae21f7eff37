"""Optimizer and Training Objective in a real ComfyUI."""

import pytest

from pack.tests.comfy.inprocess import PromptRefused
from pack.training.objective.loss import SmoothL1
from pack.training.objective.spec import ObjectiveSpec
from pack.training.optim import menu
from pack.training.optim.kinds import OptimizerKind, optimizers
from pack.training.optim.schedules import CosineWithRestarts, Schedule
from pack.training.optim.spec import OptimizerSpec

OPTIMIZER = {"optimizer": "AdamW", "learning_rate": 1e-4, "text_encoder_lr": 0.0, "scheduler": "cosine", "warmup_steps": 0}
OBJECTIVE = {"loss": "l2", "timesteps": "auto", "weighting": "auto", "noise_offset": 0.0}


@pytest.fixture(scope="module")
def execute(comfy):
    """execute(node name, **widgets): what the node returns, as a tuple."""
    from pack import nodes

    by_name = {node.__name__: node for node in nodes.NODES}
    return lambda name, **widgets: by_name[name].execute(**widgets).result


def test_the_five_promised_widgets_are_enough(comfy):
    result = comfy.run({
        "1": {"class_type": "LoRACanvasOptimizer", "inputs": OPTIMIZER},
        "2": {"class_type": "PreviewImage", "inputs": {"images": ["1", 1]}},
    })  # fmt: skip
    assert result.value("1", 0) == OptimizerSpec()
    assert result.value("1", 1).shape == (1, 512, 1024, 3)


def test_a_wrong_extra_argument_stops_at_the_node(comfy):
    graph = {
        "1": {"class_type": "LoRACanvasOptimizer", "inputs": {**OPTIMIZER, "extra_arguments": "beta=0.9,0.99"}},
        "2": {"class_type": "PreviewImage", "inputs": {"images": ["1", 1]}},
    }
    with pytest.raises(PromptRefused, match="AdamW has no argument 'beta'. Did you mean 'betas'"):
        comfy.run(graph)


def test_every_optimizer_widget_reaches_the_spec(execute):
    (spec, _) = execute("Optimizer", **OPTIMIZER | {
        "optimizer": "AdamW8bit", "loraplus_ratio": 16.0, "ema_decay": 0.99, "group_rules": "text_encoder_2: lr=1e-5",
        "scheduler": "cosine_with_restarts", "scheduler_cycles": 3, "warmup_percent": 10.0, "stop_text_encoder_at": 30.0,
    })  # fmt: skip
    assert (spec.optimizer, spec.loraplus_ratio, spec.ema_decay) == ("AdamW8bit", 16.0, 0.99)
    assert spec.schedule == Schedule(CosineWithRestarts(cycles=3), warmup_percent=10.0)
    assert spec.group_rules[0].settings == {"lr": 1e-5} and spec.stop_text_encoder_at == 30.0


def test_widget_defaults_are_the_specs(comfy, execute):
    from pack.nodes.optimizer import Optimizer
    from pack.nodes.training_objective import TrainingObjective

    for widget in Optimizer.define_schema().inputs:
        if widget.id != "preview_steps":
            assert getattr(menu.Knobs(), widget.id) == widget.default, widget.id
    shown = {widget.id: widget.default for widget in TrainingObjective.define_schema().inputs if hasattr(widget, "default")}
    assert execute("TrainingObjective", **OBJECTIVE) == execute("TrainingObjective", **shown) == (ObjectiveSpec(),)


def test_objective_widgets_reach_the_spec(execute):
    (spec,) = execute("TrainingObjective", **OBJECTIVE | {"loss": "smooth_l1", "huber_c": 0.2, "noise_offset": 0.05, "stratified": True})
    assert spec.loss == SmoothL1(c=0.2, schedule="snr") and spec.noise.offset == 0.05 and spec.stratified


def test_a_new_optimizer_is_in_the_menu(comfy, monkeypatch):
    from pack.nodes.optimizer import Optimizer

    monkeypatch.setattr(optimizers, "_entries", dict(optimizers._entries))
    optimizers.register("Newest")(OptimizerKind(module="torch.optim", class_name="Adamax"))
    (menu_of,) = [widget for widget in Optimizer.define_schema().inputs if widget.id == "optimizer"]
    assert menu_of.options[-1] == "Newest" and menu_of.options[0] == "AdamW"
    spec, picture = Optimizer.execute(**OPTIMIZER | {"optimizer": "Newest"}).result
    assert spec.kind.class_name == "Adamax" and picture.shape == (1, 512, 1024, 3)
