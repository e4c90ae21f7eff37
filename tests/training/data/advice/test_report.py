"""Reports say what users can act on; sheets show the true crops."""

import numpy as np
import torch

from pack.training.data.advice.report import bucket_report, cropped_share, dataset_report, enlargement
from pack.training.data.buckets import BucketSpec
from pack.training.data.captions import CaptionSpec
from pack.training.data.dataset import Dataset, Sample
from pack.training.data.items import make_items
from pack.training.data.pictures import FilePicture, TensorPicture
from pack.training.drawing.contact_sheet import LABEL, TILE, crop_sheet, dataset_sheet
from pack.training.wording import some

SPEC = BucketSpec(resolution=64, min_bucket=32, max_bucket=128, bucket_step=32)


def flat(width, height, colour=(1.0, 1.0, 1.0)):
    return TensorPicture(torch.tensor(colour).expand(height, width, 3), "p")


def dataset(*samples, **fields):
    return Dataset(samples=samples, buckets=SPEC, captions=CaptionSpec(), **fields)


def sample(name, picture=None, **fields):
    return Sample(**{"name": name, "picture": picture or flat(64, 64), "caption": "c", **fields})


def test_dataset_report():
    text = dataset_report(dataset(
        sample("10_x/a.png", repeats=10, folder="10_x", class_words="x"),
        sample("10_x/b.png", repeats=10, folder="10_x", class_words="x", caption=" "),
        sample("c.png", caption=""), sample("v.png", is_validation=True), sample("r.png", repeats=3, is_regularisation=True),
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


def test_bucket_report():
    samples = [sample("a"), sample("b", repeats=2), sample("wide", flat(300, 60)), sample("small", flat(16, 16)),
               sample("v", flat(96, 32), is_validation=True)]  # fmt: skip
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


def test_the_crop_is_drawn_where_it_is():
    (item,) = make_items(dataset(sample("wide", flat(300, 60))))
    sheet = (crop_sheet([item])[0] * 255).round().numpy().astype(int)
    assert sheet.shape == (TILE + LABEL, TILE, 3)
    row = sheet[TILE // 2, :TILE]  # the thumbnail is 184 x 37, 4 from the left; crop 16..144 of 160 -> 18..165 of it
    yellow = np.flatnonzero((row == [255, 200, 0]).all(axis=1))
    assert yellow.tolist() == [22, 169]
    assert (row[30:160] == 255).all() and (row[4:22] == 90).all() and (row[170:188] == 90).all()


def test_masked_parts_are_red():
    mask = torch.zeros(64, 64, 3)
    mask[:, 32:] = 1
    sheet = dataset_sheet(dataset(sample("a", mask=TensorPicture(mask, "m"))))[0]
    assert sheet[96, 20].tolist() != [1, 1, 1] and sheet[96, 20, 0] > sheet[96, 20, 1] + 0.2
    assert sheet[96, 170].tolist() == [1, 1, 1]


def test_sheets_of_many_and_of_unreadable_pictures(tmp_path):
    samples = [sample(str(n)) for n in range(100)]
    sheet = dataset_sheet(dataset(*samples))
    assert sheet.shape == (1, 6 * (TILE + LABEL), 8 * TILE, 3) and 0 <= sheet.min() and sheet.max() <= 1
    gone = sample("gone", FilePicture(tmp_path / "gone.png", "gone"))
    assert dataset_sheet(dataset(gone)).shape == (1, TILE + LABEL, TILE, 3)
