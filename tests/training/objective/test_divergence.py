"""Losses against those of the first steps, each noise level against itself, by hand."""

import json

import pytest

from pack.training.objective.divergence import FACTOR, STEPS, Divergence

LOW, HIGH = 0.05, 0.95


def fed(*phases, **settings) -> Divergence:
    """(steps, {noise level: loss}), one after the other."""
    watch = Divergence(**settings)
    for steps, losses in phases:
        for _ in range(steps):
            watch.see(list(losses.values()), list(losses))
    return watch


GOOD = (STEPS, {LOW: 1.0, HIGH: 0.01})


def test_the_median_of_the_last_steps_must_be_too_high_for_as_many():
    """Of 50 steps the 26th bad one carries the median: from then on they count."""
    bad = {LOW: 3.2, HIGH: 0.032}
    counts = {steps: fed(GOOD, GOOD, (steps, bad)) for steps in (25, 26, 26 + STEPS - 2, 26 + STEPS - 1)}
    assert [watch.bad_steps for watch in counts.values()] == [0, 1, STEPS - 1, STEPS]
    assert [watch.has_diverged for watch in counts.values()] == [False, False, False, True]
    assert [watch.is_doubtful for watch in counts.values()] == [False, True, True, True]
    assert counts[26].factor == pytest.approx(3.2)


def test_exactly_the_factor_is_not_above_it():
    assert not fed(GOOD, (200, {LOW: FACTOR, HIGH: FACTOR / 100})).is_doubtful


def test_each_noise_level_is_held_against_itself():
    """All of one level now, whose losses are a hundred times the other's: a plain mean would be 2 times the one it began with."""
    assert not fed(GOOD, (300, {LOW: 1.0})).is_doubtful
    assert fed(GOOD, (300, {HIGH: 0.04})).has_diverged


def test_a_level_that_has_hardly_been_seen_goes_on_collecting():
    watch = fed((STEPS, {LOW: 1.0}), (4, {HIGH: 0.01}), (1, {HIGH: 0.01}))
    assert not watch.is_doubtful
    assert fed((STEPS, {LOW: 1.0}), (5, {HIGH: 0.01}), (200, {HIGH: 0.04})).has_diverged


def test_getting_better_ends_it():
    assert not fed(GOOD, (200, {LOW: 4.0}), (26, {LOW: 1.0})).is_doubtful


def test_nothing_is_said_of_what_says_nothing():
    """Pictures of weight 0 (NaN), empty masks (0), a run that unlearns."""
    assert not fed(GOOD, (200, {LOW: float("nan"), HIGH: 0.0})).is_doubtful
    assert not fed(GOOD, (200, {LOW: 9.0}), unlearns=True).is_doubtful


def test_what_is_broken_is_doubtful():
    watch = Divergence()
    watch.broken = True
    assert watch.is_doubtful and not watch.has_diverged


@pytest.mark.parametrize("cut", [10, STEPS, STEPS + 3, 110])
def test_it_goes_on_after_a_pause(cut):
    losses = [{LOW: (1 + step % 7 / 10) * away, HIGH: (1 + step % 3) * away} for step in range(200) for away in [1 if step < 90 else 6]]
    whole = fed(*((1, step) for step in losses))
    first, second = fed(*((1, step) for step in losses[:cut])), Divergence()
    second.remember(json.loads(json.dumps(first.memory())))
    for step in losses[cut:]:
        second.see(list(step.values()), list(step))
    assert whole.bad_steps > 0 and second.memory() == whole.memory()


@pytest.mark.parametrize("bad_steps", [61, -1, 10**400, float("nan"), "many"])
def test_it_cannot_have_been_bad_for_longer_than_it_was(bad_steps):
    memory = fed((60, {LOW: 1.0})).memory()
    Divergence().remember(memory)
    with pytest.raises((ValueError, TypeError)):
        Divergence().remember([bad_steps, *memory[1:]])
