"""Words and tags changed in captions, by values."""

import pytest

from pack.training.data.editing.change import Change
from pack.training.errors import SettingsError


@pytest.mark.parametrize(
    ("change", "before", "after"),
    [
        ({"kind": "add", "what": "dog"}, "a, b", "a, b, dog"),
        ({"kind": "add", "what": "dog", "place": "start"}, "a, b", "dog, a, b"),
        ({"kind": "add", "what": "dog"}, "a,  Dog ,b", "a,  Dog ,b"),  # it is there: nothing is touched
        ({"kind": "add", "what": "dog, cat"}, "Cat, a,", "Cat, a, dog"),
        ({"kind": "add", "what": "dog"}, "", "dog"),
        ({"kind": "add", "what": "dog"}, "a\n\nb", "a, dog\n\nb, dog"),
        ({"kind": "remove", "what": "dog"}, "dog, a, DOG, hot dog", "a, hot dog"),
        ({"kind": "remove", "what": "dog"}, "hot dog,  a", "hot dog,  a"),
        ({"kind": "remove", "what": "dog, a"}, "dog, a", ""),
        ({"kind": "replace", "what": "dog", "to": "cat"}, "a, dog, b", "a, cat, b"),
        ({"kind": "replace", "what": "dog", "to": "cat"}, "cat, dog, b", "cat, b"),  # not there twice
        ({"kind": "replace", "what": "dog", "to": "cat, pet"}, "a, dog", "a, cat, pet"),
        ({"kind": "replace", "what": "dog", "to": "Dog"}, "a, dog", "a, Dog"),
        ({"kind": "replace", "what": "dog", "to": ""}, "a, dog, b", "a, b"),
        ({"kind": "remove", "what": "dog", "unit": "word"}, "A dog, on a sofa", "A, on a sofa"),
        ({"kind": "remove", "what": "dog", "unit": "word"}, "a hotdog and dogs", "a hotdog and dogs"),
        ({"kind": "remove", "what": "dog", "unit": "word"}, "x, dog, y", "x, y"),
        ({"kind": "replace", "what": "dog", "to": "cat", "unit": "word"}, "Dog beside a dog. hotdog", "cat beside a cat. hotdog"),
        ({"kind": "replace", "what": "red car", "to": r"\1 bike", "unit": "word"}, "a red car.", r"a \1 bike."),
        ({"kind": "replace", "what": "猫", "to": "狗", "unit": "word"}, "一只猫在沙发上", "一只狗在沙发上"),
        ({"kind": "add", "what": "ohwx", "unit": "word", "place": "start"}, "a dog", "ohwx a dog"),
        ({"kind": "add", "what": "dog", "unit": "word"}, "a dog", "a dog"),
    ],
)
def test_a_caption_changes_so(change, before, after):
    assert Change(**change).applied(before) == after


@pytest.mark.parametrize(("fields", "said"), [
    ({"kind": "add", "what": " , "}, "nothing to add"), ({"kind": "burn", "what": "a"}, "kind is 'burn' but must be one of add"),
    ({"kind": "add", "what": "a\nb"}, "one line"), ({"kind": "add", "what": "x" * 3000}, "2,000"),
])
def test_what_cannot_be_done_is_said(fields, said):
    with pytest.raises(SettingsError, match=said):
        Change(**fields)
