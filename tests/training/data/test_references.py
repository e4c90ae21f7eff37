"""What an item sees of its references, and the cache of their latents."""

from dataclasses import replace

import pytest
import torch

from pack.tests.training.data.small_datasets import SPEC, dataset, sample
from pack.training.data.advice.doctor import diagnose
from pack.training.data.advice.report import dataset_report
from pack.training.data.from_graph.graph_images import TensorPicture, images_dataset
from pack.training.data.from_graph.merge import merge_datasets
from pack.training.data.items import item_pixels, make_items
from pack.training.data.references import Illustrated, ReferenceCache, views_of, whole_views
from pack.training.data.specs import RandomCrops
from pack.training.data.texts import TextCache
from pack.training.errors import DatasetError
from pack.training.protocols import TextCondition


def ramp(width: int, height: int) -> TensorPicture:
    """Red grows to the right, green downwards."""
    across, down = torch.linspace(0, 1, width), torch.linspace(0, 1, height)
    colour = torch.stack([across.expand(height, width), down[:, None].expand(height, width), torch.zeros(height, width)], dim=-1)
    return TensorPicture(colour, "ramp")


class Means:
    """The mean of each colour; `seen` holds the sizes of what was encoded."""

    identity, looks, follows_target, extras = "means", True, False, {"reference_latents_method": "index"}

    def __init__(self):
        self.seen = []

    def encode(self, picture, target):
        self.seen.append((tuple(picture.shape), target))
        return picture.mean((1, 2))[:, :, None, None]


def test_a_reference_of_the_same_shape_is_mirrored_and_cut_as_its_picture_is():
    spec = replace(SPEC, crop=RandomCrops(3), flip=True)
    pair = sample("a", ramp(192, 66), references=(ramp(384, 132), ramp(64, 64)))
    (item,) = make_items(dataset(pair).with_buckets(spec))
    assert len(item.variants()) > 2
    for variant in item.variants():
        same, other = views_of(variant)
        target, shown = item_pixels(variant), same.pixels()[0]
        assert other.pixels().shape == (1, 64, 64, 3)
        for place in ((0, 0), (-1, -1), (0, -1)):
            assert (target[place] - shown[place]).abs().max() < 0.03, "the same corner shows the same part of the ramp"
    assert len({view.content() for variant in item.variants() for view in views_of(variant)}) == len(item.variants()) + 2
    assert [view.pixels().shape for view in whole_views(pair, (8, 8))] == [(1, 132, 384, 3), (1, 64, 64, 3)]


def test_transparency_is_treated_as_the_picture_s():
    clear = TensorPicture(torch.zeros(64, 64, 4), "clear")
    red = sample("a", references=(clear,), background=(255, 0, 0))
    kept = replace(red, alpha="ignore")
    assert [views_of(make_items(dataset(one))[0])[0].pixels()[0, 0, 0].tolist() for one in (red, kept)] == [[1, 0, 0], [0, 0, 0]]


@pytest.mark.parametrize("on_disk", [False, True])
def test_each_is_encoded_once(tmp_path, on_disk):
    folder = tmp_path if on_disk else None
    shared = ramp(64, 64)
    items = make_items(dataset(sample("a", references=(shared, ramp(32, 64))), sample("b", references=(shared,)), sample("c")))
    encoder = Means()
    cache = ReferenceCache(encoder, folder)
    assert cache.encode_missing(items) == items
    assert [shape for shape, _ in encoder.seen] == [(1, 64, 64, 3), (1, 64, 32, 3)]
    extras = cache.extras(items[0])
    assert [tuple(latent.shape) for latent in extras["reference_latents"]] == [(1, 3, 1, 1)] * 2
    assert extras["reference_latents_method"] == "index" and cache.extras(items[2]) == {} and cache.places(items[0]) == 2
    again = Means()
    ReferenceCache(again, folder).encode_missing(items)
    assert len(again.seen) == (0 if on_disk else 2)
    other = Means()
    other.follows_target = True
    ReferenceCache(other, folder).encode_missing(items)
    assert len(other.seen) == 2, "where the size of the picture counts, it is part of the key"


def test_captions_are_read_beside_the_pictures_where_the_text_encoder_looks():
    class Letters:
        identity = "letters"

        def encode(self, text, pictures=()):
            return TextCondition(tensors={"cond": torch.tensor([[len(text), *(float(picture.sum()) for picture in pictures)]])})

    one, two, none = make_items(dataset(sample("a", references=(ramp(64, 64),)), sample("b", references=(ramp(32, 32),)), sample("c")))
    cache, texts = ReferenceCache(Means()), TextCache(Letters())
    prompts = [cache.prompt(item, "same") for item in (one, two, none)]
    assert [type(prompt) for prompt in prompts] == [Illustrated, Illustrated, str]
    texts.encode_missing(prompts)
    assert len({tuple(texts.get(prompt).tensors["cond"].flatten().tolist()) for prompt in prompts}) == 3
    blind = Means()
    blind.looks = False
    assert ReferenceCache(blind).prompt(one, "same") == "same"


def test_bad_latents_are_named():
    class Broken(Means):
        def encode(self, picture, target):
            return super().encode(picture, target) * float("nan")

    items = make_items(dataset(sample("a", references=(ramp(64, 64),)), sample("b")))
    with pytest.raises(DatasetError, match="a reference of a"):
        ReferenceCache(Broken()).encode_missing(items)
    assert ReferenceCache(Broken()).encode_missing(items, skip_unreadable=True) == items[1:]


def test_wired_references():
    def shown(count: int, *references):
        made = images_dataset([torch.zeros(count, 8, 8, 3)], references=references)
        return [[reference.pixels()[0, 0, 0] for reference in one.references] for one in made.samples]

    batch = torch.arange(4)[:, None, None, None].expand(4, 8, 8, 3) / 255
    assert shown(2, batch) == [[0, 1], [2, 3]] == shown(2, batch[:2], batch[2:])
    assert shown(2, batch[3:]) == [[3], [3]] and shown(4, batch) == [[0], [1], [2], [3]] and shown(2) == [[], []]
    with pytest.raises(DatasetError, match="3 references but 2 pictures"):
        shown(2, batch[:3])
    with pytest.raises(DatasetError, match="reference 1 of image 1"):
        shown(1, torch.full((1, 8, 8, 3), float("nan")))


def test_nothing_on_the_way_loses_them():
    paired = dataset(sample("a", references=(ramp(64, 64),)))
    merged = merge_datasets([paired, dataset(sample("a"))])
    assert [len(one.references) for one in merged.samples] == [1, 0]
    assert "1 with references" in dataset_report(merged)


def test_the_doctor_looks_at_pairs():
    picture = ramp(64, 64)
    said = " ".join(diagnose(dataset(sample("same", picture, references=(picture,)), sample("cut", references=(ramp(32, 64),)))))
    assert "the reference of same is the very same picture" in said and "another shape than a reference: cut" in said
