"""README's table of models comes from what the test of every family found."""

import json

import pytest

from pack.demo.shipped.make_family_table import END, FACTS, START, table, with_table

FOUND = {
    "trained": [
        {"kind": "PixArtAlpha", "name": "PixArtAlpha", "objective": "epsilon", "keys": "diffusion_model.*", "text_encoders": []},
        {"kind": "PixArtSigma", "name": "PixArtSigma", "objective": "epsilon", "keys": "diffusion_model.*", "text_encoders": []},
        {"kind": "Unheard", "name": "Unheard", "objective": "flow", "keys": "lora_unet_*", "text_encoders": ["clip_l"]},
    ],
    "refused": [{"name": "A", "reason": "makes sound."}, {"name": "B", "reason": "makes sound."}],
}


def test_readme_holds_the_table_of_what_was_found(repo_root):
    readme = (repo_root / "README.md").read_text(encoding="utf-8")
    assert with_table(readme, json.loads(FACTS.read_text(encoding="utf-8"))) == readme, "run make families"


def test_one_line_a_model_and_one_a_reason():
    lines = table(FOUND).splitlines()
    assert "| PixArt Alpha, Sigma | noise | `diffusion_model.*` | not trained |" in lines
    assert "| Unheard | flow | `lora_unet_*` | clip_l |" in lines
    assert lines[-1] == "- A, B: makes sound."
    assert sum(line.startswith("| PixArt") for line in lines) == 1


def test_a_page_without_markers_is_an_error():
    with pytest.raises(ValueError, match="families:start"):
        with_table("nothing here", FOUND)
    assert with_table(f"a\n{START}\nold\n{END}\nb", FOUND).count("old") == 0
