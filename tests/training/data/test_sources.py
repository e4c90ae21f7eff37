"""Datasets from the graph: images, encoded samples, merged ones."""

import pytest
import torch

from pack.training.data.buckets import BucketSpec
from pack.training.data.captions import CaptionSpec, final_caption, texts_needed
from pack.training.data.dataset import Dataset, Sample
from pack.training.data.encoded import encoded_dataset
from pack.training.data.graph_images import images_dataset
from pack.training.data.items import make_items
from pack.training.data.latents import LatentCache
from pack.training.data.merge import merge_datasets, with_captions
from pack.training.errors import DatasetError


class NoEncoder:
    identity, downscale = "none", 8

    def encode(self, pixels):
        raise AssertionError("nothing is to be encoded")


def condition(value, tokens=2, count=1):
    return [[torch.full((1, tokens, 4), float(value + n)), {"pooled_output": torch.full((1, 3), float(value + n)), "strength": 1.0}]
            for n in range(count)]  # fmt: skip


# ---- images ----


def test_images_in_batches_and_lists():
    images = [torch.zeros(2, 8, 8, 3), torch.ones(1, 4, 16, 3)]
    dataset = images_dataset(images, ["a", "b", "c"], repeats=3, trigger="ohwx")
    assert [(s.name, s.caption, s.picture.size(), s.repeats) for s in dataset.samples] == [
        ("image 1", "a", (8, 8), 3), ("image 2", "b", (8, 8), 3), ("image 3", "c", (16, 4), 3)
    ]  # fmt: skip
    assert final_caption(dataset.samples[0], dataset.captions, 0, 0) == "ohwx, a"


def test_one_caption_or_mask_serves_all():
    mask = torch.zeros(1, 8, 8)
    mask[:, :4] = 1
    dataset = images_dataset([torch.zeros(2, 8, 8, 3)], ["same"], [mask])
    assert [s.caption for s in dataset.samples] == ["same", "same"]
    assert [int(s.mask.pixels()[:, :, 0].sum()) for s in dataset.samples] == [255 * 32] * 2
    assert [s.caption for s in images_dataset([torch.zeros(2, 8, 8, 3)]).samples] == ["", ""]


def test_roles():
    (held,) = images_dataset([torch.zeros(1, 8, 8, 3)], repeats=5, role="validation").samples
    (regular,) = images_dataset([torch.zeros(1, 8, 8, 3)], role="regularisation", weight=0.5).samples
    assert (held.is_validation, held.repeats) == (True, 1)
    assert (regular.is_regularisation, regular.weight) == (True, 0.5)


def test_image_problems_are_named_at_once():
    with pytest.raises(DatasetError) as caught:
        images_dataset([torch.zeros(3, 8, 8, 3)], ["a", "b"], [torch.zeros(2, 8, 8)], role="boss")
    assert len(caught.value.problems) == 3 and "2 captions but 3 pictures" in str(caught.value)
    bad = torch.zeros(3, 8, 8, 3)
    bad[1] = bad[2] = float("nan")
    with pytest.raises(DatasetError, match="image 2(.|\n)*image 3"):
        images_dataset([bad])
    with pytest.raises(DatasetError, match="no picture"):
        images_dataset([])


# ---- encoded samples ----


def test_encoded_samples_are_used_as_they_are():
    latents = [{"samples": torch.rand(2, 4, 8, 16)}, {"samples": torch.rand(1, 4, 5, 5)}]
    dataset = encoded_dataset(latents, [condition(1, count=2), condition(7)], repeats=2)
    assert [(s.name, s.repeats) for s in dataset.samples] == [("latent 1, picture 1", 2), ("latent 1, picture 2", 2), ("latent 2", 2)]
    assert [float(s.condition.tensors["cond"][0, 0, 0]) for s in dataset.samples] == [1, 2, 7]
    assert dataset.samples[2].condition.tensors["pooled_output"].tolist() == [[7, 7, 7]]
    items = make_items(dataset)
    assert [item.bucket for item in items] == [(128, 64), (128, 64), (40, 40)]
    assert items[0].geometry.original == items[0].geometry.target and items[0].geometry.crop == (0, 0)
    cache = LatentCache(NoEncoder())
    assert cache.prepare(items) == items
    assert torch.equal(cache.get(items[1]), latents[0]["samples"][1]) and cache.mask(items[1]) is None
    assert texts_needed(dataset.samples, dataset.captions) == ()


def test_latents_made_in_inference_mode_can_be_trained_on():
    with torch.inference_mode():
        dataset = encoded_dataset([{"samples": torch.rand(1, 4, 8, 8)}], [condition(1)])
    (sample,) = dataset.samples
    assert not sample.picture.entry["latent"].is_inference() and not sample.condition.tensors["cond"].is_inference()


def test_one_conditioning_serves_all_and_batched_tensors_are_shared_out():
    dataset = encoded_dataset([{"samples": torch.rand(1, 4, 8, 8)}] * 3, [condition(5)])
    assert [float(s.condition.tensors["cond"][0, 0, 0]) for s in dataset.samples] == [5, 5, 5]
    batched = [[torch.tensor([[[1.0]], [[2.0]]]), {}]]
    dataset = encoded_dataset([{"samples": torch.rand(2, 4, 8, 8)}], [batched])
    assert [s.condition.tensors["cond"].tolist() for s in dataset.samples] == [[[[1.0]]], [[[2.0]]]]


def test_a_noise_mask_becomes_the_loss_mask():
    mask = torch.zeros(1, 1, 64, 64)
    mask[..., :12] = 1
    dataset = encoded_dataset([{"samples": torch.rand(2, 4, 8, 8), "noise_mask": mask}], [condition(1)])
    (first, second) = make_items(dataset)
    found = LatentCache(NoEncoder()).mask(second)
    assert found.shape == (8, 8) and found[3].tolist() == [1, 0.5, 0, 0, 0, 0, 0, 0]


def test_another_latent_or_prompt_is_another_sample():
    latent = torch.rand(1, 4, 8, 8)
    first, same, other = (encoded_dataset([{"samples": x}], [condition(c)]).samples[0]
                          for x, c in ((latent, 1), (latent.clone(), 1), (latent + 1e-3, 2)))  # fmt: skip
    assert first.picture.digest() == same.picture.digest() != other.picture.digest()
    assert first.caption == same.caption != other.caption


@pytest.mark.parametrize(
    "latents, conditions, says",
    [
        ([{"samples": torch.rand(1, 4, 8, 8)}] * 3, [condition(1)] * 2, "3 latents but 2 conditionings"),
        ([{"samples": torch.rand(3, 4, 8, 8)}], [condition(1, count=2)], "3 pictures, but its conditioning 2 prompts"),
        ([{"samples": torch.rand(4, 8, 8)}], [condition(1)], "latent 1: is no batch of latents"),
        ([{"samples": torch.full((1, 4, 8, 8), float("inf"))}], [condition(1)], "latent 1: holds NaN"),
        ([], [], "no latent"),
    ],
)
def test_what_does_not_fit_is_named(latents, conditions, says):
    with pytest.raises(DatasetError, match=says):
        encoded_dataset(latents, conditions)


# ---- merging ----


def dataset(folder, *names, trigger="", resolution=1024, **fields):
    samples = tuple(Sample(name=name, picture=None, caption=folder, **fields) for name in names)
    return Dataset(samples=samples, buckets=BucketSpec(resolution=resolution), captions=CaptionSpec(trigger=trigger),
                   problems=(f"{folder} problem",), warnings=(f"{folder} warning",), facts={"folder": folder})  # fmt: skip


def test_merged_pictures_keep_what_they_bring():
    merged = merge_datasets([dataset("dogs", "1.png", "d.png", trigger="dogx"), dataset("cats", "1.png", trigger="catx", resolution=512)])
    assert [s.name for s in merged.samples] == ["dogs/1.png", "d.png", "cats/1.png"]
    assert [final_caption(s, merged.captions, 0, 0) for s in merged.samples] == ["dogx, dogs", "dogx, dogs", "catx, cats"]
    assert [s.buckets and s.buckets.resolution for s in merged.samples] == [None, None, 512]
    assert merged.problems == ("dogs problem", "cats problem") and merged.warnings == ("dogs warning", "cats warning")
    assert merged.facts["folder"] == "dogs + cats"


def test_folders_of_the_same_name_are_numbered():
    merged = merge_datasets([dataset("x", "1.png"), dataset("x", "1.png"), dataset("y", "2.png")])
    assert [s.name for s in merged.samples] == ["dataset 1/1.png", "dataset 2/1.png", "2.png"]


def test_merging_merged_ones_keeps_the_first_settings():
    inner = merge_datasets([dataset("a", "a"), dataset("b", "b", trigger="bx")])
    outer = merge_datasets([dataset("c", "c", trigger="cx"), inner])
    assert [final_caption(s, outer.captions, 0, 0) for s in outer.samples] == ["cx, c", "a", "bx, b"]


def test_caption_config_keeps_triggers_unless_it_brings_one():
    merged = merge_datasets([dataset("a", "a", trigger="ax"), dataset("b", "b", trigger="bx")])
    kept = with_captions(merged, CaptionSpec(prefix="photo"))
    assert [final_caption(s, kept.captions, 0, 0) for s in kept.samples] == ["photo, ax, a", "photo, bx, b"]
    new = with_captions(merged, CaptionSpec(trigger="nx"))
    assert [final_caption(s, new.captions, 0, 0) for s in new.samples] == ["nx, a", "nx, b"]
    assert all(sample.captions is None for sample in new.samples)
