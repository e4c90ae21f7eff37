"""Folders in kohya's layout, with everything that can lie around in them."""

import hashlib
import json
import os
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, reject, settings
from hypothesis import strategies as st

from pack.tests.training.data.pictures_on_disk import gradient, save
from pack.training.data.dataset import REGULARISATION, TRAINING, VALIDATION
from pack.training.data.folder import walk as walking
from pack.training.data.folder.index import FileIndex
from pack.training.data.folder.scan import ScanSpec, scan_folder
from pack.training.data.folder.walk import folder_fingerprint
from pack.training.errors import DatasetError, SettingsError


def by_name(dataset):
    return {sample.name: sample for sample in dataset.samples}


@pytest.fixture
def folder(tmp_path) -> Path:
    root = tmp_path / "set"
    root.mkdir()
    return root


def test_repeats_and_class_words_come_from_folder_names(folder):
    save(folder / "10_sks dog" / "a.png")
    save(folder / "10_sks dog" / "near" / "b.png")
    save(folder / "plain" / "c.png")
    save(folder / "d.png")
    found = by_name(scan_folder(folder, repeats=2))
    assert {name: (s.repeats, s.class_words) for name, s in found.items()} == {
        "10_sks dog/a.png": (20, "sks dog"), "10_sks dog/near/b.png": (20, "sks dog"), "d.png": (2, ""), "plain/c.png": (2, ""),
    }  # fmt: skip
    assert set(by_name(scan_folder(folder, recursive=False))) == {"d.png"}


def test_the_chosen_folder_may_carry_the_repeats_itself(folder):
    save(folder / "5_cat" / "a.png")
    assert [s.repeats for s in scan_folder(folder / "5_cat").samples] == [5]


def test_a_year_is_warned_about(folder):
    save(folder / "2024_summer" / "a.png")
    save(folder / "2024_summer" / "b.png")
    dataset = scan_folder(folder)
    assert len(dataset.warnings) == 1 and "2024 repeats" in dataset.warnings[0]


def test_all_formats_whatever_the_case_of_their_ending(folder):
    for name in ("a.png", "b.JPG", "c.jpeg", "d.webp", "e.BMP", "f.avif"):
        save(folder / name)
    (folder / "notes.doc").write_text("no picture")
    assert list(by_name(scan_folder(folder))) == ["a.png", "b.JPG", "c.jpeg", "d.webp", "e.BMP", "f.avif"]


def test_caption_files(folder):
    for name in ("a.png", "b.PNG", "c.png", "cafe\u0301.png", "d.png"):
        save(folder / name)
    (folder / "a.txt").write_bytes("\ufeffone\r\ntwo\r\n".encode())
    (folder / "b.TXT").write_text("upper")
    (folder / "c.txt").write_bytes("sixteen".encode("utf-16"))
    (folder / "caf\u00e9.txt").write_text("composed")
    (folder / "d.txt").write_bytes("gr\u00fcn".encode("cp1252"))
    dataset = scan_folder(folder)
    captions = {Path(name).stem: sample.caption for name, sample in by_name(dataset).items()}
    assert captions == {"a": "one\r\ntwo", "b": "upper", "c": "sixteen", "cafe\u0301": "composed", "d": "gr\u00fcn"}
    assert len(dataset.warnings) == 1 and "d.txt: is not UTF-8" in dataset.warnings[0]


def test_another_caption_extension(folder):
    save(folder / "a.png")
    (folder / "a.txt").write_text("text")
    (folder / "a.caption").write_text("caption")
    assert scan_folder(folder, caption_extension=".caption").samples[0].caption == "caption"


def test_metadata(folder):
    for name in ("a.png", "b.png", "sub/c.png", "sub/d.png"):
        save(folder / name)
    rows = [{"file_name": "a.png", "text": "line\u2028separator"}, {"file_name": "sub/c.png", "caption": "from above"}]
    (folder / "metadata.jsonl").write_text("\n".join(json.dumps(row, ensure_ascii=False) for row in rows), encoding="utf-8")
    (folder / "sub" / "metadata.csv").write_text('file_name,text\nd.png,"one, two"\n')
    (folder / "a.txt").write_text("own file")
    found = {name: sample.caption for name, sample in by_name(scan_folder(folder)).items()}
    assert found == {"a.png": "own file", "b.png": "", "sub/c.png": "from above", "sub/d.png": "one, two"}
    found = {name: sample.caption for name, sample in by_name(scan_folder(folder, captions_from="metadata")).items()}
    assert found["a.png"] == "line\u2028separator"


def test_bad_metadata_lines_are_named(folder):
    save(folder / "a.png")
    (folder / "metadata.jsonl").write_text('{"file_name": "a.png", "text": "good"}\n[1]\n{broken\n{"text": "whose?"}\n')
    dataset = scan_folder(folder)
    assert dataset.samples[0].caption == "good"
    assert [problem.split(":")[0] for problem in dataset.problems] == [f"metadata.jsonl line {n}" for n in (2, 3, 4)]


def test_class_words_only_when_wanted(folder):
    save(folder / "3_dog" / "a.png")
    (folder / "3_dog" / "a.txt").write_text("text")
    only = scan_folder(folder, captions_from="class words").samples[0]
    assert (only.caption, only.class_words) == ("", "dog")
    assert scan_folder(folder, captions_from="files").samples[0].class_words == ""


def test_masks_beside_pictures_and_in_a_folder(folder, tmp_path):
    for name in ("a.png", "a-mask.png", "b.jpg", "b-masklabel.png", "c.png", "lone-mask.png"):
        save(folder / name)
    save(tmp_path / "masks" / "c.png")
    dataset = scan_folder(folder, masks="files", mask_folder=tmp_path / "masks")
    masks = {name: sample.mask and sample.mask.name for name, sample in by_name(dataset).items()}
    assert masks == {"a.png": "a-mask.png", "b.jpg": "b-masklabel.png", "c.png": "c.png", "lone-mask.png": None}
    assert all(sample.mask is None for sample in scan_folder(folder).samples)
    assert len(scan_folder(folder).samples) == 4
    assert {sample.alpha for sample in scan_folder(folder, masks="alpha").samples} == {"mask"}


def test_regularisation_is_balanced_as_in_kohya(folder, tmp_path):
    for number in range(3):
        save(folder / "2_mine" / f"{number}.png")
    for number in range(4):
        save(tmp_path / "reg" / "1_dog" / f"r{number}.png")
    dataset = scan_folder(folder, regularisation_folder=tmp_path / "reg", prior_loss_weight=0.5)
    regular = [sample for sample in dataset.samples if sample.role == REGULARISATION]
    # 6 draws of training pictures: 4 pictures once, then the first two once more.
    assert [(s.repeats, s.weight, s.class_words) for s in regular] == [
        (2, 0.5, "dog"), (2, 0.5, "dog"), (1, 0.5, "dog"), (1, 0.5, "dog")
    ]  # fmt: skip
    for number in range(4, 9):
        save(tmp_path / "reg" / "1_dog" / f"r{number}.png")
    dataset = scan_folder(folder, regularisation_folder=tmp_path / "reg")
    assert sum(sample.role == REGULARISATION for sample in dataset.samples) == 6
    assert all(sample.weight == 1 for sample in dataset.samples if sample.role != REGULARISATION)


def test_validation_by_fraction_is_stable(folder):
    for number in range(20):
        save(folder / f"5_x/{number}.png")
    held = {s.name for s in scan_folder(folder, validation_fraction=0.1).samples if s.role == VALIDATION}
    assert len(held) == 2
    save(folder / "5_x/extra.png")
    again = [s for s in scan_folder(folder, validation_fraction=0.1).samples if s.role == VALIDATION]
    assert {s.name for s in again} - held <= {"5_x/extra.png"} and len(again) == 2  # a new picture takes at most one place
    assert {s.repeats for s in again} == {1}
    assert sum(s.role == VALIDATION for s in scan_folder(folder, validation_fraction=0.99).samples) == 20


def test_validation_and_regularisation_folders_inside_are_not_read_twice(folder):
    save(folder / "a.png")
    save(folder / "val" / "v.png")
    save(folder / "reg" / "r.png")
    dataset = scan_folder(folder, validation_folder=folder / "val", regularisation_folder=folder / "reg")
    assert [(s.name, s.role) for s in dataset.samples] == [("a.png", TRAINING), ("v.png", VALIDATION), ("r.png", REGULARISATION)]


def test_bad_pictures_are_problems_and_the_rest_is_used(folder):
    good = save(folder / "good.jpg", np.random.default_rng(0).integers(0, 255, (64, 64, 3)).astype(np.uint8))
    (folder / "cut.jpg").write_bytes(good.read_bytes()[:-900])
    (folder / "text.png").write_text("hello")
    (folder / "trailing.jpg").write_bytes(good.read_bytes() + b"\0" * 9000)  # as some cameras write it
    dataset = scan_folder(folder)
    assert list(by_name(dataset)) == ["good.jpg", "trailing.jpg"]
    assert [problem.split(":")[0] for problem in dataset.problems] == ["cut.jpg", "text.png"]


@pytest.mark.parametrize("ending", [".png", ".webp", ".bmp", ".avif"])
def test_truncation_is_noticed_at_the_scan(folder, ending):
    noise = np.random.default_rng(0).integers(0, 255, (64, 64, 3)).astype(np.uint8)
    save(folder / "good.png")
    path = save(folder / f"cut{ending}", noise)
    assert scan_folder(folder).problems == ()
    path.write_bytes(path.read_bytes()[:-40])
    (problem,) = scan_folder(folder).problems
    assert problem.startswith(f"cut{ending}: is damaged")


def test_files_that_are_not_used_are_named(folder):
    for name in ("a.png", "b.jfif", "b-mask.png"):
        save(folder / name, format="JPEG" if name.endswith("jfif") else None)
    for name in ("a.txt", "c.txt", "readme.txt", "d.psd", "sub/e.TIFF"):
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text("x")
    assert scan_folder(folder).warnings == (
        "2 pictures in a format that is not read: d.psd, sub/e.TIFF. Convert to PNG or JPEG.",
        "1 caption file without a picture of the same name: c.txt. Rename one of the two.",
        "1 mask file beside the pictures not used: masks is 'none'. Set it to 'files' to use them.",
    )
    assert len(scan_folder(folder, captions_from="class words").warnings) == 2
    assert scan_folder(folder, masks="files").warnings[-1] == "1 picture without a mask file: a.png. They are trained whole."


def test_empty_and_missing_folders(folder):
    with pytest.raises(DatasetError, match="no usable picture in 'set'"):
        scan_folder(folder)
    with pytest.raises(DatasetError, match="'nowhere' does not exist"):
        scan_folder(folder / "nowhere")
    (folder / "a.png").write_text("bad")
    with pytest.raises(DatasetError, match="a.png: is not a PNG"):
        scan_folder(folder)


def test_links_never_lead_out_and_never_loop(folder, tmp_path):
    save(folder / "own.png")
    outside = save(tmp_path / "outside" / "secret.png")
    (outside.parent / "secret.txt").write_text("secret")
    (folder / "link.png").symlink_to(outside)
    (folder / "own.txt").symlink_to(outside.parent / "secret.txt")
    (folder / "linked").symlink_to(outside.parent)
    (folder / "loop").symlink_to(folder)
    (folder / "self.png").symlink_to("self.png")
    (folder / "inside.png").symlink_to("own.png")
    (folder / "sub").mkdir()
    (folder / "sub" / "up").symlink_to("..")
    dataset = scan_folder(folder)
    assert {name: s.caption for name, s in by_name(dataset).items()} == {"own.png": "", "inside.png": ""}
    named = " ".join(dataset.warnings)
    assert all(name in named for name in ("link.png", "own.txt", "linked:", "loop:", "sub/up:"))


def test_a_dataset_that_is_itself_a_link_is_read(folder, tmp_path):
    save(folder / "a.png")
    (tmp_path / "alias").symlink_to(folder)
    assert len(scan_folder(tmp_path / "alias").samples) == 1


def test_pipes_and_hidden_files_are_left_alone(folder):
    save(folder / "a.png")
    os.mkfifo(folder / "pipe.png")
    save(folder / ".hidden.png")
    save(folder / "__MACOSX" / "b.png")
    (folder / "dir.png").mkdir()
    assert list(by_name(scan_folder(folder))) == ["a.png"]


def test_metadata_cannot_reach_outside(folder, tmp_path):
    save(folder / "a.png")
    save(tmp_path / "b.png")
    (folder / "metadata.jsonl").write_text('{"file_name": "../b.png", "text": "outside"}\n{"file_name": "/etc/passwd", "text": "x"}')
    dataset = scan_folder(folder)
    assert list(by_name(dataset)) == ["a.png"] and dataset.samples[0].caption == ""


def test_a_huge_caption_is_not_read(folder):
    save(folder / "a.png")
    (folder / "a.txt").write_bytes(b"x" * 2_000_000)
    dataset = scan_folder(folder)
    assert "a.txt: has 2,000,000 bytes" in dataset.problems[0]


def test_too_many_files(folder, monkeypatch):
    for name in "abc":
        save(folder / f"{name}.png")
    monkeypatch.setattr(walking, "MAX_FILES", 2)
    with pytest.raises(DatasetError, match="more than 2 files"):
        scan_folder(folder)


names = st.text(st.characters(exclude_characters="/\0", exclude_categories=()), min_size=1, max_size=30)


@settings(max_examples=80, deadline=None)
@given(folder_name=names, file_name=names)
def test_hostile_names(tmp_path_factory, folder_name, file_name):
    root = tmp_path_factory.mktemp("hostile")
    try:
        save(root / "keep.png")
        save(root / folder_name / (file_name + ".png"))
    except (OSError, ValueError):
        reject()  # not a name that this file system takes; hypothesis complains when hardly any is
    dataset = scan_folder(root)
    assert "keep.png" in by_name(dataset)
    for text in [*by_name(dataset), *dataset.warnings, *dataset.problems]:
        text.encode("utf-8")
        assert text.isprintable()


def test_undecodable_names(folder):
    path = os.fsencode(save(folder / "a.png"))
    os.rename(path, os.fsencode(folder) + b"/bad\xff\n.png")
    (sample,) = scan_folder(folder).samples
    assert sample.name == "bad\ufffd\ufffd.png" and sample.picture.pixels().shape == (24, 40, 4)


def test_settings_are_checked_together():
    with pytest.raises(SettingsError) as caught:
        ScanSpec(repeats=0, caption_extension="/../x", captions_from="thin air", validation_fraction=1, prior_loss_weight=-1)
    assert len(caught.value.problems) == 5


class TestIndex:
    def test_headers_are_read_once(self, folder, tmp_path, monkeypatch):
        save(folder / "a.png")
        save(folder / "b.png", np.dstack([gradient(), gradient()[:, :, 0]]))
        index = FileIndex(tmp_path / "deep" / "index.sqlite")
        seen = []
        first = scan_folder(folder, index=index, on_progress=lambda done, total: seen.append((done, total)))
        assert seen == [(2, 2)]
        monkeypatch.setattr("PIL.Image.open", lambda *args, **kwargs: pytest.fail("a header was read again"))
        again = scan_folder(folder, index=FileIndex(tmp_path / "deep" / "index.sqlite"))
        assert [s.picture.header() for s in again.samples] == [s.picture.header() for s in first.samples]
        assert [s.picture.header().has_alpha for s in again.samples] == [False, True]

    def test_an_edited_file_is_read_again(self, folder, tmp_path):
        path = save(folder / "a.png")
        index = FileIndex(tmp_path / "i.sqlite")
        before = scan_folder(folder, index=index).samples[0].picture
        old = before.digest()
        assert before.size() == (40, 24)
        save(path, gradient(30, 50))
        after = scan_folder(folder, index=index).samples[0].picture
        assert after.size() == (30, 50) and after.digest() != old

    def test_an_edit_that_keeps_size_and_mtime_is_noticed(self, folder, tmp_path):
        path = save(folder / "a.bmp")
        index = FileIndex(tmp_path / "i.sqlite")
        picture = scan_folder(folder, index=index).samples[0].picture
        old, stat = picture.digest(), path.stat()
        save(path, gradient()[::-1].copy())
        os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns))
        assert path.stat().st_size == stat.st_size
        assert scan_folder(folder, index=index).samples[0].picture.digest() != old

    def test_digests_are_kept(self, folder, tmp_path, monkeypatch):
        save(folder / "a.png")
        digest = scan_folder(folder, index=FileIndex(tmp_path / "i.sqlite")).samples[0].picture.digest()
        picture = scan_folder(folder, index=FileIndex(tmp_path / "i.sqlite")).samples[0].picture
        monkeypatch.setattr("pack.training.data.pictures.FilePicture._digest", lambda picture: pytest.fail("hashed again"))
        assert picture.digest() == digest

    @pytest.mark.parametrize("content", [b"not a database" * 100, b""])
    def test_a_damaged_index_is_replaced(self, folder, tmp_path, content):
        save(folder / "a.png")
        path = tmp_path / "i.sqlite"
        path.write_bytes(content)
        for _ in range(2):
            assert len(scan_folder(folder, index=FileIndex(path)).samples) == 1
        assert path.read_bytes().startswith(b"SQLite format 3")

    def test_an_index_that_cannot_be_written_is_done_without(self, folder, tmp_path):
        save(folder / "a.png")
        (tmp_path / "file").write_text("in the way")
        picture = scan_folder(folder, index=FileIndex(tmp_path / "file" / "i.sqlite")).samples[0].picture
        assert picture.digest() == hashlib.sha256((folder / "a.png").read_bytes()).hexdigest()


class TestFingerprint:
    def test_any_edit_changes_it(self, folder):
        path = save(folder / "sub" / "a.png")
        seen = {folder_fingerprint([folder])}
        assert folder_fingerprint([folder]) in seen
        for edit in (
            lambda: (folder / "sub" / "a.txt").write_text("caption"),
            lambda: (folder / "sub" / "a.txt").write_text("CAPTION"),
            lambda: save(path, gradient()[::-1].copy()),
            lambda: path.rename(path.with_name("b.png")),
            lambda: (folder / "sub" / "a.txt").unlink(),
        ):
            edit()
            assert folder_fingerprint([folder]) not in seen
            seen.add(folder_fingerprint([folder]))

    def test_a_missing_folder_has_one_too(self, folder):
        assert folder_fingerprint([folder / "none"]) != folder_fingerprint([folder])
