"""Reports say what users can act on."""

import torch

from pack.tests.training.data.small_datasets import dataset, flat, sample
from pack.training.data.advice.report import bucket_report, cropped_share, dataset_report, enlargement
from pack.training.data.dataset import REGULARISATION, VALIDATION
from pack.training.data.from_graph.graph_images import images_dataset
from pack.training.data.items import make_items
from pack.training.wording import some


def test_dataset_report():
    text = dataset_report(dataset(
        sample("10_x/a.png", repeats=10, folder="10_x", class_words="x"),
        sample("10_x/b.png", repeats=10, folder="10_x", class_words="x", caption=" "),
        sample("c.png", caption=""), sample("v.png", role=VALIDATION), sample("r.png", repeats=3, role=REGULARISATION),
        problems=("bad.png: is damaged.",), warnings=("watch out",),
    ))  # fmt: skip
    assert text.splitlines() == [
        "5 pictures, 24 draws an epoch",
        "  10_x: 2 pictures, repeats 10, 1 captioned, the others as 'x'",
        "  (top folder): 1 picture, repeats 1, 0 captioned",
        "  validation (top folder): 1 picture, repeats 1, all captioned",
        "  regularisation (top folder): 1 picture, repeats 3, all captioned",
        "", "Cannot be used:", "  bad.png: is damaged.",
        "", "Note:", "  watch out", "  1 picture without a caption: c.png. Add captions, or set a trigger word.",
    ]  # fmt: skip


def test_clips_and_references_are_counted():
    three, five = (images_dataset([torch.zeros(frames, 8, 8, 3)], clip_frames=0).samples[0].picture for frames in (3, 5))
    text = dataset_report(dataset(sample("a"), sample("b", five), sample("c", three), sample("d", five, references=(flat(8, 8),))))
    assert text.splitlines()[1] == (
        "  (top folder): 4 pictures, repeats 1, all captioned, 1 with references, 1 with 3 frames, 2 with 5 frames"
    )


def test_bucket_report():
    samples = [sample("a"), sample("b", repeats=2), sample("wide", flat(300, 60)), sample("small", flat(16, 16)),
               sample("v", flat(96, 32), role=VALIDATION)]  # fmt: skip
    text = bucket_report(make_items(dataset(*samples)), 2)
    assert text.splitlines() == [
        "2 buckets, 3 batches of 2 an epoch",
        "  64 x 64: 3 pictures, 4 draws, 2 batches",
        "  128 x 32: 1 picture, 1 draw, 1 batch, the last with 1 of 2",
        "", "Cropped by more than a tenth:", "  wide: 20% of its area",
        "", "Enlarged:", "  small: 4.00 times",
        "", "Note:", "  1 of these batches are short: each of their pictures weighs more. "
        "Raise bucket_step, or choose 'merge' for small_buckets.",
    ]  # fmt: skip


def test_measures():
    (item,) = make_items(dataset(sample("wide", flat(300, 60))))
    assert item.resized == (160, 32) and item.bucket == (128, 32)
    assert abs(cropped_share(item) - 0.2) < 1e-9 and abs(enlargement(item) - 160 / 300) < 1e-9


def test_some():
    assert some("abc") == "a, b, c" and some("abcd", 2) == "a, b and 2 more"
