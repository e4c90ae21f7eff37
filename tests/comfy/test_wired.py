"""What a wired widget names is watched by what the wire gave last, node by node."""

import pytest


@pytest.fixture
def at_node(comfy):
    context = comfy.module("comfy_execution.utils").CurrentNodeContext
    return lambda node: context("a prompt", node)


@pytest.fixture
def stamps():
    return {"a": "1", "b": "1"}


@pytest.fixture
def wired(comfy, stamps):
    return comfy.module("pack.host.wired").Wired(stamps.__getitem__)


def test_it_changes_with_what_came_and_with_nothing_else(at_node, wired, stamps):
    with at_node("1"):
        first = wired.fingerprint()
        wired.came("a")
        assert wired.fingerprint() == first == wired.fingerprint()
        wired.came("b")
        assert wired.fingerprint() == first
        stamps["a"] = "2"
        second = wired.fingerprint()
        assert second != first and wired.fingerprint() == second


def test_what_changes_before_it_is_read_counts_as_changed(at_node, wired, stamps):
    """Between ComfyUI's question and the node's turn lie all nodes before it."""
    with at_node("1"):
        wired.fingerprint()
        wired.came("a")
        known = wired.fingerprint()
        stamps["a"] = "2"
        wired.came("a")
        assert wired.fingerprint() != known


def test_each_node_watches_its_own(at_node, wired, stamps):
    known = {}
    for node, name in (("1", "a"), ("2", "b")):
        with at_node(node):
            known[node] = wired.fingerprint()
            wired.came(name)
    with at_node("3"):
        wired.came("a")  # its widget is typed: it was never asked
    stamps["a"] = "2"
    for node, changes in (("1", True), ("2", False)):
        with at_node(node):
            assert (wired.fingerprint() != known[node]) == changes


def test_what_is_forgotten_is_not_believed(at_node, comfy):
    wired = comfy.module("pack.host.wired").Wired(lambda name: "same")
    with at_node("1"):
        first = wired.fingerprint()
        for number in range(64):
            wired.came(str(number))
        assert wired.fingerprint() == first
        wired.came("64")
        assert wired.fingerprint() != first


def test_no_node_runs_always_because_a_widget_is_wired(comfy, at_node):
    """Every node that has a fingerprint, each of its widgets wired: NaN would make it, and all behind it, run at each Run."""
    asked, usual = 0, comfy.module("comfy_api.latest").io.ComfyNode.fingerprint_inputs.__func__
    for node in comfy.module("pack.nodes").NODES:
        if node.fingerprint_inputs.__func__ is usual:
            continue
        for widget in (entry.id for entry in node.define_schema().inputs):
            with at_node("1"):
                assert node.fingerprint_inputs(**{widget: None}) == node.fingerprint_inputs(**{widget: None}), (node, widget)
            asked += 1
    assert asked > 20
