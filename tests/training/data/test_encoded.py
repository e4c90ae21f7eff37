"""What the graph has encoded already is trained on as it is."""

import pytest
import torch

from pack.training.data.captions import texts_needed
from pack.training.data.encoded import encoded_dataset
from pack.training.data.items import make_items
from pack.training.data.latents import LatentCache
from pack.training.errors import DatasetError


class NoEncoder:
    identity, downscale = "none", 8

    def encode(self, pixels):
        raise AssertionError("nothing is to be encoded")


def condition(value, tokens=2, count=1):
    return [[torch.full((1, tokens, 4), float(value + n)), {"pooled_output": torch.full((1, 3), float(value + n)), "strength": 1.0}]
            for n in range(count)]  # fmt: skip


def test_encoded_samples_are_used_as_they_are():
    latents = [{"samples": torch.rand(2, 4, 8, 16)}, {"samples": torch.rand(1, 4, 5, 5)}]
    dataset = encoded_dataset(latents, [condition(1, count=2), condition(7)], repeats=2)
    assert [(s.name, s.repeats) for s in dataset.samples] == [("latent 1, picture 1", 2), ("latent 1, picture 2", 2), ("latent 2", 2)]
    assert [float(s.condition.tensors["cond"][0, 0, 0]) for s in dataset.samples] == [1, 2, 7]
    assert dataset.samples[2].condition.tensors["pooled_output"].tolist() == [[7, 7, 7]]
    items = make_items(dataset)
    assert [item.bucket for item in items] == [(128, 64), (128, 64), (40, 40)]
    assert not dataset.samples[0].picture.has_alpha() and dataset.samples[0].picture.file is None
    assert items[0].geometry.original == items[0].geometry.target and items[0].geometry.crop == (0, 0)
    cache = LatentCache(NoEncoder())
    assert cache.encode_missing(items) == items
    assert torch.equal(cache.get(items[1]), latents[0]["samples"][1]) and cache.mask(items[1]) is None
    assert texts_needed(dataset.samples) == ()


def test_latents_made_in_inference_mode_can_be_trained_on():
    with torch.inference_mode():
        dataset = encoded_dataset([{"samples": torch.rand(1, 4, 8, 8)}], [condition(1)])
    (sample,) = dataset.samples
    assert not sample.picture.encoded["latent"].is_inference() and not sample.condition.tensors["cond"].is_inference()


def test_one_conditioning_serves_all_and_batched_tensors_are_shared_out():
    dataset = encoded_dataset([{"samples": torch.rand(1, 4, 8, 8)}] * 3, [condition(5)])
    assert [float(s.condition.tensors["cond"][0, 0, 0]) for s in dataset.samples] == [5, 5, 5]
    batched = [[torch.tensor([[[1.0]], [[2.0]]]), {}]]
    dataset = encoded_dataset([{"samples": torch.rand(2, 4, 8, 8)}], [batched])
    assert [s.condition.tensors["cond"].tolist() for s in dataset.samples] == [[[[1.0]]], [[[2.0]]]]


def test_all_that_a_condition_holds_is_kept_and_shared_out():
    references = [torch.arange(2.0).reshape(2, 1, 1, 1), torch.ones(1, 1, 1, 1)]
    batched = [[torch.zeros(2, 1, 1), {"reference_latents": references, "guidance": 2.5, "pooled_output": None}]]
    dataset = encoded_dataset([{"samples": torch.rand(2, 4, 8, 8)}], [batched])
    values = [sample.condition.values for sample in dataset.samples]
    assert [one["guidance"] for one in values] == [2.5, 2.5] and "pooled_output" not in values[0]
    assert [[float(tensor) for tensor in one["reference_latents"]] for one in values] == [[0, 1], [1, 1]]
    other = encoded_dataset([{"samples": torch.rand(2, 4, 8, 8)}], [[[torch.zeros(2, 1, 1), {"guidance": 3.5}]]])
    assert dataset.samples[0].caption != other.samples[0].caption


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
