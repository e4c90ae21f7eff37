"""LoRA Network, the options nodes, Block Weights and Start From LoRA in a real ComfyUI."""

import pytest
import torch
from safetensors.torch import load_file, save_file

from pack.tests.comfy.graphs import node, place_pictures, train_graph
from pack.tests.comfy.inprocess import NodeFailed
from pack.training.network.kinds.menu import ALGORITHMS


def network_node(**widgets) -> dict:
    return node("LoRACanvasLoRANetwork", **{"algorithm": "lora", "rank": 4, "alpha": 4.0, "targets": "attention + feed-forward", **widgets})


def execute(classes, **inputs):
    return classes.execute(**inputs).args


@pytest.fixture(scope="module")
def nodes(comfy):
    import pack.nodes as nodes

    return nodes


@pytest.mark.parametrize(
    ("algorithm", "name", "widgets"),
    [
        ("lokr", "LoKrOptions", {"factor": 8, "decompose_both": True, "full_matrix": False}), ("oft", "OFTOptions", {"constraint": 0.001}),
        ("boft", "OFTOptions", {"constraint": 0.0}), ("dylora", "DyLoRAOptions", {"unit": 2}), ("ia3", "IA3Options", {"on_input": True}),
    ],
)
def test_options_reach_the_spec(nodes, algorithm, name, widgets):
    (options,) = execute(getattr(nodes, name), **widgets)
    (spec,) = execute(nodes.LoRANetwork, algorithm=algorithm, rank=4, alpha=4.0, targets="attention", options=options)
    assert type(spec.options).__name__ == name and {key: getattr(spec.options, key) for key in widgets} == widgets


def test_options_of_another_algorithm_are_an_error(nodes):
    from pack.training.errors import SettingsError

    (options,) = execute(nodes.DyLoRAOptions, unit=2)
    with pytest.raises(SettingsError, match="the options are DyLoRAOptions, but algorithm 'lokr' takes LoKrOptions"):
        execute(nodes.LoRANetwork, algorithm="lokr", rank=4, alpha=4.0, targets="attention", options=options)
    (options,) = execute(nodes.LoKrOptions, factor=0, decompose_both=False, full_matrix=False)
    with pytest.raises(SettingsError, match="factor is 0 but must be -1"):
        execute(nodes.LoRANetwork, algorithm="lokr", rank=4, alpha=4.0, targets="attention", options=options)


def test_block_weights_reports_what_matches(comfy, sdxl_checkpoint):
    rules = "down 4: lr=0.5 rank=2\n/ff\\.net\\.2$/: off"
    graph = {
        "load": node("CheckpointLoaderSimple", ckpt_name=sdxl_checkpoint), "network": network_node(),
        "blocks": node("LoRACanvasBlockWeights", network=["network", 0], model=["load", 0], clip=["load", 1], rules=rules),
        "show": node("PreviewAny", source=["blocks", 1]),
    }
    report = comfy.run(graph).value("blocks", 1)
    assert report.startswith("Stable Diffusion XL, lora:")
    down = next(line.split() for line in report.splitlines() if line.startswith("down 4 "))
    assert down[3:6] == ["2", "4", "0.5"]
    assert {line.split("  ")[0] for line in report.splitlines()[2:-1]} >= {"clip_l", "clip_g", "down 5"}


def test_block_weights_without_a_model(comfy, nodes):
    (spec,) = execute(nodes.LoRANetwork, algorithm="lora", rank=4, alpha=4.0, targets="attention")
    network, report = execute(nodes.BlockWeights, network=spec, ranks="1,2,3", lr_weights="", alphas="", rules="")
    assert network.block_weights.ranks == (1.0, 2.0, 3.0) and spec.block_weights is None
    assert report == "Connect model to see which layers match."


def test_a_rule_that_matches_nothing_is_said_on_the_node(comfy, sd15_checkpoint):
    graph = {
        "load": node("CheckpointLoaderSimple", ckpt_name=sd15_checkpoint), "network": network_node(),
        "blocks": node("LoRACanvasBlockWeights", network=["network", 0], model=["load", 0], rules="atn2: off"),
        "show": node("PreviewAny", source=["blocks", 1]),
    }
    with pytest.raises(NodeFailed, match="Did you mean 'attn2'"):
        comfy.run(graph)


@pytest.fixture
def old_file(comfy):
    """A LoRA of rank 2 on one module of the tiny SD1.5."""
    key = "lora_unet_up_blocks_0_attentions_0_transformer_blocks_0_attn1_to_q"
    tensors = {f"{key}.lora_up.weight": torch.full((320, 2), 0.02), f"{key}.lora_down.weight": torch.full((2, 320), 0.02),
               f"{key}.alpha": torch.tensor(1.0)}
    path = comfy.base / "models" / "loras" / "old.safetensors"
    save_file(tensors, path)
    return path


def test_training_goes_on_from_a_file(comfy, sd15_checkpoint, old_file):
    """A new file with the old one's module, rank and alpha, changed by training; the old file is untouched."""
    before = old_file.read_bytes()
    graph = train_graph(sd15_checkpoint, place_pictures(comfy), run_name="goes on")
    graph["start"] = node("LoRACanvasStartFromLoRA", network=["network", 0], lora_name="old.safetensors")
    graph["train"]["inputs"]["network"] = ["start", 0]
    lora = comfy.run(graph).value("train", 2)
    old = load_file(old_file)
    assert lora.keys() == old.keys()
    for key, tensor in old.items():
        assert lora[key].shape == tensor.shape
        assert torch.equal(lora[key], tensor) == key.endswith("alpha")
        assert torch.allclose(lora[key], tensor, atol=0.01)
    assert old_file.read_bytes() == before


def test_training_goes_on_from_another_run(comfy, sd15_checkpoint):
    """The LORA_MODEL of one Train LoRA into the next."""
    graph = train_graph(sd15_checkpoint, place_pictures(comfy), run_name="first")
    graph["start"] = node("LoRACanvasStartFromLoRA", network=["network", 0], lora=["train", 2])
    graph["second"] = {"class_type": "LoRACanvasTrainLoRA",
                       "inputs": {**graph["train"]["inputs"], "network": ["start", 0], "run_name": "second"}}
    result = comfy.run(graph)
    first, second = result.value("train", 2), result.value("second", 2)
    assert first.keys() == second.keys()
    assert any(not torch.equal(first[key], second[key]) for key in first)


def test_a_file_and_a_socket_are_too_much(comfy, nodes):
    from pack.training.errors import SettingsError

    (spec,) = execute(nodes.LoRANetwork, algorithm="lora", rank=4, alpha=4.0, targets="attention")
    for inputs in ({"lora_name": "none"}, {"lora_name": "old.safetensors", "lora": {"a": torch.zeros(1)}}):
        with pytest.raises(SettingsError, match="one of the two"):
            execute(nodes.StartFromLoRA, network=spec, **inputs)


@pytest.mark.parametrize("algorithm", [name for name in ALGORITHMS if name != "lora"])
def test_every_algorithm_trains_and_loads(comfy, sd15_checkpoint, algorithm):
    """Through Train LoRA, which reads its file back with ComfyUI's loader and fails on an unmapped key."""
    graph = train_graph(sd15_checkpoint, place_pictures(comfy), run_name=algorithm, cache_to_disk=True)  # encoded once for all
    graph["network"] = network_node(algorithm=algorithm, rank=12, targets="attention",
                                    conv_rank=12 if algorithm != "dylora" else 0, conv_alpha=4.0)
    result = comfy.run(graph)
    assert len(result.value("train", 2)) > 0
