"""Names that people type become names that every system takes."""

import pytest

from pack.training.files.names import file_name, file_path


@pytest.mark.parametrize(("typed", "made"), [
    ("my_style_v1.5", "my_style_v1.5"), (" fox . ", "fox"), ("a:b?c*d", "a_b_c_d"),
    ("a\nb\x7f", "a_b_"), ("狐狸", "狐狸"), ("...", ""), ("", ""),
    ("nul", "_nul"), ("COM1.v2", "_COM1.v2"), ("console", "console"),
])  # fmt: skip
def test_a_name(typed, made):
    assert file_name(typed) == made


def test_both_slashes_make_folders():
    assert file_path(r"characters\fox/v1.5") == ["characters", "fox", "v1.5"]
    assert file_path("a/../b") == ["a", "", "b"]
    assert file_path("/a") == ["", "a"]
