"""The memory plan, by hand."""

from pack.training.memory.plan import memory_plan


def test_adapters_are_weights_gradients_and_state():
    """SD1.5, rank 16, AdamW: 6,782,976 parameters x (4 + 4 + 8) bytes = 103.5 MiB."""
    plan = memory_plan(6_782_976, 8, sampling_bytes=0, checkpointing=True)
    assert plan.adapters == 108_527_616
    assert plan.total == plan.adapters


def test_sd15_at_256_is_close_to_what_was_measured():
    """ComfyUI reckons 1024 places x 4 bytes x 0.01 MiB; measured live activations: 447 MiB, with checkpointing 161 MiB."""
    sampling = 1024 * 4 * 0.01 * 2**20
    assert 0.9 < memory_plan(0, 8, sampling, False).activations / (447 * 2**20) < 1.1
    assert 1.0 < memory_plan(0, 8, sampling, True).activations / (161 * 2**20) < 1.3


def test_the_sentence_says_it_is_a_prediction():
    assert memory_plan(2**27, 8, 2**29, False).sentence() == (
        "Prediction: training needs about 7.5 GiB beside the model (5.5 for activations, 2.0 for the LoRA and its optimizer)."
    )
