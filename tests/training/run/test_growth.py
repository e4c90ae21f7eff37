"""What more pictures, saves and runs cost: operations are counted, never seconds (those are in benchmarks/growth.md)."""

from pack.tests.training.run.fakes import Bench, pictures
from pack.training.data.specs import CaptionSpec
from pack.training.files.store import TensorStore
from pack.training.record import taken
from pack.training.record.taken import new_folder
from pack.training.specs import RunSpec


def test_captions_are_looked_at_once_however_often_a_file_is_saved(tmp_path, monkeypatch):
    looked = []
    from pack.training.lora_file import dataset_metadata

    trained_tags = dataset_metadata.trained_tags
    monkeypatch.setattr(dataset_metadata, "trained_tags", lambda sample: looked.append(sample.name) or trained_tags(sample))
    for saves in (1, 6):
        looked.clear()
        Bench(tmp_path / str(saves), RunSpec(steps=6, save_every_n_steps=6 // saves), samples=pictures(5)).run()
        assert len(list((tmp_path / str(saves) / "checkpoints").iterdir())) == saves
        assert len(looked) == 5


def test_a_cache_that_nothing_was_added_to_is_not_walked(tmp_path, monkeypatch):
    walked, trim = [], TensorStore.trim
    monkeypatch.setattr(TensorStore, "trim", lambda store, keep=(): walked.append(store.folder.name) or trim(store, keep))
    for name, expected in (("first", ["latents", "texts"]), ("second", [])):
        walked.clear()
        run = RunSpec(steps=1, cache_to_disk=True)
        Bench(tmp_path / name, run, cache_folder=tmp_path / "cache", captions=CaptionSpec(shuffle=True)).run()
        assert sorted(walked) == expected


def test_a_new_run_looks_into_no_folder_of_another(tmp_path, monkeypatch):
    """Only at the files that lie beside their lock, of which any other than the lock says enough."""
    for number in range(1, 30):
        own = tmp_path / ("lora" if number == 1 else f"lora_{number}")
        (own / "samples").mkdir(parents=True)
        for name in ("run.lock", "run.json", "samples/step_000010_00.png"):
            (own / name).touch()
    walked, walk = [], taken.os.walk
    monkeypatch.setattr(taken.os, "walk", lambda *args, **kwargs: (walked.append(entry[0]) or entry for entry in walk(*args, **kwargs)))
    with new_folder(tmp_path, "lora") as folder:
        assert folder.name == "lora_30"
        assert not [place for place in walked if place.endswith("samples")]
