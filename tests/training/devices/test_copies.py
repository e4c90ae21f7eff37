"""Copies of what is not trained are asked for no gradient, and hold no memory of those that are."""

import torch
from torch import nn

from pack.training.devices.copies import Copies


def test_only_what_is_trained_gets_a_gradient_and_no_other_ones_memory_with_it():
    trained, fixed, copies = nn.Parameter(torch.ones(4)), torch.full((8,), 2.0), Copies()
    with copies.made([fixed, trained], torch.bfloat16):
        of_fixed, of_trained = copies(fixed, torch.bfloat16), copies(trained, torch.bfloat16)
    assert of_trained.requires_grad and not of_fixed.requires_grad
    (of_trained * of_fixed[:4]).sum().backward()
    assert trained.grad is not None and trained.grad.tolist() == [2.0] * 4
    assert trained.grad.untyped_storage().nbytes() == trained.nbytes


def test_a_copy_is_found_until_it_is_forgotten():
    own, copies = nn.Parameter(torch.ones(4)), Copies()
    with copies.made([own], torch.bfloat16):
        assert copies.made_of(own) is copies(own, torch.bfloat16)
    copies.forget()
    assert copies.made_of(own) is None
