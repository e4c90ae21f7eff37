"""docs/coming-from.md names only widgets that exist, on the node that it names; and leaves out no widget that other trainers have too."""

import re

import pytest

from pack.tests.comfy.node_schemas import inputs, node_schemas
from pack.training.presets.kohya import ELSEWHERE

NAMED = re.compile(r"([A-Z][A-Za-z0-9 ]+): ((?:`\w+`[^`:|;]*)+)")


@pytest.fixture(scope="module")
def page(repo_root) -> str:
    return (repo_root / "docs" / "coming-from.md").read_text(encoding="utf-8")


def rows(page: str) -> list[list[str]]:
    """The cells of every row of the tables that map settings."""
    found = [[cell.strip() for cell in line.strip("|").split("|")] for line in page.partition("## Fused backward")[0].splitlines()
             if line.startswith("|")]  # fmt: skip
    return [cells for cells in found if len(cells) == 4 and not cells[0].startswith("-") and cells[3] != "here"]


def test_every_widget_that_is_named_is_there(comfy, page):
    nodes = {schema.display_name: set(inputs(schema)) for schema in node_schemas(comfy).values()}
    named = [(node, widget) for cells in rows(page) for node, widgets in NAMED.findall(cells[3])
             for widget in re.findall(r"`(\w+)`", widgets)]  # fmt: skip
    assert len(named) > 100
    assert [(node, widget) for node, widget in named if widget not in nodes.get(node, ())] == []


def test_every_row_says_where_it_is_or_that_it_is_not(page):
    elsewhere = ("absent", "found out", "not needed", "always", "SDPA", "ComfyUI's", "`torchrun", "the loader", "a LoraLoader")
    assert [cells for cells in rows(page) if not NAMED.match(cells[3]) and not cells[3].startswith(elsewhere)] == []


def test_most_widgets_of_the_training_nodes_are_on_it(comfy, page):
    """What no other trainer has need not be there."""
    ours = {"LoRACanvasOptimizer": {"preview_steps"}, "LoRACanvasBucketConfig": {"dataset", "small_buckets", "batch_size"},
            "LoRACanvasCaptionConfig": {"dataset", "trigger_word", "variants", "allow_empty"}}  # fmt: skip
    for name, without in ours.items():
        assert {widget for widget in inputs(node_schemas(comfy)[name]) if f"`{widget}`" not in page} <= without, name


def test_the_readme_leads_there(repo_root):
    assert "docs/coming-from.md" in (repo_root / "README.md").read_text(encoding="utf-8")


def test_what_kohyas_files_set_nowhere_is_explained_there_or_in_the_reader():
    assert {"fused_backward_pass", "fused_optimizer_groups", "weighted_captions"} <= ELSEWHERE.keys()
