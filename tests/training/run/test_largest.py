"""Which item a step is rehearsed on."""

from types import SimpleNamespace

from pack.training.run.rehearsal.batch import largest


def item(side: int, references: int = 0):
    return SimpleNamespace(shape=(side, side), sample=SimpleNamespace(references=(None,) * references))


def test_it_is_the_one_with_most_pixels_its_references_included():
    assert largest([item(512), item(640), item(576)]) == 1
    assert largest([item(512, references=1), item(640)]) == 0  # 524,288 pixels against 409,600
    assert largest([item(512, references=1), item(768)]) == 1
