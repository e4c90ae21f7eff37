"""What users wrote into group_rules and Block Weights before the code was cut into rooms means what it meant: the same layers of
the same models, with the same settings. The answers are the old code's (tests/fixtures/make.py)."""

import json

import pytest

from pack.tests.fixtures import languages

TABLES = {kind: json.loads((languages.FOLDER / f"{kind}.json").read_text(encoding="utf-8")) for kind in languages.KINDS}
#: Refused then, when group_rules knew no names of modules: what it means now, in the words of then.
SINCE = {"attn2: lr=1e-5": "*attn2*: lr=1e-5"}
QUESTIONS = [(kind, entry) for kind, table in TABLES.items() for entry in table]


def _title(value) -> str | None:
    texts = [value[name] for name in ("rules", "lr_weights", "ranks", "alphas") if name in value] if isinstance(value, dict) else []
    return f"{value['family']}: {' | '.join(texts)[:60]}" if texts else None


@pytest.mark.parametrize(("kind", "entry"), QUESTIONS, ids=_title)
def test_a_text_means_what_it_meant(kind, entry):
    question = {name: value for name, value in entry.items() if name != "answer"}
    answer = entry["answer"]
    if answer == languages.REFUSED and question.get("rules") in SINCE:
        answer = languages.KINDS[kind]({**question, "rules": SINCE[question["rules"]]})
        assert answer != languages.REFUSED
    assert languages.KINDS[kind](question) == answer


def test_the_tables_answer_what_is_asked():
    for kind, table in TABLES.items():
        assert [{name: value for name, value in entry.items() if name != "answer"} for entry in table] == languages.read(f"asked_{kind}")


def test_they_ask_for_something():
    """Every family, refusals, and more than one setting in most answers."""
    for table in TABLES.values():
        answers = [entry["answer"] for entry in table]
        assert {entry["family"] for entry in table} == set(languages.ASKED_IN)
        assert 2 < answers.count(languages.REFUSED) < 6
        assert sum(len(answer) > 1 for answer in answers if answer != languages.REFUSED) > 15
