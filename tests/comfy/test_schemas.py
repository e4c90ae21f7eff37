"""Every node's schema: what scripts may leave out, what beginners are told."""

import inspect
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def classes(comfy):
    from pack.nodes import NODES

    return NODES


def test_widgets_that_may_be_left_out_have_the_same_default_in_execute(classes):
    from comfy_api.latest import io

    for node in classes:
        readers = [reader for reader in (node.execute, getattr(node, "foreseen", None)) if reader is not None]
        parameters = {name: found for reader in readers for name, found in inspect.signature(reader).parameters.items()}
        gathers = any(p.kind is inspect.Parameter.VAR_KEYWORD for p in parameters.values())
        for given in node.define_schema().inputs:
            if not given.optional or not isinstance(given, io.WidgetInput) or given.force_input:
                continue
            where = f"{node.__name__}.{given.id}"
            if given.id not in parameters:
                assert gathers, f"{where} is never read"
                continue
            default = parameters[given.id].default
            default = default[0] if isinstance(default, tuple) and default else default
            assert default == given.default, f"{where}: the widget says {given.default!r}, execute {default!r}"


def test_what_design_promises_is_there(classes):
    """Names that workflows and scripts address; more may be added, these stay."""
    promised = {
        "LoadDataset": ["folder", "repeats", "caption_extension"],
        "BucketConfig": ["dataset", "resolution", "min_bucket", "max_bucket", "bucket_step", "no_upscale"],
        "LoRANetwork": ["algorithm", "rank", "alpha", "targets"],
        "Optimizer": ["optimizer", "learning_rate", "text_encoder_lr", "scheduler", "warmup_steps"],
        "SamplePreview": ["prompts", "every_n_steps", "sampler_name", "scheduler", "sampling_steps", "cfg", "width", "height", "seed"],
        "TrainLoRA": ["model", "vae", "dataset", "network", "optimizer", "clip", "objective", "preview", "run_name", "steps",
                      "batch_size", "gradient_accumulation", "seed", "precision", "gradient_checkpointing", "save_every_n_steps", "resume"],
        "SaveLoRA": ["lora", "filename", "dtype"],
    }
    outputs = {
        "LoadDataset": ["dataset", "report", "preview"], "BucketConfig": ["dataset", "report", "preview"],
        "TrainLoRA": ["model", "clip", "lora", "loss_map", "loss_plot", "samples", "run_folder"], "SaveLoRA": ["path"],
    }
    schemas = {node.__name__: node.define_schema() for node in classes}
    for name, inputs in promised.items():
        schema = schemas[name]
        assert schema.node_id == f"LoRACanvas{name}"
        own = [given.id for given in schema.inputs]
        assert set(inputs) <= set(own)
        required = {given.id for given in schema.inputs if not given.optional}
        assert required <= set(inputs), f"{name}: a script of today would lack {required - set(inputs)}"
    for name, wanted in outputs.items():
        assert [output.display_name for output in schemas[name].outputs][: len(wanted)] == wanted


def test_everything_has_a_tooltip(classes):
    for node in classes:
        schema = node.define_schema()
        assert schema.description and schema.category == "LoRA Canvas"
        for given in schema.inputs:
            assert given.tooltip and len(given.tooltip) > 10, f"{node.__name__}.{given.id} lacks a tooltip"


def test_nodes_that_say_what_they_found_have_a_place_for_it(classes):
    """ComfyUI's frontends show such text of core's own node only: web/node_text.mjs shows ours."""
    saying = {node.define_schema().node_id for node in classes if "PreviewText" in inspect.getsource(node.execute)}
    listed = re.search(r"TEXT_NODES = \[(.*?)\]", (ROOT / "web" / "node_text.mjs").read_text(encoding="utf-8"))[1]
    assert saying == set(re.findall(r'"(\w+)"', listed))
