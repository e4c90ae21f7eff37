"""Every node has a help page, and the page knows every setting of the node and no other."""

import re

import pytest

from pack.tests.comfy.node_schemas import inputs, node_schemas


def settings_in(text: str) -> set[str]:
    """The names that the list below '## Settings' begins its lines with."""
    section = re.search(r"^## Settings\n(.*?)(?=^## )", text, flags=re.S | re.M)
    return set(re.findall(r"^- `([^`]+)`", section.group(1), flags=re.M)) if section else set()


@pytest.fixture(scope="module")
def pages(comfy, repo_root):
    folder = repo_root / "web" / "docs"
    return {path.stem: path.read_text(encoding="utf-8") for path in folder.glob("*.md")}


def test_every_node_has_its_page_and_every_page_its_node(comfy, pages):
    assert set(pages) == set(node_schemas(comfy))


def test_pages_explain_every_setting(comfy, pages):
    wrong = {}
    for name, schema in node_schemas(comfy).items():
        missing, unknown = set(inputs(schema)) - settings_in(pages[name]), settings_in(pages[name]) - set(inputs(schema))
        if missing or unknown:
            wrong[name] = {"missing": missing, "unknown": unknown}
    assert wrong == {}


def test_pages_have_a_title_and_an_example(comfy, pages):
    for name, schema in node_schemas(comfy).items():
        assert pages[name].startswith(f"# {schema.display_name}\n"), name
        assert "\n## Example\n" in pages[name], name
