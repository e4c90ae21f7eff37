"""Regular expressions of users: what Python's spelling means is kept, time is bounded, what RE2 lacks is told."""

import builtins
import re
import sys
import time

import pytest

from pack.training.errors import MissingLibraryError
from pack.training.expressions import searching

NAMES = [
    f"{side}_blocks.{i}.attentions.{j}.transformer_blocks.{k}.attn{a}.to_{what}"
    for side in ("down", "up") for i in range(3) for j in range(3) for k in range(3) for a in (1, 2) for what in ("q", "k", "out.0")
]  # fmt: skip
KEPT = [
    r"attn[12]\.to_[qk]$", r"^up_blocks\.[02]\.", r"(?i)ATTN1", r"to_\w\Z", r"\.\d{,1}\.attn2", r"[\_]out", r"down\_blocks",
    r"(?P<side>up|down)_",
    r"\bto_q\b", r"^(?:down|up)_blocks\.(?:0|2)\.(.*)\.to_(q|out\.0)$", r"[^\]]attn", r"a{,2}ttn", "",
    r"^(?!up_blocks|down_blocks\.0\..*attn1\.to_[qv]$)", r"^(?!up_(blocks)[).]1)",
]


@pytest.mark.parametrize("expression", KEPT)
def test_it_finds_what_pythons_own_engine_finds(expression):
    holds, problem = searching(expression)
    assert problem is None
    found = [name for name in NAMES if holds(name)]
    assert found and found == [name for name in NAMES if re.search(expression, name)]


@pytest.mark.parametrize(
    "expression", [r"(\w+\.?)+!", r"(\w*\.*)*!", r"(a|aa|\w)+!", r"\w{0,200}\w{0,200}!", "(" * 150 + r"\w+" + ")*" * 150 + "!"]
)
def test_what_hangs_pythons_own_engine_takes_no_time(expression):
    before = time.process_time()
    holds, problem = searching(expression)
    assert problem is None and not any(holds(name * 20) for name in NAMES)
    assert time.process_time() - before < 20, "a backtracking engine would take longer than anybody waits"


@pytest.mark.parametrize(
    ("expression", "said"),
    [
        (r"attn(?!1)", "look-around"), (r"(?<=attn)1", "look-around"), (r"^(?!up)d", "look-around"),
        (r"^(?!up)(?!down)", "look-around"), (r"^(?!up(?=_))", "look-around"), (r"(attn)\1", "back-references"),
        (r"(?P<a>t)(?P=a)", "back-references"),
        (r"(?x) attn", "does not know"), ("(", "is not a regular expression"), ("(" * 3000 + ")" * 3000, "is not a regular expression"),
        ("x" * 5000, "too large"), (r"(\w{1,30}){1,30}", "too large"), ("a{99999999999}", "is not a regular expression"),
    ],
)
def test_what_cannot_be_searched_says_why_and_finds_nothing(expression, said):
    holds, problem = searching(expression)
    assert said in problem
    assert not any(holds(name) for name in NAMES)


def test_without_the_library_the_install_line_is_said(monkeypatch):
    def without(name, *rest, original=builtins.__import__):
        if name == "re2":
            raise ImportError(name)
        return original(name, *rest)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(MissingLibraryError, match="pip install google-re2"):
        searching("attn")


def test_another_package_of_the_same_name_is_not_taken_for_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "re2", re)
    with pytest.raises(MissingLibraryError, match="pip install google-re2"):
        searching("attn")
