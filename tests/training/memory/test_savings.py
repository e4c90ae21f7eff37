"""What settings would save, by hand-made figures."""

from pack.training.memory.savings import savings
from pack.training.optim.spec import OptimizerSpec
from pack.training.specs import RunSpec


def test_each_setting_with_what_it_saves():
    run = RunSpec(batch_size=4, gradient_accumulation=2, gradient_checkpointing=False)
    assert savings(run, OptimizerSpec(optimizer="AdamW"), 100, now=4000, recomputed=1000) == {
        "gradient_checkpointing on Train LoRA": 3000,
        "batch_size 1 with gradient_accumulation 8 on Train LoRA": 3000,  # three of four pictures
        "AdamW8bit on Optimizer": 596,  # 8 bytes a parameter instead of 2.04
        "75% of the resolution on Bucket Config": 1750,  # 7/16 of the area
    }


def test_what_is_set_already_saves_nothing():
    run = RunSpec(batch_size=1, gradient_checkpointing=True)
    found = savings(run, OptimizerSpec(optimizer="Lion8bit"), 100, now=1000, recomputed=1000)
    assert set(found) == {"75% of the resolution on Bucket Config"}
