"""Pictures -> training crops: which crops, and their exact pixels."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from pack.training.data.colour import full_mask, over_background
from pack.training.data.dataset import VALIDATION, Dataset, Sample
from pack.training.data.from_graph.graph_images import TensorPicture
from pack.training.data.items import item_mask, item_pixels, make_items
from pack.training.data.resize import resized_crop
from pack.training.data.specs import BucketSpec, FocalCrop, RandomCrops


def picture(width=96, height=64, channels=3, value=None):
    tensor = torch.arange(width * height * channels).reshape(height, width, channels) % 256 / 255
    return TensorPicture(tensor if value is None else torch.full((height, width, channels), value), "p")


def dataset(*samples, **buckets) -> Dataset:
    spec = BucketSpec(**{"resolution": 64, "min_bucket": 32, "max_bucket": 128, "bucket_step": 32, **buckets})
    return Dataset(samples=samples).with_buckets(spec)


def sample(image=None, name="a", **fields) -> Sample:
    return Sample(name=name, picture=image or picture(), caption="", **fields)


# ---- resizing ----


def test_area_averaging_by_hand():
    row = np.array([[[0], [90], [30]]], np.uint8)
    # 3 -> 2: the first takes pixel 0 and half of pixel 1: (0 + 45) / 1.5
    assert resized_crop(row, (2, 1), (0, 0), (2, 1))[0, :, 0].tolist() == [30, 50]
    assert resized_crop(row, (1, 1), (0, 0), (1, 1))[0, 0, 0] == 40
    assert resized_crop(row, (2, 1), (1, 0), (1, 1))[0, :, 0].tolist() == [50]


def test_halving_averages_four_pixels():
    pixels = np.arange(16, dtype=np.uint8).reshape(4, 4, 1)
    assert resized_crop(pixels, (2, 2), (0, 0), (2, 2))[..., 0].tolist() == [[2.5, 4.5], [10.5, 12.5]]


def test_enlarging_is_lanczos():
    pixels = np.array([[[0], [255]]], np.uint8)
    result = resized_crop(pixels, (4, 2), (0, 0), (4, 2))[..., 0]
    assert (result[0] == result[1]).all() and (np.diff(result[0]) >= 0).all()
    assert result[0, 0] < 20 and result[0, 3] > 235  # bilinear would give 0, 64, 191, 255


@settings(deadline=None)
@given(width=st.integers(1, 60), height=st.integers(1, 60), data=st.data())
def test_shrinking_keeps_the_mean_and_any_crop_is_a_part_of_the_whole(width, height, data):
    pixels = np.random.default_rng(width * 61 + height).integers(0, 255, (height, width, 2)).astype(np.uint8)
    size = (data.draw(st.integers(1, width)), data.draw(st.integers(1, height)))
    whole = resized_crop(pixels, size, (0, 0), size)
    assert whole.shape == (size[1], size[0], 2)
    assert np.allclose(whole.mean((0, 1)), pixels.mean((0, 1)), atol=0.01)
    left, top = data.draw(st.integers(0, size[0] - 1)), data.draw(st.integers(0, size[1] - 1))
    part = resized_crop(pixels, size, (left, top), (size[0] - left, size[1] - top))
    assert np.allclose(part, whole[top:, left:], atol=1e-3)


# ---- which items ----


def test_one_item_a_sample_and_resolution():
    items = make_items(dataset(sample(picture(128, 64)), sample(picture(64, 64), "b"), resolutions=(96,)))
    # The buckets of 64² are 64 x 64, 96 x 32 and 128 x 32: 2.0 is as far from 1.0 as from 3.0, and the first counts.
    assert [(item.sample.name, item.bucket) for item in items] == [("a", (64, 64)), ("a", (128, 64)), ("b", (64, 64)), ("b", (96, 96))]


def test_flip_is_an_alternative_with_its_crop_mirrored():
    (item,) = make_items(dataset(sample(picture(101, 64)), flip=True))
    # 101 x 64 -> 64 x 64: 37 to cut, 18 at the left, so 19 at the left of the mirror image.
    straight, mirrored = item.variants()
    assert mirrored.flip and not straight.flip
    assert [(v.resized, v.geometry.crop) for v in item.variants()] == [((101, 64), (18, 0)), ((101, 64), (19, 0))]
    assert torch.equal(item_pixels(straight), item_pixels(mirrored).flip(1))


def test_draws_take_all_variants_evenly_and_always_the_same():
    (item,) = make_items(dataset(sample(picture(128, 32)), flip=True, crop=RandomCrops(3), resolution=32))
    taken = [item.variant(seed) for seed in range(600)]
    assert taken == [item.variant(seed) for seed in range(600)]
    counts = [taken.count(variant) for variant in item.variants()]
    assert len(counts) == len(set(item.variants())) and min(counts) > 600 / len(counts) * 0.7


def test_random_crops_are_distinct_inside_and_follow_the_name():
    def crops(name):
        (item,) = make_items(dataset(sample(picture(300, 60), name), crop=RandomCrops(8)))
        assert item.resized == (160, 32) and item.bucket == (128, 32)
        return [variant.geometry.crop for variant in item.variants()]

    first = crops("a")
    assert first == crops("a") != crops("b")
    assert len(set(first)) == len(first) > 4 and all(0 <= left <= 32 and top == 0 for left, top in first)


def test_focal_crop_follows_the_mask():
    mask = torch.zeros(30, 150, 3)
    mask[:, 120:140] = 1  # centre of mass at 130 / 150
    (item,) = make_items(dataset(sample(picture(300, 60), mask=TensorPicture(mask, "m")), crop=FocalCrop()))
    assert item.geometry.crop == (32, 0)  # wants 160 * 0.867 - 64 = 75; the edge is at 160 - 128
    mask = torch.zeros(30, 150, 3)
    mask[:, 70:85] = 1
    (item,) = make_items(dataset(sample(picture(300, 60), mask=TensorPicture(mask, "m")), crop=FocalCrop()))
    assert item.geometry.crop == (19, 0)  # 160 * 77.5 / 150 - 64 = 18.67
    (item,) = make_items(dataset(sample(picture(300, 60)), crop=FocalCrop()))
    assert item.geometry.crop == (16, 0)


def test_validation_items_have_no_variants():
    (item,) = make_items(dataset(sample(picture(300, 60), role=VALIDATION), flip=True, crop=RandomCrops()))
    assert item.variants() == (item,) and item.geometry.crop == (16, 0)


def test_small_buckets_are_merged_into_the_nearest_full_one():
    square, wide, tall = picture(64, 64), picture(96, 32), picture(32, 96)
    samples = [sample(square, f"s{n}") for n in range(2)] + [sample(wide, "w", repeats=2), sample(tall, "t")]
    items = make_items(dataset(*samples, small_buckets="merge", batch_size=2))
    assert [item.bucket for item in items] == [(64, 64), (64, 64), (96, 32), (64, 64)]
    assert items[3].resized == (64, 192) and items[3].geometry.crop == (0, 64)
    items = make_items(dataset(*samples, small_buckets="merge", batch_size=10))
    assert {item.bucket for item in items} == {(64, 64)}  # none is full: the one with most draws, the first of equals
    assert [item.bucket for item in make_items(dataset(*samples))][2:] == [(96, 32), (32, 96)]


def test_each_sample_goes_by_its_own_buckets():
    small, usual = (BucketSpec(resolution=side, min_bucket=32, bucket_step=32) for side in (32, 64))
    samples = (sample(picture(64, 64), buckets=small), sample(picture(64, 64), "b", buckets=usual))
    items = make_items(Dataset(samples=samples))
    assert [item.bucket for item in items] == [(32, 32), (64, 64)]


# ---- pixels and masks ----


def test_pixels_without_scaling_are_the_pictures_own():
    image = picture(64, 64)
    (item,) = make_items(dataset(sample(image)))
    assert np.array_equal((item_pixels(item) * 255).round().numpy(), image.pixels()[:, :, :3])
    assert item_pixels(item).dtype == torch.float32 and item_mask(item) is None


def test_alpha_on_a_background_or_ignored():
    rgba = torch.tensor([0.0, 1.0, 0.0, 0.4]).expand(64, 64, 4)
    image = TensorPicture(rgba, "p")

    def centre(**fields):
        (item,) = make_items(dataset(sample(image, **fields)))
        return (item_pixels(item)[32, 32] * 255).tolist()

    assert centre() == pytest.approx([153, 255, 153])  # alpha 102: (0 * 102 + 255 * 153) / 255
    assert centre(background=(0, 0, 0)) == pytest.approx([0, 102, 0])
    assert centre(alpha="ignore") == pytest.approx([0, 255, 0])
    assert over_background(np.full((1, 1, 4), 255, np.uint8), (255, 255, 255))[0, 0].tolist() == [255, 255, 255]


def test_alpha_as_mask_joined_with_a_mask_file():
    rgba = torch.ones(64, 64, 4)
    rgba[:, :32, 3] = 0
    masked = sample(TensorPicture(rgba, "p"), alpha="mask")
    (item,) = make_items(dataset(masked))
    assert item_mask(item).mean() == 0.5 and item_mask(item)[0, 31] == 0 and item_mask(item)[0, 32] == 1
    upper = torch.zeros(64, 64, 3)
    upper[:32] = 1
    (item,) = make_items(dataset(sample(TensorPicture(rgba, "p"), alpha="mask", mask=TensorPicture(upper, "m"))))
    assert item_mask(item)[:32, 32:].mean() == 1 and item_mask(item).mean() == 0.25
    assert full_mask(sample(picture(), alpha="mask")) is None


def test_a_mask_of_another_size_is_fitted():
    mask = torch.zeros(16, 16, 1)
    mask[:, 8:] = 1
    (item,) = make_items(dataset(sample(picture(64, 64), mask=TensorPicture(mask, "m"))))
    fitted = item_mask(item)
    assert fitted.shape == (64, 64) and fitted[:, :28].max() < 0.1 and fitted[:, 36:].min() > 0.9


def test_the_mask_is_flipped_and_cropped_with_the_picture():
    mask = torch.zeros(60, 133, 3)
    mask[:, :20] = 1
    (item,) = make_items(dataset(sample(picture(133, 60), mask=TensorPicture(mask, "m")), flip=True))
    straight, mirrored = (item_mask(variant) for variant in item.variants())
    assert torch.equal(straight, mirrored.flip(1)) and straight[:, 0].min() == 1 and straight[:, -1].max() == 0
