"""What the doctor finds, and what it leaves alone."""

import numpy as np
import pytest
import torch
from PIL import Image

from pack.training.data.advice.caption_preview import past_limits, preview_captions
from pack.training.data.advice.check import caption_problems
from pack.training.data.advice.doctor import diagnose, doctor_report
from pack.training.data.advice.duplicates import groups, near_pairs
from pack.training.data.batches import BatchPlan
from pack.training.data.captions import final_caption
from pack.training.data.dataset import REGULARISATION, VALIDATION, Dataset, Sample
from pack.training.data.decoding import Header
from pack.training.data.from_graph.graph_images import TensorPicture
from pack.training.data.pictures import FilePicture
from pack.training.data.specs import BucketSpec, CaptionSpec
from pack.training.errors import SettingsError
from pack.training.protocols import TextCondition


def scene(seed, size=96):
    """A smooth picture that differs from those of other seeds."""
    coarse = torch.rand(1, 3, 6, 6, generator=torch.Generator().manual_seed(seed))
    return torch.nn.functional.interpolate(coarse, size=(size, size), mode="bicubic").clamp(0, 1)[0].movedim(0, 2)


def sample(name, seed=None, caption=None, **fields):
    picture = fields.pop("picture", None) or TensorPicture(scene(sum(map(ord, name)) if seed is None else seed), name)
    return Sample(name=name, picture=picture, caption=f"ohwx {name}" if caption is None else caption, **fields)


def dataset(*samples, captions=None, **fields):
    return Dataset(samples=samples, **fields).with_buckets(BucketSpec(resolution=64)).with_captions(captions or CaptionSpec())


def healthy(count=6):
    return [sample(f"p{n}", seed=n) for n in range(count)]


def test_a_healthy_dataset_has_no_findings():
    assert diagnose(dataset(*healthy())) == ()
    assert doctor_report(()) == "Nothing found that would hurt."


def only_finding(*samples, **fields) -> str:
    (finding,) = diagnose(dataset(*healthy(), *samples, **fields))
    return finding


def test_near_duplicates_at_another_size_and_quality(tmp_path):
    pixels = (scene(3) * 255).byte().numpy()
    Image.fromarray(pixels).resize((200, 200)).save(tmp_path / "copy.jpg", quality=40)
    finding = only_finding(sample("copy.jpg", picture=FilePicture(tmp_path / "copy.jpg", "copy.jpg")))
    assert finding.startswith("look the same: p3, copy.jpg.")


def test_validation_overlap():
    finding = only_finding(sample("held", seed=4, role=VALIDATION))
    assert "held looks like p4" in finding and "validation pictures that are also trained" in finding


def test_identical_captions():
    finding = only_finding(sample("a", 50, "ohwx The  dog"), sample("b", 51, "ohwx the dog"))
    assert "2 pictures share the caption 'ohwx the dog': a, b" in finding


def test_missing_captions_and_unfilled_triggers():
    finding = only_finding(sample("a", 50, " "))
    assert finding.startswith("1 picture without a caption: a.")
    finding = only_finding(sample("a", 50, "ohwx [trigger]"))
    assert finding.startswith("1 caption with [trigger] but no trigger word is set: a.")


def test_captions_that_are_not_needed():
    empty = sample("a", 50, "")
    assert caption_problems(dataset(empty)) != ()
    for fine in (
        dataset(empty, captions=CaptionSpec(trigger="ohwx")), dataset(empty, captions=CaptionSpec(allow_empty=True)),
        dataset(empty, captions=CaptionSpec(prefix="photo")), dataset(sample("a", 50, "", class_words="dog")),
        dataset(sample("a", 50, "", condition=TextCondition(tensors={}))),
    ):  # fmt: skip
        assert caption_problems(fine) == ()
    regular = sample("r", 50, "", role=REGULARISATION)
    assert caption_problems(dataset(regular, captions=CaptionSpec(trigger="ohwx"))) != ()


def test_a_forgotten_trigger_word():
    many = [sample(f"p{n}", n, f"{'ohwx ' if n else ''}standing on hill{n}") for n in range(6)]
    many[1] = sample("p1", 1, "ohwx sitting near a lake")
    (finding,) = diagnose(dataset(*many))
    assert "'ohwx' is in most captions but not in p0." in finding
    assert diagnose(dataset(*many, captions=CaptionSpec(trigger="ohwx"))) == ()


def test_pictures_that_are_too_small_or_too_few():
    finding = only_finding(sample("small", picture=TensorPicture(scene(77, 32), "small")))
    assert "1 picture too small for the resolution: small (2.0 times)" in finding
    (finding,) = diagnose(dataset(*healthy(2)))
    assert "only 2 pictures" in finding


def test_transparency(tmp_path):
    rgba = np.dstack([(scene(60) * 255).byte().numpy(), np.full((96, 96), 9, np.uint8)])
    Image.fromarray(rgba).save(tmp_path / "a.png")
    picture = FilePicture(tmp_path / "a.png", "a.png")
    assert "transparency is ignored: a" in only_finding(sample("a", picture=picture, alpha="ignore"))
    assert "may be transparent" in only_finding(sample("a", picture=picture))
    assert diagnose(dataset(*healthy(), sample("a", picture=picture, alpha="mask"))) == ()


def test_masks():
    black, wide = (TensorPicture(torch.full(shape, value), "m") for shape, value in (((96, 96, 3), 0.0), ((48, 96, 3), 1.0)))
    assert "1 mask all black: a." in only_finding(sample("a", 60, mask=black))
    assert "1 mask of another shape than the picture: a." in only_finding(sample("a", 60, mask=wide))


def test_broken_pictures_do_not_stop_it(tmp_path):
    broken = FilePicture(tmp_path / "x.png", "x.png", known=Header((96, 96), False))
    found = diagnose(dataset(*healthy(), sample("x", picture=broken), sample("m", 61, mask=broken), problems=("y.png: is damaged.",)))
    assert found[0] == "y.png: is damaged." and any("x.png: is gone" in finding for finding in found)


def test_several_lines():
    assert "1 caption with several lines: a." in only_finding(sample("a", 60, "ohwx one\nohwx two"))


def test_progress():
    seen = []
    diagnose(dataset(*healthy(3)), lambda done, total: seen.append((done, total)))
    assert seen == [(1, 3), (2, 3), (3, 3)]


def test_near_pairs_by_hand():
    bits = [0, 0b111111, 0b1111111, 0b111111 << 20]
    hashes = {10 * n: np.array([value, value], np.uint64) for n, value in enumerate(bits)}
    assert list(near_pairs(hashes)) == [(0, 10), (0, 30), (10, 20)]  # 6, 7, 6 bits from the first; 1, 12, 13 otherwise
    assert list(near_pairs({})) == [] and groups(iter([(3, 5), (1, 2), (5, 2), (8, 9)])) == [[1, 2, 3, 5], [8, 9]]


# ---- caption preview ----


def words(text):
    return len(text.split())


def test_what_lies_past_the_limits():
    text = " ".join(f"w{n}" for n in range(230))
    assert past_limits(" ".join(text.split()[:75]), words) == []
    (first, second) = past_limits(text, words)
    assert first[0] == 77 and first[1].split()[0] == "w75" and second == (225, "w225 w226 w227 w228 w229")
    assert past_limits("x", lambda t: 600 if t else 0)[2] == (512, "x")


def test_the_preview_shows_the_draws_of_the_run():
    data = dataset(sample("v", 0, role=VALIDATION), sample("a", 1), sample("b", 2, "b, c, d, e", repeats=2),
                   captions=CaptionSpec(shuffle=True, trigger="ohwx"))  # fmt: skip
    plan = BatchPlan([0, 0], [1, 2], batch_size=1, accumulation=1, seed=7)
    draws = sorted((d.epoch, d.repeat, d.seed) for step in range(6) for (batch,) in plan.group(step) for d in [batch] if d.item == 1)
    expected = [final_caption(data.samples[2], seed, epoch) for epoch, _, seed in draws]
    shown = preview_captions(data, "b", 4, seed=7).splitlines()
    assert [line.split(": ", 1)[1] for line in shown[1:]] == expected
    assert [line.split(":")[0].strip() for line in shown[1:]] == ["1. epoch 1", "2. epoch 1", "3. epoch 2", "4. epoch 2"]


def test_the_preview_counts_tokens():
    text = preview_captions(dataset(sample("a", 1, " ".join("x" * 80))), "1", 1, 0, words)
    assert "[80 tokens]" in text and "past 77 tokens: x x x x x" in text
    empty = preview_captions(dataset(sample("a", 1), captions=CaptionSpec(caption_dropout=1.0)), "", 1, 0, words)
    assert "(empty)  [0 tokens]" in empty


def test_pictures_are_chosen_by_number_name_or_folder():
    data = dataset(sample("x/a.png", folder="x"), sample("x/b.png", folder="x"), sample("y/c.png", folder="y"))

    def shown(picture):
        return [block.split(" (")[0] for block in preview_captions(data, picture, 1, 0).split("\n\n")]

    assert shown("") == ["x/a.png", "y/c.png"] and shown("2") == ["x/b.png"] and shown("B.PN") == ["x/b.png"]
    with pytest.raises(SettingsError, match="number from 1 to 3"):
        shown("nothing")
