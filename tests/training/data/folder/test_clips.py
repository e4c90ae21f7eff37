"""Videos and animated pictures in a folder, beside pictures: captions, masks, what is said of them, and the index."""

from dataclasses import replace

import numpy as np
import pytest

from pack.tests.training.data.pictures_on_disk import save
from pack.tests.training.data.videos_on_disk import save_animation, save_video, shades
from pack.training.data.clips import video
from pack.training.data.clips.timing import ClipSpec
from pack.training.data.folder.index import FileIndex
from pack.training.data.folder.scan import scan_folder
from pack.training.data.items import item_mask, make_items
from pack.training.data.specs import BucketSpec
from pack.training.errors import DatasetError, SettingsError

BUCKETS = BucketSpec(resolution=64, min_bucket=64, max_bucket=64, bucket_step=64)


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "set"


def frames(dataset) -> dict[str, int]:
    return {sample.name: sample.picture.frames for sample in dataset.samples}


def test_videos_lie_beside_pictures_with_captions_and_masks(folder):
    save_video(folder / "3_walk" / "a.MP4", shades(20))
    save_video(folder / "3_walk" / "b.mkv", shades(20))
    save_animation(folder / "c.gif", shades(20))
    save(folder / "d.webp")
    save(folder / "3_walk" / "a-mask.png", np.full((48, 64, 3), 255, np.uint8))
    (folder / "3_walk" / "a.txt").write_text("a cat walks")
    (folder / "metadata.jsonl").write_text('{"file_name": "3_walk/b.mkv", "text": "a dog runs"}')
    (folder / "sound.mp3").write_bytes(b"no picture")
    dataset = scan_folder(folder, masks="files")
    assert frames(dataset) == {"c.gif": 17, "d.webp": 1, "3_walk/a.MP4": 17, "3_walk/b.mkv": 17} and not dataset.problems
    assert {s.name: (s.caption, s.repeats, s.mask is not None) for s in dataset.samples if s.folder} == {
        "3_walk/a.MP4": ("a cat walks", 3, True), "3_walk/b.mkv": ("a dog runs", 3, False),
    }  # fmt: skip
    items = {item.sample.name: item for item in make_items(dataset.with_buckets(BUCKETS))}
    assert items["3_walk/a.MP4"].shape == (64, 64, 17) and item_mask(items["3_walk/a.MP4"]).min() == 1
    assert items["d.webp"].shape == (64, 64)


def test_how_clips_are_cut_is_said(folder):
    save_video(folder / "long.mkv", shades(40))
    save_video(folder / "short.mkv", shades(9))
    save_video(folder / "slow.mkv", shades(20), fps=8)
    save_animation(folder / "still.gif", shades(1))
    save(folder / "a.png")
    short, longer, slow = scan_folder(folder).warnings
    assert short.startswith("1 clip with fewer frames than clip_frames (17): short.mkv (9).")
    assert longer.startswith("2 videos of which the first 17 frames (1.1 seconds) are trained, and not what comes after: long.mkv, slow")
    assert slow.startswith("1 video with fewer frames a second than clip_fps (16): slow.mkv (8).")
    assert scan_folder(folder, clips=ClipSpec(frames=0, fps=8)).warnings == ()
    assert scan_folder(folder, clips=ClipSpec(frames=1)).warnings == ()
    with pytest.raises(SettingsError, match="clip_frames is -1"):
        scan_folder(folder, clips=ClipSpec(frames=-1))


def test_videos_that_cannot_be_read_are_problems(folder, monkeypatch):
    save(folder / "a.png")
    save_video(folder / "good.mkv", shades(20))
    (folder / "bad.mp4").write_bytes(b"\0" * 1000)
    dataset = scan_folder(folder)
    assert set(frames(dataset)) == {"a.png", "good.mkv"}
    (problem,) = dataset.problems
    assert problem.startswith("bad.mp4: cannot be read as a video")
    monkeypatch.setattr(video, "find_spec", lambda name: None)
    dataset = scan_folder(folder)
    assert dataset.problems[0].startswith("2 videos cannot be read: bad.mp4, good.mkv. The Python library 'av' is missing")
    assert set(frames(dataset)) == {"a.png"} and len(dataset.problems) == 1
    (folder / "a.png").unlink()
    with pytest.raises(DatasetError, match=r"(?s)mp4, mov.*The Python library 'av' is missing"):
        scan_folder(folder)


def test_the_index_keeps_what_does_not_follow_from_the_settings(folder, tmp_path, monkeypatch):
    save_video(folder / "a.mkv", shades(20))
    save_animation(folder / "b.webp", shades(20), 50)
    save_animation(folder / "c.webp", shades(1))
    index = tmp_path / "index.db"
    first = scan_folder(folder, index=FileIndex(index))
    digests = {sample.name: sample.picture.digest() for sample in first.samples}
    monkeypatch.setattr("pack.training.data.pictures.FilePicture._digest", lambda picture: pytest.fail("hashed again"))
    again = scan_folder(folder, index=FileIndex(index))
    assert {sample.name: sample.picture.digest() for sample in again.samples} == digests
    changed = scan_folder(folder, index=FileIndex(index), clips=ClipSpec(frames=5))
    assert frames(changed) == {"a.mkv": 5, "b.webp": 5, "c.webp": 1}
    assert {s.name for s in changed.samples if s.picture.digest() != digests[s.name]} == {"a.mkv", "b.webp"}


def test_a_video_without_an_end_mark_is_not_taken_for_a_broken_picture(folder):
    path = save_video(folder / "a.mkv", shades(20))
    path.write_bytes(path.read_bytes() + b"what a camera appends")
    dataset = scan_folder(folder)
    assert dataset.problems == () and frames(dataset) == {"a.mkv": 17}
    assert replace(dataset.samples[0].picture, reel=None).frames == 17
