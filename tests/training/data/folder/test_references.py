"""References by name: beside their pictures, numbered, in sub-folders; what is missing or left over is named."""

import pytest

from pack.tests.training.data.pictures_on_disk import save
from pack.training.data.folder.scan import scan_folder
from pack.training.errors import DatasetError


@pytest.fixture
def folder(tmp_path):
    for name in ("dog.png", "dog_1.png", "10_cats/cat.png"):
        save(tmp_path / "after" / name)
    return tmp_path / "after"


def pairs(dataset) -> dict[str, list[str]]:
    return {sample.name: [reference.file.name for reference in sample.references] for sample in dataset.samples}


def test_by_name_then_by_number(folder, tmp_path):
    for name in ("dog.jpg", "DOG_10.png", "dog_2.png", "dog_1.webp", "dog_1_3.png", "10_cats/cat.jpg"):
        save(tmp_path / "before" / name)
    dataset = scan_folder(folder, reference_folder=tmp_path / "before")
    assert pairs(dataset) == {
        "dog.png": ["dog.jpg", "dog_2.png", "DOG_10.png"], "dog_1.png": ["dog_1.webp", "dog_1_3.png"], "10_cats/cat.png": ["cat.jpg"],
    }  # fmt: skip
    assert dataset.problems == dataset.warnings == ()
    sizes = [reference.size() for sample in dataset.samples for reference in sample.references]
    assert len(sizes) == 6 and all(width > 0 for width, _ in sizes)


def test_the_top_of_the_reference_folder_serves_sub_folders_too(folder, tmp_path):
    for name in ("dog.png", "dog_1.png", "cat_1.png", "cat_2.png"):
        save(tmp_path / "before" / name)
    assert pairs(scan_folder(folder, reference_folder=tmp_path / "before"))["10_cats/cat.png"] == ["cat_1.png", "cat_2.png"]


def test_missing_and_left_over_ones_are_named(folder, tmp_path):
    for name in ("dog.png", "bird.png", "dog_1.png"):
        save(tmp_path / "before" / name)
    dataset = scan_folder(folder, reference_folder=tmp_path / "before")
    assert set(pairs(dataset)) == {"dog.png", "dog_1.png"}
    assert "10_cats/cat.png" in dataset.problems[0] and "without a reference in 'before'" in dataset.problems[0]
    assert "bird.png" in dataset.warnings[0]
    with pytest.raises(DatasetError, match="without a reference"):
        scan_folder(folder / "10_cats", reference_folder=tmp_path / "before")


def test_a_broken_reference_is_named(folder, tmp_path):
    for name in ("dog.png", "dog_1.png", "cat.png"):
        save(tmp_path / "before" / name)
    (tmp_path / "before" / "dog.png").write_bytes(b"no picture")
    dataset = scan_folder(folder, reference_folder=tmp_path / "before")
    assert "dog.png" not in pairs(dataset) and "reference dog.png" in dataset.problems[0]


def test_it_may_lie_inside_the_dataset_and_serves_held_out_pictures(folder, tmp_path):
    for name in ("dog.png", "dog_1.png", "cat.png", "held.png"):
        save(folder / "before" / name)
    save(tmp_path / "held" / "held.png")
    save(tmp_path / "class" / "any.png")
    found = pairs(scan_folder(
        folder, reference_folder=folder / "before", validation_folder=tmp_path / "held", regularisation_folder=tmp_path / "class"
    ))  # fmt: skip
    assert found["held.png"] == ["held.png"] and found["any.png"] == [] and len(found) == 5
