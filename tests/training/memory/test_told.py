"""The sentence that says what was chosen."""

from dataclasses import replace

from pack.training.memory.choice import ALL, MAIN_MEMORY, NONE, MemoryChoice
from pack.training.memory.choose import Costs, Way
from pack.training.memory.told import told

GIB = 2**30
COSTS = Costs(beside=lambda choice: 0, weights=5 * GIB)


def way(choice: MemoryChoice, beside: float, on_device: float) -> Way:
    return Way(choice=choice, beside=round(beside * GIB), on_device=round(on_device * GIB), seconds=1.0)


def test_what_is_taken_and_what_more_would_take():
    assert told(way(MemoryChoice(recompute=NONE), 8.4, 5), COSTS, 15 * GIB, {"resolution 1280": 18 * GIB, "batch_size 2": 21 * GIB}) == (
        "13.4 GiB of the 15.0 that are free: the model (5.0) and 8.4 beside it; no block is computed twice. resolution 1280 would take "
        "18.0, batch_size 2 21.0."
    )


def test_a_model_that_does_not_fit_whole():
    choice = MemoryChoice(recompute=("a", "b"), activations=MAIN_MEMORY, state=MAIN_MEMORY)
    assert told(way(choice, 2, 1.5), COSTS, 4 * GIB, {}) == (
        "3.5 GiB of the 4.0 that are free: 1.5 of the model's 5.0 and 2.0 beside it; 2 of the blocks are computed twice, what is kept for "
        "backward waits in main memory, the optimizer's state waits in main memory."
    )


def test_copies_of_what_is_not_on_the_device_are_named():
    partly = replace(way(MemoryChoice(recompute=ALL), 2, 1.5), copies=round(0.4 * GIB))
    assert told(partly, COSTS, 4 * GIB, {}) == (
        "3.9 GiB of the 4.0 that are free: 1.5 of the model's 5.0 (copies of the rest: 0.4) and 2.0 beside it; every block is computed "
        "twice."
    )


def test_nothing_fits():
    assert told(way(MemoryChoice(recompute=ALL), 3, 0), COSTS, 2 * GIB, {}) == (
        "3.0 GiB of the 2.0 that are free: nothing of the model, which waits in main memory, and 3.0 beside it; every block is computed "
        "twice. That is more than is free: it may not fit."
    )


def test_on_a_cpu_the_model_is_there_anyway():
    costs = Costs(beside=lambda choice: 0, main_memory=False)
    assert told(way(MemoryChoice(recompute=ALL), 3, 0), costs, 8 * GIB, {}) == (
        "3.0 GiB of the 8.0 that are free: 3.0 beside the model; every block is computed twice."
    )
