"""The nodes' texts in English and Chinese are complete and current.

English is made from the schemas: UPDATE_LOCALES=1 writes it anew. Then translate what this test names.
"""

import os
import re

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
