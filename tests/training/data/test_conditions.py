"""Nothing of a condition is lost: not when it is read, not on disk."""

import pytest
import torch

from pack.training.data.conditions import digest, mapped, packed, text_condition, unpacked
from pack.training.protocols import TextCondition

REFERENCES = [torch.arange(4.0).reshape(1, 4, 1, 1), torch.ones(1, 4, 2, 2)]
ENTRIES = {
    "cond": torch.rand(1, 3, 2), "pooled_output": None, "guidance": 2.5, "reference_latents": REFERENCES, "flag": True,
    "reference_latents_method": "index", "nested": {"sizes": (1, 2), "one": torch.tensor(3)},
}  # fmt: skip


def test_every_entry_is_kept():
    found = text_condition(ENTRIES)
    assert set(found.tensors) == {"cond"} and set(found.values) == set(ENTRIES) - {"cond", "pooled_output"}
    assert found.values["guidance"] == 2.5 and found.values["reference_latents"][1] is REFERENCES[1]


def test_tensors_are_changed_wherever_they_lie():
    changed = mapped({"a": [torch.ones(1), (torch.zeros(1), "x")], "b": 4}, lambda tensor: tensor + 1)
    assert changed == {"a": [torch.tensor([2.0]), (torch.tensor([1.0]), "x")], "b": 4}


def test_it_comes_back_from_flat_tensors():
    condition = text_condition(ENTRIES)
    flat = packed(condition)
    assert all(torch.is_tensor(tensor) for tensor in flat.values())
    back = unpacked(flat)
    assert torch.equal(back.tensors["cond"], condition.tensors["cond"])
    found, given = dict(back.values), dict(condition.values)
    for one, other in zip(found.pop("reference_latents"), given.pop("reference_latents"), strict=True):
        assert torch.equal(one, other)
    assert found == given and type(found["nested"]["sizes"]) is tuple


def test_tensors_alone_are_stored_as_they_always_were():
    condition = TextCondition(tensors={"cond": torch.ones(1, 2), "mask": torch.zeros(1)})
    assert packed(condition) == condition.tensors and unpacked(packed(condition)) == condition


def test_an_object_that_no_file_holds_is_told():
    assert packed(text_condition({"cond": torch.ones(1), "hooks": object()})) is None


class Vision:
    def __init__(self, value):
        self.penultimate_hidden_states = torch.full((1, 2), value)


@pytest.mark.parametrize(
    "change",
    [{"guidance": 3.0}, {"reference_latents": REFERENCES[:1]}, {"reference_latents": [REFERENCES[0] + 1, REFERENCES[1]]},
     {"clip_vision_output": Vision(1.0)}, {"nested": None}],
)  # fmt: skip
def test_the_digest_follows_every_entry(change):
    other = text_condition({**ENTRIES, **change})
    assert digest(other) != digest(text_condition(ENTRIES)) and digest(other) == digest(text_condition({**ENTRIES, **change}))
    assert digest(text_condition({"v": Vision(1.0)})) != digest(text_condition({"v": Vision(2.0)}))
