"""What every picture answers, whoever made it; and rules that are set for all pictures of a dataset."""

from pathlib import Path

import pytest
import torch

from pack.tests.training.data.pictures_on_disk import gradient, save
from pack.training.data.dataset import ROLES, Dataset, Sample
from pack.training.data.encoded import EncodedPicture
from pack.training.data.from_graph.graph_images import TensorPicture
from pack.training.data.pictures import FilePicture
from pack.training.data.specs import BucketSpec, CaptionSpec


@pytest.mark.parametrize("kind", ["file", "tensor", "encoded"])
def test_every_picture_answers_what_is_asked(kind, tmp_path):
    path = save(tmp_path / "a.png", gradient(64, 96))
    picture = {
        "file": lambda: FilePicture(path, "a.png"), "tensor": lambda: TensorPicture(torch.zeros(96, 64, 3), "image 1"),
        "encoded": lambda: EncodedPicture(torch.rand(4, 12, 8)),
    }[kind]()  # fmt: skip
    assert picture.size() == (64, 96) and picture.has_alpha() is False and len(picture.digest()) == 64
    for pixels in (picture.pixels(), picture.small_pixels(4)):
        assert pixels.shape[2] == 4 and pixels.dtype == "uint8"
    assert isinstance(picture.file, Path) == (kind == "file")
    assert (picture.encoded is not None) == (kind == "encoded")


def dataset(*triggers: str) -> Dataset:
    return Dataset(samples=tuple(
        Sample(name=f"{n}.png", picture=None, caption="dog", captions=CaptionSpec(trigger=trigger)) for n, trigger in enumerate(triggers)
    ))  # fmt: skip


def test_only_what_is_held_out_is_not_trained():
    samples = [Sample(name="a", picture=None, caption="", role=role) for role in ROLES]
    assert [sample.role for sample in samples if sample.is_trained] == ["training", "regularisation"]
    assert Sample(name="a", picture=None, caption="").role == "training"


def test_buckets_are_set_for_all():
    spec = BucketSpec(resolution=768)
    changed = dataset("a", "b").with_buckets(spec)
    assert [sample.buckets for sample in changed.samples] == [spec, spec] and changed.buckets == spec
    assert [sample.captions.trigger for sample in changed.samples] == ["a", "b"]


def test_captions_are_set_for_all_but_an_empty_trigger_keeps_the_old_ones():
    spec = CaptionSpec(prefix="photo", trigger=" ")
    changed = dataset("a", "b", "a").with_captions(spec)
    assert [(s.captions.prefix, s.captions.trigger) for s in changed.samples] == [("photo", "a"), ("photo", "b"), ("photo", "a")]
    new = CaptionSpec(trigger="n")
    assert {sample.captions for sample in changed.with_captions(new).samples} == {new} and changed.with_captions(new).captions == new


def test_what_can_be_said_once_is_the_first_ones():
    assert dataset("a", "b").captions.trigger == "a" and dataset("a").buckets == BucketSpec()
