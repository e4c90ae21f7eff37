"""The scan says what it did with a folder: why nothing is usable, what is not read, and what was probably meant."""

import json
from pathlib import Path

import pytest

from pack.tests.training.data.pictures_on_disk import gradient, save
from pack.training.data.advice.doctor import diagnose
from pack.training.data.advice.report import dataset_report
from pack.training.data.dataset import Dataset
from pack.training.data.folder.scan import scan_folder
from pack.training.data.formats import plugins
from pack.training.data.specs import BucketSpec, CaptionSpec
from pack.training.errors import DatasetError


@pytest.fixture
def folder(tmp_path) -> Path:
    (tmp_path / "set").mkdir()
    return tmp_path / "set"


def refusal(folder: Path, **settings) -> str:
    with pytest.raises(DatasetError, match="no usable picture in 'set'") as caught:
        scan_folder(folder, **settings)
    return str(caught.value)


def note(dataset: Dataset, part: str) -> str:
    """The one warning with this text; it must stand in the report too."""
    (found,) = [warning for warning in dataset.warnings if part in warning]
    assert found in dataset_report(dataset)
    return found


def test_a_folder_without_a_usable_picture_says_what_lies_there_and_why(folder, tmp_path):
    outside = save(tmp_path / "outside.png")
    (folder / "a.png").symlink_to(outside)
    (folder / "dead.png").symlink_to(folder / "gone.png")
    (folder / "b.tiff").write_bytes(b"II*\0")
    (folder / "c.zip").write_bytes(b"PK")
    said = refusal(folder)
    assert "What lies there: 1 x .tiff, 1 x .zip" in said
    assert "a.png: is a link out of the dataset's folder" in said and "dead.png: is a link to a file that is not there" in said
    assert "1 picture in a format that is not read: b.tiff" in said


def test_an_empty_folder_and_one_whose_pictures_lie_deeper(folder):
    assert "It is empty" in refusal(folder)
    save(folder / "sub" / "a.png")
    assert "recursive is off, so its sub-folders are not looked at" in refusal(folder, recursive=False)
    assert len(scan_folder(folder).samples) == 1


def test_a_thousand_bad_files_are_told_in_a_message_that_can_be_read(folder):
    for number in range(60):
        (folder / f"{number}.png").write_text("no picture")
    said = refusal(folder)
    assert said.count("is not a PNG") == 49 and "and 11 more" in said


@pytest.mark.parametrize("plugin", plugins.PLUGINS, ids=lambda plugin: plugin.name)
def test_a_format_whose_plugin_is_missing_is_one_sentence_with_the_line_that_installs_it(folder, plugin, monkeypatch):
    monkeypatch.setattr(plugins, "_ready", lambda: frozenset(plugins.PLUGINS) - {plugin})
    for number in range(3):
        (folder / f"{number}{plugin.endings[0]}").write_bytes(b"x")
    said = refusal(folder)
    assert f"3 {plugin.name} pictures left out" in said and f"Run: python -m pip install {plugin.package}" in said
    save(folder / "a.png")
    dataset = scan_folder(folder)
    assert [sample.name for sample in dataset.samples] == ["a.png"] and not dataset.problems
    assert "0" + plugin.endings[0] in note(dataset, plugin.package)


def test_captions_with_another_ending_beside_the_pictures(folder):
    for name in ("a.png", "b.png"):
        save(folder / name)
    (folder / "a.txt").write_text("a dog")
    (folder / "a.caption").write_text("a cat")
    (folder / "b.CAPTION").write_text("a cow")
    said = note(scan_folder(folder), "may be captions and are not read")
    assert said.startswith("2 files") and "a.caption, b.CAPTION" in said and "set caption_extension to '.caption'" in said
    assert "'.txt'" in note(scan_folder(folder, caption_extension=".caption"), "may be captions and are not read")
    assert scan_folder(folder, captions_from="class words").warnings == ()


def metadata(folder: Path, **rows: str) -> Dataset:
    lines = [json.dumps({"file_name": name, "text": text}) for name, text in rows.items()]
    (folder / "metadata.jsonl").write_text("\n".join(lines))
    return scan_folder(folder)


def test_names_in_metadata_that_no_picture_has(folder):
    save(folder / "a.png")
    said = note(metadata(folder, **{"images/a.png": "x", "images/b.png": "y"}), "metadata.jsonl")
    assert "none of its names is that of a picture here: images/a.png, images/b.png. Is 'a.png' meant?" in said
    assert "1 name not that of a picture here: c.png. The pictures here are called a.png." in note(
        metadata(folder, **{"a.png": "x", "c.png": "y"}), "metadata.jsonl"
    )
    assert "Is 'a.png' meant?" in note(metadata(folder, a="x"), "metadata.jsonl")
    assert metadata(folder, **{"a.png": "x"}).warnings == ()


@pytest.mark.parametrize(("mark", "said"), [(";", "';'"), ("\t", "tabs")])
def test_a_csv_of_a_spreadsheet_in_another_country(folder, mark, said):
    save(folder / "a.png")
    (folder / "metadata.csv").write_text(f'file_name{mark}text\na.png{mark}"a dog, sitting"\n')
    dataset = scan_folder(folder)
    assert dataset.samples[0].caption == "a dog, sitting"
    assert f"{said} and not commas stand between its columns" in note(dataset, "metadata.csv")


def test_a_csv_without_the_names_of_its_columns_is_one_problem(folder):
    save(folder / "a.png")
    (folder / "metadata.csv").write_text("a.png,a dog\n" * 50)
    assert scan_folder(folder).problems == ("metadata.csv: its first line is 'a.png,a dog', but must name the columns: file_name,text.",)
    (folder / "metadata.csv").write_text("file_name,words\na.png,a dog\n")
    assert "has no column 'text'" in note(scan_folder(folder), "metadata.csv")


def test_captions_in_files_of_another_name(folder):
    save(folder / "a.png")
    (folder / "captions.json").write_text("{}")
    assert "captions.json: not read" in note(scan_folder(folder), "captions.json")
    assert "neither a metadata.jsonl" in note(scan_folder(folder, captions_from="metadata"), "captions_from is")
    (folder / "a.txt").write_text("a dog")
    assert scan_folder(folder).warnings == ()


def test_settings_that_nothing_reads(folder, tmp_path):
    save(folder / "a.png")
    save(folder / "a-mask.png")
    (folder / "a.txt").write_text("a dog")
    save(tmp_path / "masks" / "a.png")
    dataset = scan_folder(folder, mask_folder=tmp_path / "masks", prior_loss_weight=0.5)
    assert "mask_folder is set but masks is 'none', so no mask is read from it" in note(dataset, "mask_folder")
    assert "1 mask file beside the pictures not used: masks is 'none'" in note(dataset, "beside")
    assert "prior_loss_weight is 0.5 but there is no regularisation_folder" in note(dataset, "prior_loss_weight")
    other = scan_folder(folder, captions_from="class words", caption_extension=".cap")
    assert "no such file is read" in note(other, "caption_extension is")
    assert scan_folder(folder, masks="files", mask_folder=tmp_path / "masks").warnings == ()


def test_captions_of_several_lines_are_said_in_the_report_and_by_the_doctor(folder):
    save(folder / "a.png", gradient(64, 64))
    (folder / "a.txt").write_text("a dog\na cat\n")
    dataset = scan_folder(folder).with_buckets(BucketSpec(resolution=64, min_bucket=64))
    said = "1 caption with several lines: a.png. Each line is a caption of its own, drawn at random"
    assert said in dataset_report(dataset) and any(said in finding for finding in diagnose(dataset))
    assert said not in dataset_report(dataset.with_captions(CaptionSpec(lines="all")))
