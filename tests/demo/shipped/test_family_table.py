"""README's table of models comes from what the test of every family found."""

import json

import pytest

from pack.demo.shipped.make_family_table import END, FACTS, START, merged, seen_on, table, with_table

FOUND = {
    "trained": [
        {"kind": "PixArtAlpha", "name": "PixArtAlpha", "objective": "epsilon", "keys": "diffusion_model.*", "text_encoders": [],
         "comfyui": ["0.3.75", "0.33.0"]},
        {"kind": "Unheard", "name": "Unheard", "objective": "flow", "keys": "lora_unet_*", "text_encoders": ["clip_l"],
         "comfyui": ["0.3.75"]},
        {"kind": "PixArtSigma", "name": "PixArtSigma", "objective": "epsilon", "keys": "diffusion_model.*", "text_encoders": [],
         "comfyui": ["0.33.0"]},
    ],
    "refused": [{"name": "A", "reason": "makes sound.", "comfyui": ["0.3.75"]},
                {"name": "B", "reason": "makes sound.", "comfyui": ["0.33.0"]}],
}


def test_readme_holds_the_table_of_what_was_found(repo_root):
    readme = (repo_root / "README.md").read_text(encoding="utf-8")
    assert with_table(readme, json.loads(FACTS.read_text(encoding="utf-8"))) == readme, "run make families"


def test_one_line_a_model_and_one_a_reason():
    lines = table(FOUND).splitlines()
    assert "| PixArt Alpha, Sigma | noise | `diffusion_model.*` | not trained | 0.3.75, 0.33.0 |" in lines
    assert "| Unheard | flow | `lora_unet_*` | clip_l | 0.3.75 |" in lines
    assert lines[-1] == "- A, B: makes sound."
    assert sum(line.startswith("| PixArt") for line in lines) == 1


def test_what_two_versions_found_is_put_together():
    a, b, c = ({"name": name, "reason": name} for name in "abc")
    first = merged({}, {"refused": [a, b]}, "0.33.0")
    both = merged(first, {"refused": [b, c]}, "0.3.75")
    assert both == {"refused": [{**a, "comfyui": ["0.33.0"]}, {**b, "comfyui": ["0.3.75", "0.33.0"]}, {**c, "comfyui": ["0.3.75"]}]}
    assert seen_on(both, "0.3.75") == {"refused": [b, c]}
    other = {**b, "reason": "another"}
    later = merged(both, {"refused": [other]}, "0.3.75")
    assert later == {"refused": [{**a, "comfyui": ["0.33.0"]}, {**b, "comfyui": ["0.33.0"]}, {**other, "comfyui": ["0.3.75"]}]}


def test_a_page_without_markers_is_an_error():
    with pytest.raises(ValueError, match="families:start"):
        with_table("nothing here", FOUND)
    assert with_table(f"a\n{START}\nold\n{END}\nb", FOUND).count("old") == 0
