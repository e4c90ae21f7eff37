import pytest
import torch

from pack.training.objective.mask import MaskedLoss, latent_mask, masked_means

LOSSES = torch.tensor([[[[1.0, 2.0], [3.0, 4.0]]]])
MASK = torch.tensor([[[[1.0, 1.0], [0.0, 0.0]]]])


def test_without_a_mask_the_mean():
    assert masked_means(LOSSES, None, MaskedLoss(), None).tolist() == [2.5]


def test_normalised_and_not():
    assert masked_means(LOSSES, MASK, MaskedLoss(normalise=False), None).tolist() == pytest.approx([0.75])
    assert masked_means(LOSSES, MASK, MaskedLoss(normalise=True), None).tolist() == pytest.approx([1.5])


def test_unmasked_weight_by_hand():
    # (1 + 2 + 0.5 * 3 + 0.5 * 4) / 4 = 1.625; mean of the mask 0.75
    spec = MaskedLoss(unmasked_weight=0.5, normalise=False)
    assert masked_means(LOSSES, MASK, spec, None).tolist() == pytest.approx([1.625])
    spec = MaskedLoss(unmasked_weight=0.5, normalise=True)
    assert masked_means(LOSSES, MASK, spec, None).tolist() == pytest.approx([1.625 / 0.75])


def test_samples_marked_unmasked_count_whole():
    losses, mask = LOSSES.repeat(2, 1, 1, 1), MASK.repeat(2, 1, 1, 1)
    means = masked_means(losses, mask, MaskedLoss(normalise=False), torch.tensor([True, False]))
    assert means.tolist() == pytest.approx([2.5, 0.75])


def test_an_empty_mask_gives_zero_not_nan():
    assert masked_means(LOSSES, torch.zeros_like(MASK), MaskedLoss(normalise=True), None).tolist() == [0.0]


def test_area_resize_by_hand():
    mask = torch.zeros(1, 1, 4, 4)
    mask[..., :1, :] = 1
    assert latent_mask(mask, (2, 2)).tolist() == [[[[0.5, 0.5], [0.0, 0.0]]]]


def test_ranges():
    assert len(MaskedLoss(unmasked_weight=2, unmasked_probability=-1).problems()) == 2
