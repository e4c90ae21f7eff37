"""Latents and texts: encoded once, never stale, whatever is edited or broken."""

import os
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from pack.tests.training.data.pictures_on_disk import gradient, save
from pack.training.data.dataset import Dataset, Sample
from pack.training.data.decoding import Header
from pack.training.data.from_graph.graph_images import TensorPicture
from pack.training.data.items import item_pixels, make_items
from pack.training.data.latents import LatentCache
from pack.training.data.pictures import FilePicture
from pack.training.data.specs import BucketSpec, RandomCrops
from pack.training.data.texts import TextCache
from pack.training.errors import DatasetError
from pack.training.events import Message, Progress
from pack.training.files.store import TensorStore, content_key
from pack.training.protocols import TextCondition

SPEC = BucketSpec(resolution=64, min_bucket=32, max_bucket=128, bucket_step=32)


class Averages:
    """A VAE that averages 8 x 8 pixels."""

    downscale = 8

    def __init__(self, identity="vae"):
        self.identity, self.batches = identity, []

    def encode(self, pixels):
        self.batches.append(len(pixels))
        return torch.nn.functional.avg_pool2d(pixels.movedim(-1, 1), 8)


class Letters:
    """A text encoder that counts letters."""

    def __init__(self, identity="clip"):
        self.identity, self.texts = identity, []

    def encode(self, text):
        self.texts.append(text)
        pooled = torch.tensor([[ord(c) for c in text[:3]]])
        return TextCondition(tensors={"cond": torch.full((1, 2, 3), float(len(text))), "pooled": pooled})


def items_of(*pictures, **fields):
    fields = {"buckets": SPEC, **fields}
    samples = tuple(Sample(name=f"p{n}", picture=picture, caption="", **fields) for n, picture in enumerate(pictures))
    return make_items(Dataset(samples=samples))


def solid(value, width=64, height=64):
    return TensorPicture(torch.full((height, width, 3), value), f"solid {value}")


@pytest.fixture(params=["memory", "disk"])
def folder(request, tmp_path) -> Path | None:
    return tmp_path / "cache" if request.param == "disk" else None


def test_latents_are_those_of_the_pixels(folder):
    items = items_of(solid(0.2), solid(0.8, 128, 32), solid(0.4))
    encoder = Averages()
    cache = LatentCache(encoder, folder)
    assert cache.encode_missing(items) == items
    assert sorted(encoder.batches) == [1, 2]  # one batch a bucket
    for item in items:
        expected = Averages().encode(item_pixels(item)[None])[0]
        assert torch.equal(cache.get(item), expected) and cache.mask(item) is None
        assert not cache.get(item).is_inference()


def test_batches_are_bounded_by_pixels(folder):
    items = items_of(*(solid(n / 10) for n in range(7)))
    encoder = Averages()
    LatentCache(encoder, folder, pixels_per_batch=3 * 64 * 64).encode_missing(items)
    assert encoder.batches == [3, 3, 1]


@pytest.mark.parametrize(("at_once", "batches"), [(3, [3, 3, 1]), (1, [1] * 7), (None, [7]), (10**6, [7])])
def test_batches_are_bounded_by_what_there_is_memory_for(folder, at_once, batches):
    encoder = Averages()
    LatentCache(encoder, folder).encode_missing(items_of(*(solid(n / 10) for n in range(7))), at_once=at_once)
    assert encoder.batches == batches


def test_progress_and_equal_content_encoded_once(folder):
    seen = []
    encoder = Averages()
    LatentCache(encoder, folder).encode_missing(items_of(solid(0.2), solid(0.2), solid(0.3)), seen.append)
    assert encoder.batches == [2]
    assert seen == [Progress(phase="latents", done=done, total=3) for done in (0, 1, 3)]


def test_a_second_preparation_encodes_nothing(folder):
    items = items_of(solid(0.2), solid(0.3))
    encoder = Averages()
    cache = LatentCache(encoder, folder)
    cache.encode_missing(items)
    cache.encode_missing(items)
    if folder:
        LatentCache(encoder, folder).encode_missing(items)
    assert sum(encoder.batches) == 2


def test_whatever_shapes_a_latent_is_part_of_its_key(tmp_path):
    path = save(tmp_path / "a.png", gradient(64, 64))
    mask = save(tmp_path / "m.png", gradient(64, 64))

    def encoded(encoder=None, **fields) -> int:
        encoder = encoder or Averages()
        items = items_of(FilePicture(path, "a"), **fields)
        LatentCache(encoder, tmp_path / "cache").encode_missing(items)
        return sum(encoder.batches)

    assert encoded() == 1 and encoded() == 0
    assert encoded(Averages("another vae")) == 1
    assert encoded(mask=FilePicture(mask, "m")) == 1 and encoded(mask=FilePicture(mask, "m")) == 0
    assert encoded(background=(0, 0, 0)) == 1 and encoded(alpha="ignore") == 1
    assert encoded(buckets=replace(SPEC, resolution=32)) == 1
    assert encoded(buckets=replace(SPEC, flip=True)) == 1  # the mirrored one only
    save(mask, gradient(64, 64)[::-1].copy())
    assert encoded(mask=FilePicture(mask, "m")) == 1
    save(path, gradient(64, 64)[::-1].copy())
    assert encoded() == 1


def test_masks_at_latent_size(folder):
    mask = torch.zeros(64, 64, 3)
    mask[:, :12] = 1
    (item,) = items_of(solid(0.5), mask=TensorPicture(mask, "m"))
    cache = LatentCache(Averages(), folder)
    cache.encode_missing([item])
    assert cache.mask(item).shape == (8, 8)
    assert cache.mask(item)[0].tolist() == [1, 0.5, 0, 0, 0, 0, 0, 0]


def test_variants_are_encoded(folder):
    (item,) = items_of(TensorPicture(torch.rand(64, 64, 3), "r"), buckets=replace(SPEC, flip=True))
    encoder = Averages()
    cache = LatentCache(encoder, folder)
    cache.encode_missing([item])
    assert encoder.batches == [2]
    straight, mirrored = (cache.get(variant) for variant in item.variants())
    assert torch.allclose(straight, mirrored.flip(2)) and encoder.batches == [2]


def test_a_picture_is_decoded_once_for_all_its_variants():
    class Counting(TensorPicture):
        decoded = 0

        def pixels(self):
            self.decoded += 1
            return super().pixels()

    picture = Counting(torch.rand(64, 300, 3), "r")
    (item,) = items_of(picture, buckets=replace(SPEC, flip=True, crop=RandomCrops()))
    assert len(item.variants()) > 4
    picture.decoded = 0
    LatentCache(Averages()).encode_missing([item])
    assert picture.decoded == 1


def test_cancel_keeps_what_is_done(tmp_path):
    items = items_of(*(solid(n / 10) for n in range(6)))
    encoder = Averages()

    def check():
        if len(encoder.batches) == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        LatentCache(encoder, tmp_path, pixels_per_batch=64 * 64).encode_missing(items, check=check)
    again = Averages()
    LatentCache(again, tmp_path).encode_missing(items)
    assert sum(again.batches) == 4


def test_all_unreadable_pictures_are_named_at_once(tmp_path, folder):
    bad = [FilePicture(tmp_path / f"{name}.png", f"{name}.png") for name in ("gone", "broken")]
    bad[1].file.write_bytes(save(tmp_path / "x.png", gradient(64, 64)).read_bytes()[:-500])
    items = make_items(Dataset(
        samples=tuple(Sample(name=p.name, picture=replace_known(p), caption="") for p in bad)
        + (Sample(name="good", picture=solid(0.5), caption=""),),
    ).with_buckets(SPEC))  # fmt: skip
    with pytest.raises(DatasetError) as caught:
        LatentCache(Averages(), folder).encode_missing(items)
    assert [problem.split(":")[0] for problem in caught.value.problems] == ["gone.png", "broken.png"]
    seen = []
    usable = LatentCache(Averages(), folder).encode_missing(items, seen.append, skip_unreadable=True)
    assert [item.sample.name for item in usable] == ["good"]
    assert sum(isinstance(event, Message) and event.level == "warning" for event in seen) == 2


def replace_known(picture):
    return replace(picture, known=Header((64, 64), False))


def test_nan_latents_name_the_picture(folder):
    class Overflows(Averages):
        def encode(self, pixels):
            latents = super().encode(pixels)
            latents[1, 0, 0, 0] = float("inf")
            return latents

    with pytest.raises(DatasetError, match="p1: the VAE made NaN") as caught:
        LatentCache(Overflows(), folder).encode_missing(items_of(solid(0.1), solid(0.2), solid(0.3)))
    assert len(caught.value.problems) == 1 and "--fp32-vae" in str(caught.value)


def test_an_entry_that_vanished_or_broke_is_made_again(tmp_path):
    (item,) = items_of(solid(0.5))
    encoder = Averages()
    cache = LatentCache(encoder, tmp_path)
    cache.encode_missing([item])
    (path,) = tmp_path.glob("*/*.safetensors")
    expected = cache.get(item)
    path.write_bytes(path.read_bytes()[:20])
    assert torch.equal(cache.get(item), expected) and torch.equal(cache.get(item), expected)
    path.unlink()
    assert torch.equal(cache.get(item), expected)
    assert len(encoder.batches) == 3


def test_texts_are_encoded_once(folder):
    encoder, seen = Letters(), []
    cache = TextCache(encoder, folder)
    cache.encode_missing(["a", "bb", "a", ""], seen.append)
    assert encoder.texts == ["a", "bb", ""] and seen[-1] == Progress(phase="captions", done=3, total=3)
    assert cache.get("bb").tensors["cond"].tolist() == [[[2.0] * 3] * 2]
    cache.encode_missing(["bb", "a"])
    assert len(encoder.texts) == 3
    assert cache.get("new").tensors["pooled"].tolist() == [[110, 101, 119]] and encoder.texts[-1] == "new"


def test_texts_on_disk_are_shared_and_follow_the_encoder(tmp_path):
    TextCache(Letters(), tmp_path).encode_missing(["a"])
    same, other = Letters(), Letters("with a LoRA")
    TextCache(same, tmp_path).encode_missing(["a"])
    TextCache(other, tmp_path).encode_missing(["a"])
    assert same.texts == [] and other.texts == ["a"]


def test_what_is_no_tensor_is_kept_too(tmp_path):
    """On disk where a file can hold it, in memory where not."""

    class More(Letters):
        foreign = object()

        def encode(self, text):
            more = {"hooks": self.foreign} if text == "foreign" else {"layers": 3, "list": [torch.ones(1), torch.zeros(2)]}
            return TextCondition(tensors=super().encode(text).tensors, values=more)

    TextCache(More(), tmp_path).encode_missing(["plain"])
    encoder = More()
    cache = TextCache(encoder, tmp_path)
    cache.encode_missing(["plain", "foreign"])
    assert encoder.texts == ["foreign"] and cache.get("foreign").values["hooks"] is More.foreign
    values = cache.get("plain").values
    assert values["layers"] == 3 and [tensor.tolist() for tensor in values["list"]] == [[1], [0, 0]]


@pytest.mark.parametrize("name", ["cond", "t5xxl.out"])
def test_nan_texts_are_named(folder, name):
    """The whole text, and that of one encoder which is kept beside trained ones."""

    class Broken(Letters):
        def encode(self, text):
            return TextCondition(tensors={name: torch.full((1, 1), float("nan"))})

    with pytest.raises(DatasetError, match="'a dog'"):
        TextCache(Broken(), folder).encode_missing(["a dog"])

    class OddPooled(Letters):
        def encode(self, text):
            return TextCondition(tensors={"cond": torch.ones(1, 1), "pooled_output": torch.full((1, 1), float("nan"))})

    TextCache(OddPooled(), folder).encode_missing(["a dog"])


def test_texts_stop_when_told(folder):
    encoder = Letters()

    def check():
        if encoder.texts:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        TextCache(encoder, folder).encode_missing("abc", check=check)
    assert encoder.texts == ["a"]


class TestStore:
    def entry(self, store, number, age):
        key = content_key(number)
        store.put(key, {"x": torch.zeros(250)})  # 1,000 bytes and a header
        os.utime(store.path(key), ns=(age * 10**9, age * 10**9))
        return key

    def test_the_oldest_go_first_and_kept_ones_stay(self, tmp_path):
        store = TensorStore(tmp_path, size_limit=2_500)
        keys = [self.entry(store, number, age=number + 1) for number in range(4)]
        size = store.path(keys[0]).stat().st_size
        assert store.trim(keep=[keys[0]]) == 2 * size
        assert [store.has(key) for key in keys] == [True, False, False, True]
        assert TensorStore(tmp_path).trim() == 0

    def test_reading_counts_as_use(self, tmp_path):
        store = TensorStore(tmp_path, size_limit=1_500)
        keys = [self.entry(store, number, age=number + 1) for number in range(2)]
        store.get(keys[0])
        store.trim()
        assert [store.has(key) for key in keys] == [True, False]

    def test_nothing_temporary_is_left(self, tmp_path):
        store = TensorStore(tmp_path)
        key = self.entry(store, 1, 1)
        self.entry(store, 1, 1)
        assert [path for path in tmp_path.rglob("*") if path.is_file()] == [store.path(key)]

    def test_what_a_full_or_forbidden_disk_refuses_stays_in_memory_and_is_said_once(self, tmp_path):
        (tmp_path / "file").write_text("in the way")
        store, heard = TensorStore(tmp_path / "file"), []
        for value in (1, 2):
            store.put(f"{value}" * 64, {"x": torch.full((2,), value)})
        assert store.has("1" * 64) and store.get("2" * 64)["x"].tolist() == [2, 2] and not TensorStore(tmp_path / "file").has("1" * 64)
        store.settle(["1" * 64], heard.append)
        store.settle(["1" * 64], heard.append)
        assert [message.level for message in heard] == ["warning"]
        assert heard[0].text.startswith("the cache on disk takes no more, so what is encoded stays in memory. '1111")

    def test_a_cache_that_can_only_be_read_is_read(self, tmp_path, monkeypatch):
        store = TensorStore(tmp_path)
        key = self.entry(store, 1, 1)

        def read_only(path):
            raise OSError(30, "Read-only file system")

        monkeypatch.setattr(os, "utime", read_only)
        assert store.get(key) is not None

    def test_an_entry_that_another_run_has_open_is_left(self, tmp_path, monkeypatch):
        store = TensorStore(tmp_path)
        key = self.entry(store, 1, 1)

        def refuse(source, target):
            raise PermissionError(13, "in use")

        monkeypatch.setattr(os, "replace", refuse)
        store.put(key, {"x": torch.ones(1)})
        assert len(store.get(key)["x"]) == 250 and not list(tmp_path.rglob(".*"))
        store.put("cd" * 32, {"x": torch.ones(1)})
        assert store.has("cd" * 32) and not store.path("cd" * 32).exists()

    def test_a_foreign_file_is_no_entry(self, tmp_path):
        store = TensorStore(tmp_path)
        assert store.get("ab" * 32) is None
        store.path("ab" * 32).parent.mkdir(parents=True)
        store.path("ab" * 32).write_bytes(b"\xff" * 100)
        assert store.get("ab" * 32) is None
        save_file({"x": torch.ones(2)}, store.path("ab" * 32))
        assert store.get("ab" * 32)["x"].tolist() == [1, 1]


def test_keys_differ_for_different_values():
    assert content_key("a", 1) == content_key("a", 1)
    assert len({content_key("a", 1), content_key("a", "1"), content_key("a1"), content_key(["a", 1]), content_key("a", (2,))}) == 5
