"""The nodes' texts in English and Chinese are complete and current.

English is made from the schemas: UPDATE_LOCALES=1 writes it anew. Then translate what this test names.
"""

import ast
import json
import os
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from pack.tests.comfy.locale_files import english, leaves, read, write
from pack.tests.comfy.node_schemas import node_schemas

# Names that stay as they are in Chinese.
SAME = re.compile(r"^[\W\d]*$|^(LoRA|CLIP|VAE|cfg|alpha|LoRA Canvas|latent)$", re.I)


@pytest.fixture(scope="module")
def expected(comfy):
    made = {name: english(schema) for name, schema in node_schemas(comfy).items()}
    if os.environ.get("UPDATE_LOCALES"):
        write("en", made)
    return made


def test_english_is_what_the_nodes_say(expected):
    assert read("en") == expected, "run this test with UPDATE_LOCALES=1, then translate what is new"


def test_chinese_has_every_text_and_no_other(expected):
    wanted, found = set(leaves(expected)), set(leaves(read("zh")))
    assert sorted(wanted - found) == [], "not translated"
    assert sorted(found - wanted) == [], "no longer there"


def test_chinese_is_chinese(expected):
    plain = {key: text for key, text in leaves(read("zh")).items() if not re.search("[一-鿿]", text) and not SAME.match(text)}
    assert plain == {}


def test_numbers_survive_translation(expected):
    """A good value that differs between languages is a mistake in one of them."""
    wanted, found = leaves(expected), leaves(read("zh"))
    digits = {key: re.findall(r"\d+\.\d+|\d{3,}", text) for key, text in wanted.items()}
    wrong = {key: (numbers, found[key]) for key, numbers in digits.items() if any(number not in found[key] for number in numbers)}
    assert wrong == {}


def test_both_languages_are_offered_by_the_server(comfy, expected):
    manager = comfy.module("app.custom_node_manager").CustomNodeManager()
    offered = manager.build_translations()
    assert offered["zh"]["nodeDefs"]["LoRACanvasTrainLoRA"]["display_name"] == read("zh")["LoRACanvasTrainLoRA"]["display_name"]
    assert offered["en"]["nodeDefs"]["LoRACanvasTrainLoRA"]["display_name"] == "Train LoRA"


ROOT = Path(__file__).resolve().parents[2]
#: What workflows call by the name of a setting's choice, which is not translated either.
CHOICES = {"lora", "lokr", "oft", "ia3", "dylora", "VAE"}


def words_of_workflows() -> Iterator[str]:
    for path in (ROOT / "workflows").glob("*.json"):
        workflow = json.loads(path.read_text(encoding="utf-8"))
        yield from (group["title"] for group in workflow["groups"])
        for node in workflow["nodes"]:
            yield node.get("title", "VAE")
            if node["type"] == "MarkdownNote":
                yield from (paragraph.removeprefix("## ") for paragraph in node["widgets_values"][0].split("\n\n"))


def test_titles_and_notes_of_the_workflows_are_translated():
    assert set(read("zh", "main")["loraCanvas"]["workflows"]) == set(words_of_workflows()) - CHOICES


def forms_in(tree: ast.AST) -> Iterator[str]:
    """The texts of a source, {} for what is put in."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.value
        if isinstance(node, ast.JoinedStr):
            yield "".join(str(part.value) if isinstance(part, ast.Constant) else "{}" for part in node.values)


def test_translated_messages_are_said_by_the_sources_and_keep_their_places():
    """The panel finds a message by its English (web/translate.mjs): one that was changed there would silently stay English."""
    said = {form for room in ("training", "host", "nodes") for path in (ROOT / room).rglob("*.py")
            for form in forms_in(ast.parse(path.read_text(encoding="utf-8")))}
    messages = read("zh", "main")["loraCanvas"]["messages"]
    assert set(messages) - said == set()
    for english_, chinese in messages.items():
        assert sorted(re.findall(r"{(\d+)}", chinese)) == [str(number) for number in range(english_.count("{}"))], english_
        assert re.search("[一-鿿]", chinese)
