"""--set: which node, which widget, which value; and that the canvas' file says it too."""

import pytest

from pack.host.headless.changes import Change, apply
from pack.host.headless.workflow import WorkflowError, to_api

from .test_workflow import INFO, chain, node


def changed(*written, between=()):
    workflow = chain(*between)
    prompt = to_api(workflow, INFO)
    apply([Change.read(text) for text in written], prompt, INFO, workflow)
    assert to_api(workflow, INFO) == prompt  # a run's file, opened in the canvas, is what was run
    return prompt


@pytest.mark.parametrize("name", ["Sample", "3"])
def test_a_node_by_its_class_or_number(name):
    assert changed(f"{name}.steps=2000")["3"]["inputs"]["steps"] == 2000


def test_a_node_by_its_title():
    workflow = chain()
    workflow["nodes"][-1]["title"] = "Train v1.5"
    prompt = to_api(workflow, INFO)
    apply([Change.read("Train v1.5.sampler=a=b")], prompt, INFO, workflow)
    assert prompt["3"]["inputs"]["sampler"] == "a=b"


def test_a_widget_that_the_file_does_not_know_yet():
    assert changed("Sample.late=0.25")["3"]["inputs"]["late"] == 0.25


def test_values_are_of_the_widgets_kind():
    info = {"Sample": {"input": {"required": {"on": ["BOOLEAN", {}], "text": ["STRING", {}]}}}}
    prompt = {"1": {"class_type": "Sample", "inputs": {}}}
    apply([Change.read("Sample.on=off"), Change.read("Sample.text=12")], prompt, info, None)
    assert prompt["1"]["inputs"] == {"on": False, "text": "12"}


@pytest.mark.parametrize(
    ("written", "told"),
    [
        ("steps=3", "is not NODE.WIDGET=VALUE"),
        ("Sample.steps", "is not NODE.WIDGET=VALUE"),
        ("Sampel.steps=3", "no node is called 'Sampel'.*Sample"),
        ("Sample.step=3", "no widget 'step'.*steps"),
        ("Sample.steps=many", "'steps' of 'Sample' is of the kind INT, and 'many' is none"),
        ("Tweak.strength=1", "2 nodes are called 'Tweak'.*5, 6"),
    ],
)
def test_what_does_not_fit_is_named(written, told):
    with pytest.raises(WorkflowError, match=told):
        changed(written, between=[node(5, "Tweak", [1.0]), node(6, "Tweak", [1.0])])


def test_what_is_wired_is_not_set():
    prompt = {"1": {"class_type": "Tweak", "inputs": {"strength": ["2", 0]}}}
    with pytest.raises(WorkflowError, match="'strength' of 'Tweak' is wired"):
        apply([Change.read("Tweak.strength=1")], prompt, INFO, None)
