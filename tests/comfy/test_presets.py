"""Presets against the nodes that they fill, and their two routes."""

import json
import re
from itertools import product
from pathlib import Path

import pytest

from pack.tests.comfy.node_schemas import inputs, node_schemas
from pack.tests.comfy.test_routes import FOREIGN, ask, root  # noqa: F401  fixtures
from pack.training.presets import learning, network, pictures, record, teaching
from pack.training.presets.kohya import read_kohya
from pack.training.presets.record import LOADER, NODES, PERSONAL
from pack.training.presets.shipped import menu, shipped

PRESETS = "/lora_canvas/presets"
WEB = Path(__file__).resolve().parents[2] / "web"


@pytest.fixture
def refused(comfy):
    """`refused(setting)`: why its node's widget cannot hold it; None where it can."""
    schemas = {name: inputs(schema) for name, schema in node_schemas(comfy).items()}

    def look(one) -> str | None:
        if one.node == LOADER:
            options = comfy.module("nodes").UNETLoader.INPUT_TYPES()["required"][one.widget][0]
            return None if one.value in options else f"{one.value} is none of {options}"
        widget = schemas.get(one.node, {}).get(one.widget)
        if widget is None:
            return f"{one.node} has no {one.widget}"
        if getattr(widget, "options", None) is not None:
            return None if one.value in widget.options else f"{one.value} is none of {widget.options}"
        if isinstance(widget.default, (int, float)) and not isinstance(widget.default, bool):
            return None if widget.min <= one.value <= widget.max else f"{one.value} is out of range"
        return None if isinstance(one.value, type(widget.default)) else f"{one.value!r} is no {type(widget.default).__name__}"

    return look


def test_every_shipped_preset_fits_its_widgets(refused):
    found = menu()
    presets = [shipped(*one) for one in product(found["kinds"], found["families"], found["cards"])]
    wrong = {f"{one.node}.{one.widget}: {why}" for preset in presets for one in preset.settings if (why := refused(one))}
    assert wrong == set()


def test_what_kohyas_keys_become_is_there(refused):
    """Every widget that the readers name."""
    content = {
        "LoRA_type": "LyCORIS/LoKr", "network_dim": 8, "network_alpha": 4, "conv_dim": 4, "conv_alpha": 1, "network_dropout": 0.1,
        "rank_dropout": 0.1, "module_dropout": 0.1, "scale_weight_norms": 1, "train_norm": True, "factor": 4, "decompose_both": True,
        "full_matrix": False, "LyCORIS_preset": "full", "optimizer": "AdamW", "optimizer_args": "weight_decay=0.1 eps=1e-8",
        "max_grad_norm": 1, "lr_scheduler": "polynomial", "lr_scheduler_power": 2, "lr_scheduler_min_lr_ratio": 0.1, "lr_warmup": 5,
        "loraplus_lr_ratio": 4, "loraplus_unet_lr_ratio": 4, "loraplus_text_encoder_lr_ratio": 4, "stop_text_encoder_training": 30,
        "learning_rate": 1e-4, "text_encoder_lr": 5e-5, "max_train_steps": 1000, "gradient_accumulation_steps": 2,
        "log_with": "tensorboard",
        "cache_latents_to_disk": True, "train_batch_size": 2, "seed": 1, "save_every_n_steps": 5, "save_every_n_epochs": 1,
        "mixed_precision": "no", "save_precision": "bf16", "training_comment": "x", "metadata_author": "x", "metadata_license": "x",
        "metadata_tags": "x", "loss_type": "smooth_l1", "huber_c": 0.1, "huber_schedule": "exponential", "v_pred_like_loss": 0.2,
        "noise_offset": 0.05, "adaptive_noise_scale": 0.01, "multires_noise_iterations": 6, "multires_noise_discount": 0.3,
        "ip_noise_gamma": 0.1, "zero_terminal_snr": True, "noise_offset_random_strength": True, "min_timestep": 0, "max_timestep": 900,
        "sample_every_n_steps": 100, "sample_every_n_epochs": 1, "sample_sampler": "ddim", "max_resolution": "1024,1024",
        "random_crop": True,
        "min_bucket_reso": 256, "max_bucket_reso": 2048, "bucket_reso_steps": 64, "bucket_no_upscale": True, "flip_aug": True,
        "shuffle_caption": True, "keep_tokens": 1, "caption_dropout_rate": 0.1, "caption_dropout_every_n_epochs": 2,
        "caption_tag_dropout_rate": 0.1, "caption_prefix": "a ", "caption_suffix": "b", "keep_tokens_separator": "|||",
        "secondary_separator": ";;;", "caption_separator": ",", "enable_wildcard": True, "num_repeats": 3, "prior_loss_weight": 0.5,
        "caption_extension": ".tags", "alpha_mask": True}
    flow = {"network_module": "networks.lora_flux", "learning_rate": 1e-4, "timestep_sampling": "shift", "discrete_flow_shift": 3,
            "sigmoid_scale": 1.0, "guidance_scale": 1.0, "max_train_epochs": 3, "lr_warmup_steps": 10}
    more = [{**flow, "timestep_sampling": "sigma", "weighting_scheme": scheme, "logit_mean": 0.1, "logit_std": 1, "mode_scale": 1.29}
            for scheme in ("logit_normal", "mode", "cosmap")]
    more += [{"learning_rate": 1, "min_snr_gamma": 5},
             {"learning_rate": 1, "lr_scheduler": "cosine_with_restarts", "lr_scheduler_num_cycles": 3}]
    settings = [one for keys in (content, flow, *more) for one in read_kohya(keys, "x", "x").settings]
    assert {why for one in settings if (why := refused(one))} == set()
    assert not {one.widget for one in settings} & PERSONAL
    named = {(one.node, one.widget) for one in settings}
    assert len(named) == 92, sorted(named)
    tables = [*network._ALGORITHMS.values(), *pictures._SAMPLERS.values(), *learning._OPTIMIZERS.values()]
    assert all(isinstance(name, str) for name in tables) and teaching.OBJECTIVE == record.OBJECTIVE


def test_every_sampler_of_kohyas_is_comfyuis(comfy):
    assert set(pictures._SAMPLERS.values()) <= set(comfy.module("comfy.samplers").KSampler.SAMPLERS)


def test_the_browsers_lists_are_these():
    assert f'"{record.RUN_FORMAT}"' in (WEB / "after" / "settings_file.mjs").read_text()
    source = (WEB / "presets.mjs").read_text(encoding="utf-8")
    lists = {name: re.findall(r'"(\w+)"', body) for name, body in re.findall(r"export const (\w+) = \[(.*?)\]", source, re.DOTALL)}
    assert lists["SETTING_NODES"] == list(NODES) and set(lists["PERSONAL"]) == PERSONAL


def test_the_menu_knows_the_model_at_hand(ask, root, comfy, sd15_checkpoint, tmp_path, monkeypatch):  # noqa: F811
    presets = comfy.module("pack.host.panel.presets")
    (tmp_path / "mine.json").write_text("{}")
    monkeypatch.setattr(comfy.module("pack.host.panel.routes"), "own_folder", lambda request: tmp_path)
    answer = ask("GET", PRESETS, params={"folder": "checkpoints", "model": sd15_checkpoint}).json
    assert answer["family"] == "sd15" and answer["mine"] == ["mine"] and answer["card"] is None
    assert list(answer["kinds"]) == ["character", "style", "object", "concept"]
    assert ask("GET", PRESETS, params={"folder": "../..", "model": "flux.safetensors"}).json["family"] == "flux"
    assert ask("GET", PRESETS).json["family"] is None
    assert ask("GET", PRESETS, params={"model": "x" * 301}).status == 400
    assert presets.own_folder is not None


def test_a_preset_is_asked_for(ask, root):  # noqa: F811
    answer = ask("POST", PRESETS, json={"kind": "style", "family": "sdxl", "card": "8"}).json
    assert answer["name"].startswith("Style · SDXL") and answer["settings"][0]["why"]["zh"]
    file = {"name": "a.json", "text": json.dumps({"network_dim": 8})}
    assert ask("POST", PRESETS, json=file).json["settings"][1]["value"] == 8
    for wrong in ({}, {"kind": "style"}, {**file, "kind": "style"}, {"name": "a.json", "text": 3}, {"name": "a.json", "text": "{"},
                  {"kind": "style", "family": "sdxl", "card": 8}, {"kind": "x", "family": "sdxl", "card": "8"}):
        assert ask("POST", PRESETS, json=wrong).status == 400
    assert ask("POST", PRESETS, json=file, headers=FOREIGN[0]).status == 403
    refused = ask("PUT", PRESETS, json={})
    assert refused.status == 405 and refused.headers["Allow"] == "GET, POST"
