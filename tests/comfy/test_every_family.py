"""Every model that ComfyUI knows: trained, saved, loaded and sampled as a tiny instance, or refused with a reason.

What is found here stands in docs/families.json, beside what was found on other versions of ComfyUI; README's table is made from it:
`make families COMFYUI_PATH=...` writes both.
"""

import json
import os
from contextlib import nullcontext

import pytest

from pack.demo.shipped.make_family_table import FACTS, merged, seen_on, versions
from pack.tests.comfy import tiny_models
from pack.tests.comfy.family_walk import walk
from pack.tests.comfy.tiny.refused import REFUSED
from pack.tests.comfy.tiny_models import TRAINED, Tiny

FOUND: dict[str, list] = {"trained": [], "refused": []}


@pytest.mark.parametrize("tiny", TRAINED, ids=lambda tiny: tiny.name)
def test_is_trained_saved_loaded_and_sampled(comfy, tiny: Tiny, tmp_path):
    walked = walk(comfy, tiny, tmp_path)
    assert walked.losses[-1] < walked.losses[0]
    assert walked.checkpointing_error < 1e-4 and walked.ways_error < 1e-6
    assert walked.forward_error < 1e-6
    assert walked.gradient_error < 1e-3 and walked.least_cosine > 0.9999
    assert walked.batch_error < 1e-4
    assert walked.unmapped == 0 and walked.file_error < 1e-4
    assert walked.is_as_before
    assert walked.sampled.shape == (1, *tiny.latent) and walked.sampled.isfinite().all()
    assert walked.recomputed_blocks > 0 and walked.default_targets > 0
    FOUND["trained"].append({
        "kind": tiny.kind, "name": tiny.name, "objective": walked.parametrisation, "keys": walked.keys,
        "text_encoders": list(walked.text_encoders),
    })


@pytest.mark.parametrize(("tiny", "word"), REFUSED, ids=lambda value: getattr(value, "name", ""))
def test_is_refused_with_a_reason(comfy, tiny: Tiny, word: str):
    from pack.host.session import Session
    from pack.training.errors import ModelError

    patcher = tiny_models.empty_patcher(comfy, tiny)
    with pytest.raises(ModelError, match=word) as caught:
        Session(patcher)
    (problem,) = caught.value.problems
    opening = f"this model ({tiny.kind}) "
    assert problem.startswith(opening)
    FOUND["refused"].append({"kind": tiny.kind, "name": tiny.name, "reason": problem.removeprefix(opening).split(". ")[0] + "."})


def test_the_walk_notices_residuals_that_are_added_in_place(comfy, tmp_path, monkeypatch):
    """ComfyUI's FLUX as it is: the walk above is worth something only if it fails there."""
    from pack.host.session import in_place

    monkeypatch.setattr(in_place, "harmless", lambda constant: nullcontext())
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        walk(comfy, next(tiny for tiny in TRAINED if tiny.kind == "Flux"), tmp_path)


def test_no_model_of_this_comfyui_is_left_out(comfy):
    """A newer ComfyUI with another model fails here: give it a place in tests/comfy/tiny/."""
    known = {kind.__name__ for kind in comfy.module("comfy.supported_models").models}
    walked = {tiny.kind for tiny in TRAINED} | {tiny.kind for tiny, _ in REFUSED}
    assert known - walked == set()


def test_the_facts_are_on_file(comfy):
    """Runs last: the whole file must have run."""
    known = [tiny for tiny in (*TRAINED, *(tiny for tiny, _ in REFUSED)) if tiny_models.is_known(comfy, tiny)]
    if len(FOUND["trained"]) + len(FOUND["refused"]) < len(known):
        pytest.skip("only some of the models were walked")
    version = comfy.module("comfyui_version").__version__
    facts = json.loads(FACTS.read_text(encoding="utf-8"))
    if os.environ.get("WRITE_FAMILIES"):
        facts = merged(facts, FOUND, version)
        FACTS.write_text(json.dumps(facts, indent=1) + "\n", encoding="utf-8")
    if version not in versions([*facts["trained"], *facts["refused"]]):
        pytest.skip(f"docs/families.json holds nothing of ComfyUI {version}: make families adds it")
    assert in_order(seen_on(facts, version)) == in_order(FOUND), "what was found has changed: run make families"


def in_order(found: dict) -> dict:
    return {part: sorted(entries, key=lambda entry: entry["name"]) for part, entries in found.items()}
