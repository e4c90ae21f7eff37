"""What a dataset says arrives in the loop: encoded samples, mirrored crops, masks, weights, final captions."""

from dataclasses import replace
from types import SimpleNamespace

import torch

from pack.tests.training.run.fakes import Bench, TinyImageEncoder, TinyTextEncoder, pictures
from pack.training.data.batches import Draw, draw_seed
from pack.training.data.captions import final_caption, texts_needed
from pack.training.data.dataset import Dataset
from pack.training.data.encoded import encoded_dataset
from pack.training.data.from_graph.graph_images import TensorPicture
from pack.training.data.from_graph.merge import merge_datasets
from pack.training.data.items import item_pixels, make_items
from pack.training.data.latents import LatentCache
from pack.training.data.specs import BucketSpec, CaptionSpec
from pack.training.data.texts import TextCache
from pack.training.events import Message
from pack.training.objective.spec import ObjectiveSpec
from pack.training.run.feed import Feed
from pack.training.specs import RunSpec


class Identity:
    """A denoiser and an objective that need nothing."""

    device = torch.device("cpu")
    parametrisation = "epsilon"
    patch = 2

    def to_model_space(self, latents):
        return latents


def feed(dataset: Dataset, objective: ObjectiveSpec | None = None) -> Feed:
    items = make_items(dataset)
    latents, texts = LatentCache(TinyImageEncoder()), TextCache(TinyTextEncoder())
    latents.encode_missing(items)
    texts.encode_missing(texts_needed(dataset.samples))
    chosen = SimpleNamespace(spec=objective or ObjectiveSpec(), sample_weight=lambda weight, is_regularisation: weight)
    return Feed(denoiser=Identity(), objective=chosen, items=items, latents=latents, texts=texts)


def draw(item, seed=0):
    return Draw(item, 0, 0, draw_seed(seed, 0, item, 0))


SPEC = BucketSpec(resolution=64, min_bucket=64, max_bucket=64)


def test_encoded_samples_beside_pictures():
    latent = torch.rand(1, 4, 8, 8)
    encoded = encoded_dataset([{"samples": latent}], [[[torch.full((1, 3), 7.0), {}]]])
    plain = Dataset(samples=pictures(1)).with_buckets(SPEC).with_captions(CaptionSpec(trigger="ohwx"))
    run = feed(merge_datasets([plain, encoded]))
    both = [draw(0), draw(1)]
    fed = run.batch(both)
    assert torch.equal(fed.latents[1], latent[0]) and fed.masks is None
    first, second = fed.conditions
    assert torch.equal(first.text.tensors["cond"], TinyTextEncoder().encode("ohwx, a cat number 0").tensors["cond"])
    assert second.text.tensors["cond"].tolist() == [[7, 7, 7]] and second.geometry.target == (64, 64)


def test_guidance_of_the_objective_conditions_every_draw():
    dataset = Dataset(samples=pictures(1)).with_buckets(SPEC)
    assert feed(dataset).batch([draw(0)]).conditions[0].extras == {}
    told = feed(dataset, ObjectiveSpec(guidance=3.5)).batch([draw(0)]).conditions
    assert [condition.extras for condition in told] == [{"guidance": 3.5}]


def test_a_draw_is_mirrored_with_its_geometry():
    wide = TensorPicture(torch.rand(64, 101, 3), "wide")
    sample = replace(pictures(1)[0], picture=wide)
    dataset = Dataset(samples=(sample,)).with_buckets(replace(SPEC, flip=True))
    run = feed(dataset)
    (item,) = make_items(dataset)
    lefts = set()
    for seed in range(10):
        one = draw(0, seed)
        variant = item.variant(one.seed)
        fed = run.batch([one])
        assert torch.equal(fed.latents[0], TinyImageEncoder().encode(item_pixels(variant)[None])[0])
        assert fed.conditions[0].geometry == variant.geometry
        lefts.add(variant.geometry.crop[0])
    assert lefts == {18, 19}


def test_masks_stand_beside_unmasked_pictures():
    mask = torch.zeros(64, 64, 3)
    mask[:, :16] = 1
    first, second = pictures(2)
    run = feed(Dataset(samples=(replace(first, mask=TensorPicture(mask, "m")), second)).with_buckets(SPEC))
    masks = run.batch([draw(0), draw(1)]).masks
    assert masks.shape == (2, 1, 8, 8)
    assert masks[0, 0, 0].tolist() == [1, 1, 0, 0, 0, 0, 0, 0] and masks[1].min() == 1


def test_every_drawn_caption_is_cached_ahead():
    spec = CaptionSpec(shuffle=True, tag_dropout=0.3, caption_dropout=0.2, variants=3)
    sample = replace(pictures(1)[0], caption="a, b, c, d", captions=spec)
    encoder = TinyTextEncoder()
    texts = TextCache(encoder)
    texts.encode_missing(texts_needed([sample]))
    encoder.encode = None  # from here on nothing may be encoded
    seen = {final_caption(sample, draw_seed(1, epoch, 0, 0), epoch) for epoch in range(50)}
    assert len(seen) == 4 and "" in seen
    for text in seen:
        texts.get(text)


def test_a_run_says_that_one_line_of_a_caption_is_trained_at_a_time(tmp_path):
    several = (replace(pictures(1)[0], caption="a cat\nit sleeps"), *pictures(2)[1:])
    for lines, expected in (("random", 1), ("all", 0)):
        bench = Bench(tmp_path / lines, RunSpec(steps=1), samples=several, captions=CaptionSpec(lines=lines))
        bench.run()
        said = [event for event in bench.recorder.of(Message) if "drawn at random" in event.text]
        assert len(said) == expected and all("picture 0.png" in event.text for event in said)
