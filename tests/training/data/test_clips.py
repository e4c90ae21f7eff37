"""A batch of images as one clip: its frames, its digest, its mask, its place among pictures."""

import pytest
import torch

from pack.training.data.from_graph.graph_images import images_dataset
from pack.training.data.items import item_mask, item_pixels, make_items
from pack.training.data.specs import BucketSpec
from pack.training.errors import DatasetError

SPEC = BucketSpec(resolution=64, min_bucket=64, max_bucket=128, bucket_step=64)


def video(length: int, width: int = 64, seed: int = 0) -> torch.Tensor:
    return torch.randint(0, 256, (length, 64, width, 3), generator=torch.Generator().manual_seed(seed)) / 255


def test_each_batch_is_one_clip_with_one_caption():
    dataset = images_dataset([video(5), video(9)], ["a", "b"], clip_frames=0)
    assert [(s.name, s.caption, s.picture.frames) for s in dataset.samples] == [("clip 1", "a", 5), ("clip 2", "b", 9)]
    assert len(images_dataset([video(5), video(9)]).samples) == 14


def test_the_first_frames_are_used():
    (sample,) = images_dataset([video(9)], clip_frames=5).samples
    assert torch.equal(torch.from_numpy(sample.picture.clip().copy()) / 255, video(9)[:5])


def test_pixels_are_the_frames_bit_by_bit_and_every_frame_is_cut_alike():
    (item,) = make_items(images_dataset([video(5)], clip_frames=0).with_buckets(SPEC))
    assert torch.equal(item_pixels(item), video(5)) and item.shape == (64, 64, 5)
    wide = video(1, width=100).expand(3, -1, -1, -1)
    (item,) = make_items(images_dataset([wide], clip_frames=0).with_buckets(SPEC))
    (still,) = make_items(images_dataset([wide[:1]]).with_buckets(SPEC))
    assert still.shape == still.bucket == item.bucket
    assert torch.equal(item_pixels(item), item_pixels(still).expand(3, -1, -1, -1))


def test_every_frame_is_in_the_digest():
    changed = video(5)
    changed[4, 0, 0, 0] = 1 - changed[4, 0, 0, 0]
    clips = (video(5), changed, video(5)[:4], video(5)[:1])
    digests = {images_dataset([clip], clip_frames=0).samples[0].picture.digest() for clip in clips}
    assert len(digests) == 4


def test_a_clip_has_one_mask():
    mask = torch.zeros(1, 64, 64)
    mask[:, :32] = 1
    (item,) = make_items(images_dataset([video(5)], masks=[mask], clip_frames=0).with_buckets(SPEC))
    assert torch.equal(item_mask(item), mask[0])
    with pytest.raises(DatasetError, match="there are 5 masks but 2 pictures"):
        images_dataset([video(5), video(5)], masks=[mask.expand(5, -1, -1)], clip_frames=0)


def test_what_is_no_clip_is_named():
    with pytest.raises(DatasetError, match="clip 1: has shape .* Connect an IMAGE without transparency"):
        images_dataset([torch.rand(5, 64, 64, 4)], clip_frames=0)
