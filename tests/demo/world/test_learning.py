"""The autoencoder, the UNet and the whole command, for a few steps each; and the committed judge."""

import random

import numpy as np
import pytest
import torch

from pack.demo.world import scoring, train
from pack.demo.world.album import CAPTIONS, Page, album
from pack.demo.world.budget import Budget
from pack.demo.world.drawn.cards import card_of, cards, taught
from pack.demo.world.drawn.drawing import draw_all
from pack.demo.world.judge import NAMES, accuracy, examples, formless
from pack.demo.world.learn_unet import Config, Learner
from pack.demo.world.learn_vae import decibels, learn_vae, pictures
from pack.demo.world.scoring import shares
from pack.demo.world.unet import Shape
from pack.demo.world.vae import VAE

CPU = torch.device("cpu")
LEAST = Shape(levels=((1,),), out=((0, 0),))


def test_the_autoencoder_begins_as_a_soft_miniature_and_learns():
    every = pictures(8, 1, workers=1)[..., ::4, ::4]
    torch.manual_seed(0)
    before = decibels(VAE(), every)
    after = decibels(learn_vae(every, Budget(steps=60), 4, 0, CPU, bf16=False), every)
    assert 11 < before < after - 0.5


@pytest.fixture(scope="module")
def pages():
    return album(VAE().eval(), 16, 1, CPU, workers=1)


def test_an_album_has_every_shape_and_captions_for_each_picture(pages):
    assert [share for share, _ in pages] == [0.5, 0.125, 0.125, 0.125, 0.125]
    assert [tuple(page.latents.shape) for _, page in pages] == [
        (8, 4, 16, 16), (2, 4, 14, 18), (2, 4, 18, 14), (2, 4, 12, 20), (2, 4, 20, 12),
    ]  # fmt: skip
    lengths = {page.tokens.shape[2] for _, page in pages}
    assert len(lengths) == 1 and all(page.tokens.shape[:2] == (len(page.latents), CAPTIONS) for _, page in pages)
    assert all(torch.isfinite(page.bias[..., 0]).all() for _, page in pages)


def page(count: int) -> Page:
    """Noise in place of latents of 4 x 4 places, each with a word of its own."""
    tokens = torch.full((count, CAPTIONS, 3), 49407)
    tokens[..., 0], tokens[..., 1] = 49406, torch.arange(count)[:, None]
    latents = torch.randn(count, 4, 4, 4, generator=torch.Generator().manual_seed(1))
    return Page(latents, tokens, torch.zeros(count, CAPTIONS, 1, 1, 3))


def learner(rate: float = 5e-4) -> Learner:
    return Learner(Config(LEAST, rate), [(0.7, page(8)), (0.3, page(3))], 4, 3, CPU, bf16=False)


class Killed(Exception):
    pass


def test_a_run_that_was_killed_goes_on_bit_by_bit(tmp_path, monkeypatch):
    state = tmp_path / "state.pt"
    whole, first, second = learner(), learner(), learner()
    whole.run(Budget(steps=5))

    def killed_at(step):
        def learn(progress):
            if first.step == step:
                raise Killed
            return Learner._learn(first, progress)

        return learn

    monkeypatch.setattr(first, "_learn", killed_at(3))
    with pytest.raises(Killed):
        first.run(Budget(steps=5), state, every=2)
    budget = Budget(steps=5)
    second.resume(state, budget)
    assert second.step == 2
    second.run(budget)
    assert whole.step == second.step == 5
    for name, weight in whole.mean.state_dict().items():
        assert torch.equal(weight, second.mean.state_dict()[name]), name


def test_the_loss_falls():
    found = learner()
    losses = [found._learn(step / 20).item() for step in range(20)]
    assert sum(losses[-5:]) < 0.7 * sum(losses[:5])


def test_the_command_leaves_weights_samples_and_numbers(tmp_path, monkeypatch):
    monkeypatch.setitem(train.CONFIGS, "small", Config(LEAST))
    monkeypatch.setattr(scoring, "STEPS", 2)
    small = ["--vae-steps", "1", "--pictures", "16", "--batch", "2", "--workers", "1", "--judged", "2", "--save-every", "1"]
    small += ["--out", str(tmp_path)]
    report = train.main([*small, "--steps", "2"])
    assert set(report["small"]) == {*NAMES, "all", "steps", "seconds"} and report["small"]["steps"] == 2
    left = {path.name for path in tmp_path.iterdir()}
    assert left >= {"report.json", "samples.png", "small.pt", "vae.pt", "world-1.safetensors"}
    again = train.main([*small, "--steps", "3"])
    assert again["small"]["steps"] == 3


def test_a_configuration_that_is_not_there_is_refused(capsys):
    with pytest.raises(SystemExit):
        train.options(["--out", "x", "--configs", "small,huge"])
    assert "huge: there are small" in capsys.readouterr().err


@pytest.mark.parametrize("clean", [True, False], ids=["clean", "spoilt"])
def test_the_judge_is_right_about_drawn_pictures(clean):
    """At least 99 of 100 (learn_judge prints it on thousands); 5 more wrong of 400 than 1 in 100 is next to impossible."""
    found = accuracy(train.judge_on(CPU), *examples(400, 77, clean))
    assert all(share >= 0.9775 for share in found.values()), found


def test_the_judge_does_not_take_a_smear_for_a_subject():
    numbers = random.Random(5)
    smears = [formless(card_of(("cat", "red", place), numbers), numbers) for place in ("snow", "sea", "room") * 10]
    pixels = torch.from_numpy(np.stack([np.asarray(smear) for smear in smears])).permute(0, 3, 1, 2) / 255
    said = train.judge_on(CPU).says(pixels)
    assert sum(answer["subject"] == "" for answer in said) >= 27


def test_shares_count_each_answer_and_all_together():
    some = cards(2, 1, taught())
    said = [{name: getattr(card, name) for name in NAMES} for card in some]
    assert shares(some, said) == {"subject": 1, "colour": 1, "place": 1, "all": 1}
    said[0]["colour"] = said[1]["place"] = "x"
    assert shares(some, said) == {"subject": 1, "colour": 0.5, "place": 0.5, "all": 0}


def test_the_judge_sees_pictures_of_any_size():
    drawn = torch.from_numpy(draw_all(cards(6, 8, taught()), (20, 12), workers=1)).permute(0, 3, 1, 2) / 255
    assert [answer["place"] for answer in train.judge_on(CPU).says(drawn)] == [card.place for card in cards(6, 8, taught())]
