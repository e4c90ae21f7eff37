"""Pictures that the graph made: as 8 bits, with captions, masks and roles."""

import pytest
import torch

from pack.training.data.captions import final_caption
from pack.training.data.from_graph.graph_images import TensorPicture, images_dataset
from pack.training.errors import DatasetError


def test_images_in_batches_and_lists():
    images = [torch.zeros(2, 8, 8, 3), torch.ones(1, 4, 16, 3)]
    dataset = images_dataset(images, ["a", "b", "c"], repeats=3, trigger="ohwx")
    assert [(s.name, s.caption, s.picture.size(), s.repeats) for s in dataset.samples] == [
        ("image 1", "a", (8, 8), 3), ("image 2", "b", (8, 8), 3), ("image 3", "c", (16, 4), 3)
    ]  # fmt: skip
    assert final_caption(dataset.samples[0], 0, 0) == "ohwx, a"


def test_one_caption_or_mask_serves_all():
    mask = torch.zeros(1, 8, 8)
    mask[:, :4] = 1
    dataset = images_dataset([torch.zeros(2, 8, 8, 3)], ["same"], [mask])
    assert [s.caption for s in dataset.samples] == ["same", "same"]
    assert [int(s.mask.pixels()[:, :, 0].sum()) for s in dataset.samples] == [255 * 32] * 2
    assert [s.caption for s in images_dataset([torch.zeros(2, 8, 8, 3)]).samples] == ["", ""]


def test_roles():
    (held,) = images_dataset([torch.zeros(1, 8, 8, 3)], repeats=5, role="validation").samples
    (regular,) = images_dataset([torch.zeros(1, 8, 8, 3)], role="regularisation", weight=0.5).samples
    assert (held.role, held.is_trained, held.repeats) == ("validation", False, 1)
    assert (regular.role, regular.is_trained, regular.weight) == ("regularisation", True, 0.5)


def test_image_problems_are_named_at_once():
    with pytest.raises(DatasetError) as caught:
        images_dataset([torch.zeros(3, 8, 8, 3)], ["a", "b"], [torch.zeros(2, 8, 8)], role="boss")
    assert len(caught.value.problems) == 3 and "2 captions but 3 pictures" in str(caught.value)
    bad = torch.zeros(3, 8, 8, 3)
    bad[1] = bad[2] = float("nan")
    with pytest.raises(DatasetError, match="image 2(.|\n)*image 3"):
        images_dataset([bad])
    with pytest.raises(DatasetError, match="no picture"):
        images_dataset([])


def test_tensors():
    tensor = torch.tensor([[[0.0, 0.5, 1.0], [2.0, -1.0, 0.25]]])
    picture = TensorPicture(tensor, "image 1")
    assert picture.size() == (2, 1)
    assert picture.pixels()[0].tolist() == [[0, 128, 255, 255], [255, 0, 64, 255]]
    assert TensorPicture(torch.full((1, 1, 1), 0.2), "g").pixels()[0, 0].tolist() == [51, 51, 51, 255]
    see_through = TensorPicture(torch.zeros(1, 1, 4), "a")
    assert see_through.pixels()[0, 0].tolist() == [0, 0, 0, 0] and see_through.has_alpha()
    assert not picture.has_alpha() and picture.file is picture.encoded is None and picture.small_pixels(1) is picture.pixels()
    assert picture.digest() == TensorPicture(tensor.clone(), "other").digest() != see_through.digest()


@pytest.mark.parametrize(
    "tensor, says", [(torch.zeros(2, 2), "shape"), (torch.zeros(2, 2, 2), "shape"), (torch.zeros(0, 2, 3), "pixels"),
                     (torch.full((2, 2, 3), float("nan")), "NaN")]
)  # fmt: skip
def test_bad_tensors_are_named(tensor, says):
    with pytest.raises(DatasetError, match=f"image 7.*{says}"):
        TensorPicture(tensor, "image 7")
