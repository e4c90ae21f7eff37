"""A picture that changes while a run is going: it is noticed, and nothing of it is taken for what it was."""

from dataclasses import replace
from pathlib import Path

import pytest

from pack.tests.training.data.pictures_on_disk import gradient, save
from pack.tests.training.run.fakes import Bench
from pack.training.data.dataset import Dataset, Sample
from pack.training.data.folder.index import FileIndex
from pack.training.data.items import make_items
from pack.training.data.latents import LatentCache
from pack.training.data.pictures import FilePicture, changed, held
from pack.training.data.specs import BucketSpec
from pack.training.errors import DatasetError
from pack.training.events import Emitter, Message, StepDone
from pack.training.run.carry_out import carry_out
from pack.training.specs import RunSpec

SIDE = 64


def turned():
    return gradient(SIDE, SIDE)[::-1].copy()


@pytest.fixture(params=["index", "no index"])
def samples(request, tmp_path) -> tuple[Sample, ...]:
    index = FileIndex(tmp_path / "index.sqlite") if request.param == "index" else None
    paths = [save(tmp_path / "pictures" / f"{n}.png", gradient(SIDE, SIDE) // (n + 1)) for n in range(3)]
    return tuple(Sample(name=path.name, picture=FilePicture(path, path.name, index=index), caption="c") for path in paths)


def file_of(sample: Sample) -> Path:
    assert isinstance(sample.picture, FilePicture)
    return sample.picture.file


class Edited(FilePicture):
    """Somebody saves another picture over it while it is read."""

    def pixels(self):
        found = super().pixels()
        save(self.file, turned())
        return found


class Encoder:
    identity, downscale = "vae", 8

    def encode(self, pixels):
        return pixels.movedim(-1, 1)[:, :, ::8, ::8]


@pytest.mark.parametrize("is_held", [True, False])
def test_no_entry_is_written_under_another_contents_key(samples, tmp_path, is_held):
    picture = Edited(file_of(samples[0]), "0.png", index=samples[0].picture.index)
    dataset = Dataset(samples=(replace(samples[0], picture=picture),)).with_buckets(BucketSpec(resolution=SIDE, min_bucket=SIDE))
    items = make_items(held(dataset) if is_held else dataset)
    with pytest.raises(DatasetError, match="0.png: has changed since the run began"):
        LatentCache(Encoder(), tmp_path / "cache").encode_missing(items)
    assert not list((tmp_path / "cache").rglob("*.safetensors"))


def test_held_files_keep_their_digest_and_tell_that_they_changed(samples):
    (sample, *_) = held(Dataset(samples=samples)).samples
    before = sample.picture.digest()
    assert changed(sample) == []
    save(file_of(sample), turned())
    assert sample.picture.digest() == before != samples[0].picture.digest()
    assert changed(sample) == ["0.png"] and changed(samples[0]) == []
    file_of(sample).unlink()
    assert changed(sample) == ["0.png"]


def bench(samples, tmp_path, on_event=lambda event: None, **fields) -> Bench:
    return Bench(tmp_path / "run", RunSpec(steps=4), samples=samples, on_event=on_event, **fields)


def warnings(run: Bench) -> list[str]:
    return [event.text for event in run.recorder.of(Message) if event.topic == "pictures"]


def test_a_run_goes_on_with_what_it_began_with_and_says_so(samples, tmp_path):
    def edit(event):
        if isinstance(event, StepDone) and event.step == 2:
            save(file_of(samples[1]), turned())
            file_of(samples[2]).unlink()

    quiet, edited = bench(samples, tmp_path / "quiet"), bench(samples, tmp_path / "edited", edit)
    quiet.run()
    edited.run()
    assert warnings(quiet) == []
    (text,) = warnings(edited)
    assert text.startswith("2 pictures changed or removed while the run was going: 1.png, 2.png.")
    assert quiet.recorder.of(StepDone)[-1].loss == edited.recorder.of(StepDone)[-1].loss
    assert quiet.file() == edited.file()


def test_a_latent_that_is_gone_is_not_made_of_another_picture(samples, tmp_path):
    cache = tmp_path / "cache"

    def edit(event):
        if isinstance(event, StepDone) and event.step == 2:
            for sample in samples:
                save(file_of(sample), turned())
            for entry in cache.rglob("latents/*/*.safetensors"):
                entry.unlink()

    with pytest.raises(DatasetError, match="has changed since the run began. Put the old file back and resume"):
        bench(samples, tmp_path, edit, cache_folder=cache).run()


def test_what_is_left_out_by_hand_is_told(samples, tmp_path):
    run = Bench(tmp_path / "run", RunSpec(steps=1), samples=samples)
    order = run.order()
    order = replace(order, recipe=replace(order.recipe, dataset=replace(order.recipe.dataset, left_out=("bad.png",))))
    carry_out(order, run.control, Emitter([run.recorder]), None)
    (told,) = [event.text for event in run.recorder.of(Message) if event.topic == "left out"]
    assert told == "1 picture left out by hand, as left_out.list in the folder says: bad.png."
