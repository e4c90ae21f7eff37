"""UI workflow to API prompt: what the canvas does with widgets, reroutes, primitives, muted and bypassed nodes."""

import pytest

from pack.host.headless.workflow import WorkflowError, find, to_api, widget_values

INFO = {
    "Load": {"input": {"required": {"name": [["a", "b"], {}]}}},
    "Sample": {
        "input": {
            "required": {
                "model": ["MODEL", {}],
                "seed": ["INT", {"default": 0, "control_after_generate": True}],
                "steps": ["INT", {"default": 20}],
                "sampler": ["COMBO", {"options": ["euler"]}],
            },
            "optional": {"mask": ["MASK", {}], "text": ["STRING", {"forceInput": True}], "late": ["FLOAT", {"default": 0.5}]},
        }
    },
    "Tweak": {"input": {"required": {"model": ["MODEL", {}], "strength": ["FLOAT", {"default": 1.0}]}}},
    "LoadImage": {"input": {"required": {"image": [["x.png"], {"image_upload": True}], "size": ["INT", {}]}}},
}  # fmt: skip


def node(node_id, kind, values=(), links=(), mode=0, outputs=("MODEL",)):
    """A UI node; links: (input name, type, link id)."""
    sockets = [{"name": name, "type": kind_, "link": link} for name, kind_, link in links]
    made = [{"name": kind_, "type": kind_} for kind_ in outputs]
    return {
        "id": node_id,
        "type": kind,
        "mode": mode,
        "inputs": sockets,
        "outputs": made,
        "widgets_values": list(values),
    }


def chain(*between, last_link=9):
    """Load -> between -> Sample."""
    links = [[1, 1, 0, 2, 0, "MODEL"], [last_link, between[-1]["id"] if between else 1, 0, 3, 0, "MODEL"]]
    nodes = [node(1, "Load", ["a"]), *between]
    nodes.append(node(3, "Sample", [7, "randomize", 4, "euler"], [("model", "MODEL", last_link)]))
    return {"nodes": nodes, "links": links}


def test_values_get_their_names():
    prompt = to_api(chain(), INFO)
    assert prompt["1"]["inputs"] == {"name": "a"}
    assert prompt["3"]["inputs"] == {"seed": 7, "steps": 4, "sampler": "euler", "late": 0.5, "model": ["1", 0]}


def test_a_seed_saved_without_its_control():
    values = widget_values(node(3, "Sample", [7, 4, "euler", 0.25]), INFO["Sample"])
    assert values == {"seed": 7, "steps": 4, "sampler": "euler", "late": 0.25}


def test_the_upload_button_is_no_value():
    values = widget_values(node(1, "LoadImage", ["x.png", "image", 5]), INFO["LoadImage"])
    assert values == {"image": "x.png", "size": 5}


def test_values_saved_by_name():
    saved = {**node(3, "Sample"), "widgets_values": {"seed": 1, "steps": 2, "sampler": "euler", "unknown": 3}}
    assert widget_values(saved, INFO["Sample"]) == {"seed": 1, "steps": 2, "sampler": "euler"}


def test_a_reroute_is_followed():
    reroute = node(2, "Reroute", links=[("", "*", 1)])
    assert to_api(chain(reroute), INFO)["3"]["inputs"]["model"] == ["1", 0]


@pytest.mark.parametrize(("mode", "model"), [(0, ["2", 0]), (4, ["1", 0]), (2, None)])
def test_bypassed_and_muted(mode, model):
    prompt = to_api(chain(node(2, "Tweak", [0.5], [("model", "MODEL", 1)], mode=mode)), INFO)
    assert prompt["3"]["inputs"].get("model") == model
    assert ("2" in prompt) == (mode == 0)


def test_a_primitive_gives_its_value():
    workflow = chain()
    workflow["nodes"].append(node(5, "PrimitiveNode", [33, "fixed"], outputs=("INT",)))
    workflow["nodes"][-2]["inputs"].append({"name": "steps", "type": "INT", "link": 12, "widget": {"name": "steps"}})
    workflow["links"].append([12, 5, 0, 3, 1, "INT"])
    assert to_api(workflow, INFO)["3"]["inputs"]["steps"] == 33


def test_notes_are_left_out():
    workflow = chain()
    workflow["nodes"].append(node(8, "MarkdownNote", ["read me"], outputs=()))
    assert "8" not in to_api(workflow, INFO)


def test_an_unknown_node_is_named():
    with pytest.raises(WorkflowError, match="Strange"):
        to_api(chain(node(2, "Strange", links=[("model", "MODEL", 1)])), INFO)


def test_find_wants_exactly_one():
    prompt = to_api(chain(), INFO)
    find(prompt, "Load")["name"] = "b"
    assert prompt["1"]["inputs"]["name"] == "b"
    with pytest.raises(WorkflowError, match="0 nodes of the type Tweak"):
        find(prompt, "Tweak")
