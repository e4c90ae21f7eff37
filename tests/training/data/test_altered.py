"""Augmentation: what is done to pixels by hand-computed values, and that every version is cached and drawn as mirrored pictures are."""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch

from pack.training.data.altered import Alteration, window_of
from pack.training.data.from_graph.graph_images import TensorPicture
from pack.training.data.items import item_mask, item_pixels, make_items
from pack.training.data.latents import LatentCache, latent_key
from pack.training.data.specs import BucketSpec, RandomCrops
from pack.training.errors import DatasetError, SettingsError

from .small_datasets import SPEC, dataset, flat, sample


def items_of(*samples, **settings):
    return make_items(dataset(*samples).with_buckets(replace(SPEC, **settings)))


def ramp(side: int = 96) -> TensorPicture:
    """Brighter to the right, 2 levels a pixel."""
    return TensorPicture((torch.arange(side) * 2 / 255).expand(side, side)[:, :, None].expand(side, side, 3), "ramp")


def test_colours_by_hand():
    pixel = np.array([[[200.0, 100.0, 50.0]]], np.float32)
    assert Alteration(brightness=1.1).coloured(pixel)[0, 0].tolist() == pytest.approx([220, 110, 55], abs=1e-3)
    assert Alteration(contrast=0.5).coloured(pixel)[0, 0].tolist() == pytest.approx([163.75, 113.75, 88.75], abs=1e-3)
    # its grey is 0.299 * 200 + 0.587 * 100 + 0.114 * 50 = 124.2
    assert Alteration(saturation=0.0).coloured(pixel)[0, 0].tolist() == pytest.approx([124.2] * 3, abs=1e-3)
    assert Alteration(saturation=2.0).coloured(pixel)[0, 0].tolist() == pytest.approx([255, 75.8, 0], abs=1e-3)


def test_a_turned_ramp_by_hand():
    (item,) = items_of(sample("a", ramp()), rotation=20.0, augmentations=3)
    for version in item.alternatives:
        angle, scale = math.radians(version.altered.angle), version.resized[0] / 96
        seen = item_pixels(version)[:, :, 0].numpy() * 255
        assert abs(version.altered.angle) <= 20
        across = (seen[32, 40] - seen[32, 24]) / 16
        down = (seen[40, 32] - seen[24, 32]) / 16
        assert across == pytest.approx(2 * math.cos(angle) / scale, abs=0.05)
        assert abs(down) == pytest.approx(abs(2 * math.sin(angle)) / scale, abs=0.05)


@pytest.mark.parametrize("settings", [{"rotation": 45.0}, {"crop_range": 0.5}, {"rotation": 15.0, "crop_range": 0.7, "flip": True},
                                      {"rotation": 30.0, "crop": RandomCrops(2)}])  # fmt: skip
@pytest.mark.parametrize("size", [(64, 64), (200, 90), (50, 130)])
def test_no_corner_is_empty(settings, size):
    (item,) = items_of(sample("a", flat(*size)), augmentations=16, **settings)
    assert len(item.alternatives) >= 16
    for version in item.variants():
        pixels = item_pixels(version)
        assert pixels.shape == (item.bucket[1], item.bucket[0], 3)
        assert pixels.min() > 0.998


def test_a_closer_crop_shows_the_share_that_it_says():
    (item,) = items_of(sample("a", flat(64, 64)), crop_range=0.5, augmentations=32)
    shown = [64 / version.resized[0] for version in item.alternatives]
    assert 0.5 <= min(shown) < 0.6 and 0.9 < max(shown) <= 1
    assert all(abs(version.geometry.crop[0] - (version.resized[0] - 64) / 2) <= 1 for version in item.alternatives)


def test_the_mask_turns_with_the_picture():
    half = torch.zeros(96, 96, 3)
    half[:, 48:] = 1
    (item,) = items_of(sample("a", TensorPicture(half, "p"), mask=TensorPicture(half, "m")), rotation=30.0, crop_range=0.6)
    for version in item.variants():
        assert (item_mask(version) - item_pixels(version)[:, :, 0]).abs().max() < 1e-5


def test_versions_follow_from_the_name_and_each_draw_from_its_seed():
    settings = {"rotation": 10.0, "colour": 0.2, "augmentations": 5, "flip": True}
    (first,), (again,), (other,) = (items_of(sample(name), **settings) for name in ("a", "a", "b"))
    altered = [version.altered for version in first.variants()]
    assert altered == [version.altered for version in again.variants()] and altered[2] != [*other.variants()][2].altered
    assert len(altered) == 12 and altered[:2] == [Alteration()] * 2 and altered[2] == altered[3]
    drawn = [first.variant(seed) for seed in range(200)]
    assert {id(version) for version in drawn} == {id(version) for version in first.variants()}
    assert drawn[7] is first.variant(7)


class Encoder:
    identity = "e"
    encoded = 0

    def encode(self, pixels):
        self.encoded += len(pixels)
        return pixels.mean(dim=(1, 2))[:, :, None, None].expand(-1, -1, 8, 8)


def test_each_version_is_encoded_once_and_kept(tmp_path):
    encoder = Encoder()
    items = items_of(sample("a", ramp()), colour=0.1, augmentations=3)
    for expected in (4, 4):
        LatentCache(encoder, tmp_path).encode_missing(items)
        assert encoder.encoded == expected
    assert len({latent_key(version, "e") for version in items[0].variants()}) == 4


def test_what_is_refused():
    with pytest.raises(SettingsError, match="rotation is 90 but must be from 0 to 45"):
        BucketSpec(rotation=90.0)
    with pytest.raises(DatasetError, match="a has references, which cannot be augmented"):
        items_of(sample("a", references=(flat(64, 64),)), colour=0.1)


def test_the_window_holds_the_turned_crop():
    assert window_of((64, 64), 0.0) == (64, 64)
    wide, high = window_of((64, 32), 30.0)
    assert wide >= 64 * math.cos(math.pi / 6) + 32 * 0.5 and (wide - 64) % 2 == (high - 32) % 2 == 0
