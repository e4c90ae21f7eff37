"""Weights fetched ahead: whatever is asked for in whatever order, each layer computes with its own, and the order is learned."""

from __future__ import annotations

import random
from contextlib import ExitStack
from string import ascii_letters

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pack.tests.training.memory.fake_device import Device
from pack.training.memory import streamed
from pack.training.memory.ahead import Ahead
from pack.training.memory.streamed import StreamMover


def step_of(layers: str) -> str:
    """What gradient checkpointing asks for, blocks being of two layers: forward, then each block anew and backward."""
    blocks = [layers[at : at + 2] for at in range(0, len(layers), 2)]
    return layers + "".join(block + block[::-1] for block in reversed(blocks))


KEYS = "abcdefgh"
STEP = step_of("abcdef")


def machine(budget: int, sizes: dict | None = None, *, total: int | None = None, seed: int = 0) -> tuple[Ahead, Device]:
    sizes = sizes or dict.fromkeys(KEYS, 1)
    device = Device(sizes, random.Random(seed), budget if total is None else total)
    return Ahead(StreamMover(device, device.copy, sizes.__getitem__, (MemoryError,)), budget), device


def use(ahead: Ahead, device: Device, key) -> bool:
    """Compute with `key`; whether it was there."""
    with ahead.use(key) as copy:
        if copy is not None:
            device.compute(copy.value, key)
        return copy is not None


def checked(device: Device) -> None:
    device.run()
    assert device.faults == []


def late(ahead: Ahead, device: Device, keys: str) -> list[str]:
    """Those of `keys` that had to be fetched when they were asked for."""
    found = []
    for key in keys:
        if key not in device.live:
            found.append(key)
        assert use(ahead, device, key)
    return found


def test_the_third_step_finds_everything_there():
    ahead, device = machine(budget=3)
    first, second, third = (late(ahead, device, STEP) for _ in range(3))
    assert first and set("abcdef") <= set(first)
    assert len(second) < len(first) and third == []
    checked(device)


def test_it_is_fetched_while_what_comes_before_it_computes():
    """Never earlier than there is room: with two places, the next one alone."""
    ahead, device = machine(budget=2)
    late(ahead, device, STEP * 2)
    for key, following in zip(STEP, STEP[1:] + STEP[0], strict=True):
        with ahead.use(key):
            assert following in device.live
    checked(device)


def test_what_a_recomputed_block_fetched_is_there_for_its_backward():
    """Six layers, three places: a, b and c are there from the step before; d, e and f are fetched, of which e and f stay for the
    recomputation and the backward of their block; then c and d, a and b once for theirs. 7 fetches a step instead of 18."""
    ahead, device = machine(budget=3)
    late(ahead, device, STEP * 3)
    before = len(device.copied)
    late(ahead, device, STEP * 4)
    assert len(device.copied) - before == 4 * 7
    checked(device)


def test_nothing_is_fetched_twice_where_all_has_room():
    ahead, device = machine(budget=6)
    late(ahead, device, STEP * 4)
    assert sorted(device.copied) == list("abcdef")
    checked(device)


def test_a_skipped_layer_costs_no_more_than_its_fetch():
    """Once in each of the next two steps; then it is as if nothing had been."""
    step = step_of(ascii_letters)
    ahead, device = machine(3, dict.fromkeys(ascii_letters, 1))
    assert late(ahead, device, step) and len(late(ahead, device, step)) < 20 and late(ahead, device, step) == []
    assert late(ahead, device, step.replace("c", "", 1)) == []
    assert set(late(ahead, device, step * 2)) <= {"c"}
    assert late(ahead, device, step * 2) == []
    checked(device)


def test_another_order_is_learned():
    ahead, device = machine(budget=3)
    late(ahead, device, STEP * 3)
    other = "fedcba" + "abcdef"
    late(ahead, device, other * 2)
    assert late(ahead, device, other) == []
    checked(device)


def test_a_layer_larger_than_the_budget_is_left_to_the_host():
    ahead, device = machine(2, {"a": 1, "b": 3, "c": 1})
    for _ in range(3):
        assert [use(ahead, device, key) for key in "abc"] == [True, False, True]
    assert late(ahead, device, "a") == []
    checked(device)


def test_what_is_in_use_stays():
    """Nested uses may hold more than is foreseen; what has no room then is left to the host."""
    ahead, device = machine(budget=2)
    with ahead.use("a") as a, ahead.use("b") as b, ahead.use("c") as c, ahead.use("a") as again:
        assert c is None and again is a
        device.compute(b.value, "b")
        device.compute(a.value, "a")
    checked(device)


def test_an_error_inside_leaves_it_whole():
    ahead, device = machine(budget=3)
    late(ahead, device, STEP * 2)
    with pytest.raises(ZeroDivisionError), ahead.use("a"):
        raise ZeroDivisionError
    late(ahead, device, STEP * 2)
    assert late(ahead, device, STEP) == []
    checked(device)


def test_after_a_preview_it_begins_where_it_was():
    """The host takes the weights back and lends them anew: nothing is held meanwhile, what was learned is kept."""
    ahead, device = machine(budget=3)
    late(ahead, device, STEP * 3)
    ahead.close()
    assert device.live == {}
    assert late(ahead, device, STEP) == ["a"]
    checked(device)


def test_a_full_device_gets_its_memory_back():
    """Less is held from then on; nothing fails."""
    ahead, device = machine(budget=6, total=4)
    for key in STEP * 4:
        use(ahead, device, key)
    assert len(device.live) <= 3
    assert late(ahead, device, STEP) == []
    checked(device)


def test_a_failure_of_another_kind_is_not_hidden():
    sizes = {"a": 1}

    def fails(key):
        raise ValueError(key)

    device = Device(sizes, random.Random(0), 1)
    ahead = Ahead(StreamMover(device, fails, sizes.__getitem__, (MemoryError,)), 1)
    with pytest.raises(ValueError, match="a"), ahead.use("a"):
        pass
    ahead.close()


ACTIONS = st.one_of(
    st.sampled_from(KEYS),
    st.lists(st.sampled_from(KEYS), min_size=2, max_size=4).map(tuple),  # used at once
    st.sampled_from(["close", "error", "run some", "run all"]),
)


@settings(max_examples=150, deadline=None)
@given(
    steps=st.lists(st.lists(ACTIONS, min_size=1, max_size=14), min_size=1, max_size=4), repeats=st.integers(1, 3),
    sizes=st.lists(st.integers(1, 5), min_size=len(KEYS), max_size=len(KEYS)), budget=st.integers(0, 16), total=st.integers(0, 20),
    seed=st.integers(0, 99),
)
def test_whatever_happens_each_computes_with_its_own_weights(steps, repeats, sizes, budget, total, seed):
    """Orders that repeat and change, layers used together, errors, previews, a device that is full, streams that run at any time."""
    ahead, device = machine(budget, dict(zip(KEYS, sizes, strict=True)), total=total, seed=seed)
    for step in steps:
        for action in step * repeats:
            act(ahead, device, action)
            assert sum(ahead._size(key) for key in device.live) <= budget
            assert ahead._claims.total() == sum(claimed for _, claimed in ahead._coming)
    ahead.close()
    assert device.live == {}
    checked(device)


def act(ahead: Ahead, device: Device, action) -> None:
    if action == "close":
        ahead.close()
    elif action == "error":
        with pytest.raises(ZeroDivisionError), ahead.use("a"):
            raise ZeroDivisionError
    elif action in ("run some", "run all"):
        device.run(5 if action == "run some" else None)
    else:
        with ExitStack() as stack:
            for key in action:
                copy = stack.enter_context(ahead.use(key))
                if copy is not None:
                    device.compute(copy.value, key)


@pytest.mark.parametrize("broken", ["arrive", "release", "either"])
def test_the_fake_device_sees_what_is_not_waited_for(broken, monkeypatch):
    """Of the computing stream before a copy is used, and of the copying one before memory is used again."""
    monkeypatch.setattr(StreamMover, "release" if broken == "either" else broken, lambda *given: None)
    if broken == "either":
        monkeypatch.setattr(streamed, "beside", lambda streams, work: (work(), streams.copying.record_event()))
    found = []
    for seed in range(20):
        ahead, device = machine(budget=2, seed=seed)
        late(ahead, device, STEP * 3)
        device.run()
        found += device.faults
    assert found
