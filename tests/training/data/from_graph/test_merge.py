"""Merged datasets: each picture keeps the rules that it brings, until a node sets others for all."""

from pack.training.data.captions import final_caption
from pack.training.data.dataset import Dataset, Sample
from pack.training.data.from_graph.merge import merge_datasets
from pack.training.data.specs import BucketSpec, CaptionSpec


def dataset(folder, *names, trigger="", resolution=1024, **fields):
    fields = {"buckets": BucketSpec(resolution=resolution), "captions": CaptionSpec(trigger=trigger), **fields}
    samples = tuple(Sample(name=name, picture=None, caption=folder, **fields) for name in names)
    return Dataset(samples=samples, problems=(f"{folder} problem",), warnings=(f"{folder} warning",), facts={"folder": folder})


def test_merged_pictures_keep_what_they_bring():
    merged = merge_datasets([dataset("dogs", "1.png", "d.png", trigger="dogx"), dataset("cats", "1.png", trigger="catx", resolution=512)])
    assert [s.name for s in merged.samples] == ["dogs/1.png", "d.png", "cats/1.png"]
    assert [final_caption(s, 0, 0) for s in merged.samples] == ["dogx, dogs", "dogx, dogs", "catx, cats"]
    assert [s.buckets.resolution for s in merged.samples] == [1024, 1024, 512]
    assert merged.captions.trigger == "dogx" and merged.buckets.resolution == 1024  # the first one's stand for all
    assert merged.problems == ("dogs problem", "cats problem") and merged.warnings == ("dogs warning", "cats warning")
    assert merged.facts["folder"] == "dogs + cats"


def test_folders_of_the_same_name_are_numbered():
    merged = merge_datasets([dataset("x", "1.png"), dataset("x", "1.png"), dataset("y", "2.png")])
    assert [s.name for s in merged.samples] == ["dataset 1/1.png", "dataset 2/1.png", "2.png"]


def test_merging_merged_ones_keeps_the_first_settings():
    inner = merge_datasets([dataset("a", "a"), dataset("b", "b", trigger="bx")])
    outer = merge_datasets([dataset("c", "c", trigger="cx"), inner])
    assert [final_caption(s, 0, 0) for s in outer.samples] == ["cx, c", "a", "bx, b"]


def test_caption_config_keeps_triggers_unless_it_brings_one():
    merged = merge_datasets([dataset("a", "a", trigger="ax"), dataset("b", "b", trigger="bx")])
    kept = merged.with_captions(CaptionSpec(prefix="photo"))
    assert [final_caption(s, 0, 0) for s in kept.samples] == ["photo, ax, a", "photo, bx, b"]
    new = merged.with_captions(CaptionSpec(trigger="nx"))
    assert [final_caption(s, 0, 0) for s in new.samples] == ["nx, a", "nx, b"]
    assert {sample.captions for sample in new.samples} == {CaptionSpec(trigger="nx")}
