"""The judge finds the fox in what a demo left, counts by step and by strength, and the check holds the counts to limits."""

import random

import pytest
import torch

from pack.demo import foxes
from pack.demo.check import fox_problems
from pack.demo.stage import PROMPTS
from pack.demo.world.drawn.cards import card_of
from pack.demo.world.drawn.drawing import draw
from pack.demo.world.drawn.places import UNSEEN
from pack.demo.world.train import judge_on


@pytest.fixture(scope="module")
def judge():
    return judge_on(torch.device("cpu"))


def leave(path, subject: str, place: str, number: int = 0) -> None:
    """A drawn picture where a demo leaves one of ComfyUI's."""
    path.parent.mkdir(parents=True, exist_ok=True)
    draw(card_of((subject, "" if subject == "fox" else "blue", place), random.Random(number))).save(path)


@pytest.fixture
def base(tmp_path):
    """What a demo leaves that went well: cats before, foxes after."""
    run = tmp_path / "output" / "lora_canvas" / "lcfox"
    for number, place in enumerate(UNSEEN * foxes.EACH):
        for strength, subject in enumerate(("cat", "fox")):
            leave(run / foxes.FOLDER / f"strength_{strength}_{number:02}.png", subject, place, number)
    for number, place in enumerate(UNSEEN):
        for step, subject in ((0, "cat"), (20, "fox")):
            leave(run / "samples" / f"step_{step:06}_{number:02}.png", subject, place, number)
    return tmp_path


@pytest.fixture
def run(base):
    return base / "output" / "lora_canvas" / "lcfox"


def test_every_prompt_asks_for_a_place_that_the_fox_was_not_seen_in():
    assert [place in prompt.split() for prompt, place in zip(PROMPTS, UNSEEN, strict=True)] == [True] * 3


def test_foxes_are_counted_by_step_and_by_strength(run, judge):
    assert foxes.of_steps(run, judge) == {0: foxes.Count(0, 3), 20: foxes.Count(3, 3)}
    assert foxes.of_strengths(run, judge) == {0: foxes.Count(0, 12), 1: foxes.Count(12, 12)}
    assert foxes.report(run, judge) == [
        "samples: 0 of 3 at step 0, 3 of 3 at step 20", "with the saved LoRA: 0 of 12 at strength 0, 12 of 12 at strength 1",
    ]  # fmt: skip


def test_a_fox_somewhere_else_does_not_count(run, judge):
    leave(run / "samples" / "step_000020_00.png", "fox", UNSEEN[1])
    assert foxes.of_steps(run, judge)[20] == foxes.Count(2, 3)


def test_all_is_well(base, judge):
    assert fox_problems(base, judge) == []


def test_what_was_not_learnt_is_named(base, run, judge):
    leave(run / "samples" / "step_000020_00.png", "cat", UNSEEN[0])
    assert fox_problems(base, judge) == []  # two of three
    leave(run / "samples" / "step_000020_01.png", "cat", UNSEEN[1])
    (told,) = fox_problems(base, judge)
    assert told.endswith("at step 20 the fox is in 1 of 3 pictures only")


def test_a_fox_without_the_lora_is_named(base, run, judge):
    for number in range(5):
        leave(run / foxes.FOLDER / f"strength_0_{number:02}.png", "fox", UNSEEN[number % 3])
    (told,) = fox_problems(base, judge)
    assert told.endswith("at strength 0 the fox is already in 5 of 12 pictures")


def test_no_pictures_are_named(tmp_path, base, run, judge):
    for path in (run / foxes.FOLDER).glob("strength_1*"):
        path.unlink()
    assert fox_problems(base, judge) == [f"{run} has no pictures of two strengths"]
    (told,) = fox_problems(tmp_path / "other", judge)
    assert "no pictures with the saved LoRA" in told
