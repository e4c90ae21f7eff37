"""A folder while it is edited, and what training sees of it afterwards."""

import time
from io import BytesIO

import numpy as np
import pytest
from PIL import Image

from pack.tests.training.data.pictures_on_disk import gradient, save
from pack.training.data.editing.album import Album, Elsewhere
from pack.training.data.editing.change import Change
from pack.training.data.editing.files import History
from pack.training.data.folder.scan import scan_folder
from pack.training.data.folder.walk import folder_fingerprint
from pack.training.data.specs import BucketSpec
from pack.training.errors import DatasetError, SettingsError
from pack.training.files.atomic import write_text

SPEC = BucketSpec(resolution=64, min_bucket=32, max_bucket=128, bucket_step=32)


def album_of(folder, history=None, captions_from="auto", **settings) -> Album:
    dataset = scan_folder(folder, with_left_out=True, captions_from=captions_from, **settings).with_buckets(SPEC)
    return Album(dataset, extension=".txt", captions_from=captions_from, history=history or History())


def named(album) -> dict[str, dict]:
    return {row["name"]: row for row in album.rows()}


def codes(row) -> list[str]:
    return [code for code, _ in row["warnings"]]


@pytest.fixture
def folder(tmp_path):
    root = tmp_path / "set"
    for name, caption in {"a": "ohwx, sofa", "b": "ohwx, beach", "sub/c": None}.items():
        save(root / f"{name}.png", gradient(80, 64))
        if caption:
            (root / f"{name}.txt").write_text(caption, encoding="utf-8")
    return root


def test_a_row_has_what_training_would_do_with_the_picture(folder):
    save(folder / "small.png", gradient(20, 20))
    save(folder / "long.png", gradient(200, 40))
    (folder / "long.txt").write_text("OHWX,  sofa\nmore")
    (folder / "small.txt").write_text("Ohwx,  sofa")
    rows = named(album_of(folder))
    assert (rows["a.png"]["bucket"], rows["a.png"]["crop"], rows["a.png"]["size"]) == ((64, 64), [0.1, 0.0, 0.8, 1.0], (80, 64))
    assert codes(rows["a.png"]) == ["cropped", "same_caption"] and rows["a.png"]["caption"] == "ohwx, sofa"
    assert codes(rows["sub/c.png"]) == ["cropped", "no_caption"]
    assert ["enlarged", 3.2] in rows["small.png"]["warnings"] and codes(rows["long.png"])[-1] == "lines"


def test_a_caption_is_written_undone_and_held_against_what_was_edited(folder):
    album = album_of(folder)
    done = album.save_caption(0, ["ohwx, sofa"], "ohwx, bed")
    assert (folder / "a.txt").read_bytes() == b"ohwx, bed\n" and done["rows"][0]["caption"] == "ohwx, bed" and done["undo"] == "a.png"
    (folder / "a.txt").write_text("somebody else's")
    with pytest.raises(Elsewhere, match="a.png has another caption by now") as caught:
        album.save_caption(0, ["ohwx, bed"], "mine")
    assert caught.value.text == "somebody else's" == (folder / "a.txt").read_text()
    album.save_caption(0, [caught.value.text], "mine after all")
    assert album.undo()["rows"][0]["caption"] == "somebody else's"
    assert "1 file changed elsewhere meanwhile" in album.undo()["skipped"]


def test_undo_gives_back_the_very_bytes_and_takes_away_what_was_not_there(folder):
    before = "ohwx, s\u00f6fa  \r\n".encode("utf-16")
    (folder / "a.txt").write_bytes(before)
    album = album_of(folder)
    album.save_caption(2, [""], "new")
    assert (folder / "sub" / "c.txt").read_text() == "new\n"
    album.save_caption(0, ["ohwx, s\u00f6fa"], "x")
    album.undo()
    assert (folder / "a.txt").read_bytes() == before
    assert album.undo()["undone"] == "sub/c.png" and not (folder / "sub" / "c.txt").exists()
    with pytest.raises(SettingsError, match="nothing to undo"):
        album.undo()


def test_a_change_over_chosen_pictures_tells_all_that_is_shown_otherwise(folder):
    album = album_of(folder)
    done = album.change([0, 1], Change(kind="replace", what="beach", to="sofa"))
    assert set(done["rows"]) == {0, 1}  # a shares its caption now
    assert [row["caption"] for row in done["rows"].values()] == ["ohwx, sofa", "ohwx, sofa"]
    assert codes(done["rows"][0]) == ["cropped", "same_caption"]
    assert set(album.undo()["rows"]) == {0, 1} and (folder / "b.txt").read_text() == "ohwx, beach"


def test_what_was_changed_elsewhere_is_seen_when_asked_for(folder):
    album = album_of(folder)
    assert album.refreshed()["rows"] == {}
    (folder / "b.txt").write_text("of another program")
    (folder / "sub" / "c.txt").write_text("and this one is new")
    assert {i: row["caption"] for i, row in album.refreshed()["rows"].items()} == {1: "of another program", 2: "and this one is new"}


def test_pictures_that_are_left_out_are_not_trained_and_it_is_told(folder):
    before = folder_fingerprint([folder])
    album = album_of(folder)
    done = album.leave_out([0, 2], True)
    assert [row["left_out"] for row in done["rows"].values()] == [True, True]
    trained = scan_folder(folder)
    assert [sample.name for sample in trained.samples] == ["b.png"] and trained.left_out == ("a.png", "sub/c.png")
    assert "2 pictures left out by hand, as left_out.list in the folder says: a.png, sub/c.png." in trained.warnings
    assert folder_fingerprint([folder]) != before  # the node runs again
    assert [row["left_out"] for row in album_of(folder).rows()] == [True, False, True]
    album.leave_out([0], False)
    assert not (folder / "left_out.list").exists() and (folder / "sub" / "left_out.list").read_text().endswith("c.png\n")
    album.undo()
    assert [sample.name for sample in scan_folder(folder).samples] == ["b.png"]
    album.leave_out([1], True)
    with pytest.raises(DatasetError, match="3 pictures left out by hand"):
        scan_folder(folder)


def test_buckets_are_those_of_the_pictures_that_are_trained(folder):
    """Merged into a full bucket or not: a picture that is left out does not fill one."""
    save(folder / "wide.png", gradient(128, 32))
    (folder / "left_out.list").write_text("a.png\nb.png\n")
    dataset = scan_folder(folder, with_left_out=True).with_buckets(
        BucketSpec(resolution=64, min_bucket=32, max_bucket=128, bucket_step=32, small_buckets="merge", batch_size=2))
    rows = named(Album(dataset, extension=".txt", captions_from="auto", history=History()))
    assert rows["sub/c.png"]["bucket"] == rows["wide.png"]["bucket"]


def png(size, fill=255) -> bytes:
    out = BytesIO()
    Image.new("RGBA", size, (fill, fill, fill, 255)).save(out, "PNG")
    return out.getvalue()


def test_a_painted_mask_is_the_one_that_training_reads(folder):
    album = album_of(folder)
    assert album.mask(0) is None
    assert album.save_mask(0, png((80, 64), 128))["rows"][0]["painted"]
    [a, *_] = scan_folder(folder, masks="files").samples
    assert np.array_equal(a.mask.pixels()[:, :, 0], np.full((64, 80), 128)) and len(scan_folder(folder).samples) == 3
    assert album.undo()["rows"][0]["painted"] is False and not (folder / "a-mask.png").exists()
    with pytest.raises(DatasetError, match="20 x 20 pixels, but the picture 80 x 64"):
        album.save_mask(0, png((20, 20)))
    with pytest.raises(DatasetError, match="not a whole PNG"):
        album.save_mask(0, png((80, 64))[:60])


def test_captions_that_nothing_reads_are_not_written(folder):
    for asked in (lambda album: album.save_caption(0, [""], "x"), lambda album: album.change([0], Change(kind="add", what="x"))):
        with pytest.raises(SettingsError, match="captions_from on Load Dataset is 'metadata'"):
            asked(album_of(folder, captions_from="metadata"))
    assert (folder / "a.txt").read_text() == "ohwx, sofa"


def test_metadata_stays_until_a_file_speaks(folder):
    (folder / "metadata.csv").write_text("file_name,text\nsub/c.png,from the table\n")
    album = album_of(folder)
    album.change([2], Change(kind="add", what="more"))
    assert (folder / "sub" / "c.txt").read_text() == "from the table, more\n"
    assert album.undo()["rows"][2]["caption"] == "from the table"


@pytest.mark.parametrize("index", [-1, 3, 10**9])
def test_there_is_no_such_picture(folder, index):
    with pytest.raises(SettingsError, match="there is no picture"):
        album_of(folder).save_caption(index, [""], "x")


def test_a_change_over_all_and_its_undo_cost_little_more_than_writing_the_files(tmp_path):
    """Of 10,000 pictures 5 s each are asked for (benchmarks/dataset.py measures them); here a few, against what their files alone cost."""
    picture = save(tmp_path / "one.png", gradient(8, 8)).read_bytes()
    folder = tmp_path / "many"
    folder.mkdir()
    started = time.process_time()
    for number in range(500):
        write_text(folder / f"{number:05}.txt", f"dog, number {number}")
    plain = time.process_time() - started
    for number in range(500):
        (folder / f"{number:05}.png").write_bytes(picture)
    album = album_of(folder)
    started = time.process_time()
    assert len(album.change(range(500), Change(kind="replace", what="dog", to="cat"))["rows"]) == 500
    changed = time.process_time()
    assert (folder / "00499.txt").read_text() == "cat, number 499\n"
    album.undo()
    undone = time.process_time()
    assert (folder / "00499.txt").read_text() == "dog, number 499"
    assert max(changed - started, undone - changed) < 6 * plain
