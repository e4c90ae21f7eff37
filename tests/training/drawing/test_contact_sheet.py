"""Sheets show the true crops."""

import numpy as np
import torch

from pack.tests.training.data.small_datasets import dataset, flat, sample
from pack.training.data.from_graph.graph_images import TensorPicture
from pack.training.data.items import make_items
from pack.training.data.pictures import FilePicture
from pack.training.drawing.contact_sheet import LABEL, TILE, crop_sheet, dataset_sheet


def test_the_crop_is_drawn_where_it_is():
    (item,) = make_items(dataset(sample("wide", flat(300, 60))))
    sheet = (crop_sheet([item])[0] * 255).round().numpy().astype(int)
    assert sheet.shape == (TILE + LABEL, TILE, 3)
    row = sheet[TILE // 2, :TILE]  # the thumbnail is 184 x 37, 4 from the left; crop 16..144 of 160 -> 18..165 of it
    yellow = np.flatnonzero((row == [255, 200, 0]).all(axis=1))
    assert yellow.tolist() == [22, 169]
    assert (row[30:160] == 255).all() and (row[4:22] == 90).all() and (row[170:188] == 90).all()


def test_masked_parts_are_red():
    mask = torch.zeros(64, 64, 3)
    mask[:, 32:] = 1
    sheet = dataset_sheet(dataset(sample("a", mask=TensorPicture(mask, "m"))))[0]
    assert sheet[96, 20].tolist() != [1, 1, 1] and sheet[96, 20, 0] > sheet[96, 20, 1] + 0.2
    assert sheet[96, 170].tolist() == [1, 1, 1]


def test_sheets_of_many_and_of_unreadable_pictures(tmp_path):
    samples = [sample(str(n)) for n in range(100)]
    sheet = dataset_sheet(dataset(*samples))
    assert sheet.shape == (1, 6 * (TILE + LABEL), 8 * TILE, 3) and 0 <= sheet.min() and sheet.max() <= 1
    gone = sample("gone", FilePicture(tmp_path / "gone.png", "gone"))
    assert dataset_sheet(dataset(gone)).shape == (1, TILE + LABEL, TILE, 3)
