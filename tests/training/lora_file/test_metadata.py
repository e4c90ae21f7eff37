"""What a file says of itself: kohya's and Stability's names, values of the run, nothing of this machine."""

import base64
import io
import json
from dataclasses import replace

import numpy as np
import pytest
import tomllib

from pack.tests.training.run.fakes import Bench, pictures
from pack.training.data.dataset import REGULARISATION, VALIDATION, Dataset
from pack.training.data.specs import BucketSpec, CaptionSpec
from pack.training.families import FAMILIES
from pack.training.lora_file.dataset_metadata import tag_frequency
from pack.training.lora_file.metadata import dated, metadata_at, with_trigger_words
from pack.training.lora_file.modelspec import thumbnail
from pack.training.lora_file.network_metadata import network_entries
from pack.training.lora_file.objective_metadata import objective_entries
from pack.training.lora_file.privacy import LEVELS, MINIMUM, NO_NAMES, at_level
from pack.training.network.block_weights import BlockRule, BlockWeights
from pack.training.network.kinds.lokr import LoKrOptions
from pack.training.network.spec import NetworkSpec, TargetSpec
from pack.training.objective import loss, noise, timesteps, weights
from pack.training.objective.sampled import SampledSigmas
from pack.training.objective.spec import ObjectiveSpec
from pack.training.optim.schedules import Cosine, Schedule
from pack.training.optim.spec import OptimizerSpec
from pack.training.run.build import build, run_settings
from pack.training.run.control import Control
from pack.training.specs import RunSpec
from pack.training.version import VERSION

#: What A1111, Forge and LoRA managers look at.
READ = (
    "ss_v2", "ss_base_model_version", "ss_network_module", "ss_network_dim", "ss_network_alpha", "ss_network_args", "ss_output_name",
    "ss_tag_frequency", "ss_sd_model_name", "ss_bucket_info", "ss_dataset_dirs", "ss_datasets", "ss_resolution", "ss_num_train_images",
    "modelspec.sai_model_spec", "modelspec.architecture", "modelspec.implementation", "modelspec.title", "modelspec.resolution",
)


def samples():
    """Three of a subject in '5_lcfox character', one regularisation picture, one held out."""
    made = pictures(5)
    fox = [replace(sample, folder="5_lcfox character", class_words="lcfox character", repeats=5, caption=caption)
           for sample, caption in zip(made, ("fox, tree", "fox, snow", "a fox"), strict=False)]
    regular = replace(made[3], folder="1_animal", class_words="animal", role=REGULARISATION, caption="animal")
    return (*fox, regular, replace(made[4], role=VALIDATION))


def order(tmp_path, family="sd15", parametrisation="epsilon", **changes):
    bench = Bench(folder=tmp_path / "fox v1", run_spec=RunSpec(steps=40, batch_size=2, gradient_accumulation=2, seed=7), samples=samples())
    made = bench.order()
    made.denoiser.family, made.denoiser.parametrisation = family, parametrisation
    dataset = Dataset(samples=samples()).with_captions(CaptionSpec(trigger="lcfox", shuffle=True, keep_tokens=1))
    dataset = dataset.with_buckets(BucketSpec(resolution=512, min_bucket=256, max_bucket=1024))
    recipe = {name: changes.pop(name) for name in ("network", "optimizer", "objective") if name in changes}
    return replace(made, recipe=replace(made.recipe, dataset=dataset, **recipe), model_name="v1-5.safetensors", **changes)


@pytest.fixture
def ordered(tmp_path):
    return order(tmp_path, optimizer=OptimizerSpec(learning_rate=2e-4, schedule=Schedule(Cosine(), warmup_percent=10.0)),
                 model_facts={"hash": "e1441589", "clip_skip": 2}, network=NetworkSpec(rank=8, alpha=4.0))


@pytest.fixture
def metadata(ordered):
    return _metadata(ordered)


def _metadata(made):
    from pack.training.data.items import make_items
    from pack.training.network.build import build_network
    from pack.training.run.build import make_plan

    items = [item for item in make_items(made.recipe.dataset) if item.sample.is_trained]
    plan = make_plan(made.recipe.run, items)
    network = build_network(replace(made.recipe.network, targets=TargetSpec(preset="all linear")), made.parts[:1], seed=0)
    settings = run_settings(made, plan, 40, network) | {"precision": "bfloat16"}
    return metadata_at(made, plan, settings)(20)


def test_all_strings_and_all_that_is_read(metadata):
    assert all(isinstance(value, str) and value for value in metadata.values())
    assert set(READ) <= metadata.keys()
    assert not [key for key in metadata if not key.startswith(("ss_", "modelspec."))]


def test_values_of_the_run(metadata):
    expected = {
        "ss_v2": "False", "ss_base_model_version": "sd_v1", "ss_network_module": "networks.lora", "ss_network_dim": "8",
        "ss_network_alpha": "4.0", "ss_output_name": "fox v1", "ss_sd_model_name": "v1-5.safetensors",
        "ss_sd_model_hash": "e1441589", "ss_clip_skip": "2", "ss_seed": "7", "ss_steps": "20", "ss_max_train_steps": "40",
        "ss_num_train_images": "15", "ss_num_reg_images": "1", "ss_num_validation_images": "1",
        "ss_total_batch_size": "2", "ss_gradient_accumulation_steps": "2", "ss_learning_rate": "0.0002", "ss_unet_lr": "0.0002",
        "ss_lr_scheduler": "cosine", "ss_lr_warmup_steps": "4", "ss_optimizer": "AdamW(weight_decay=0.01)", "ss_mixed_precision": "bf16",
        "ss_min_snr_gamma": "5.0", "ss_loss_type": "l2", "ss_resolution": "(512, 512)", "ss_shuffle_caption": "True", "ss_keep_tokens": "1",
        "modelspec.sai_model_spec": "1.0.1", "modelspec.title": "fox v1", "modelspec.architecture": "stable-diffusion-v1/lora",
        "modelspec.implementation": "diffusers", "modelspec.resolution": "512x512", "modelspec.prediction_type": "epsilon",
        "modelspec.encoder_layer": "2", "modelspec.trigger_phrase": "lcfox", "modelspec.implementation_version": f"lora-canvas/{VERSION}",
    }
    assert {key: metadata.get(key) for key in expected} == expected
    assert "ss_text_encoder_lr" not in metadata and "ss_noise_offset" not in metadata


def test_what_a1111_shows_of_the_pictures(metadata):
    """ui_edit_user_metadata.py: counts of tags over folders, of pictures over buckets and folders."""
    tags = json.loads(metadata["ss_tag_frequency"])
    assert tags == {"5_lcfox character": {"lcfox": 3, "fox": 2, "a fox": 1, "snow": 1, "tree": 1}, "1_animal": {"animal": 1}}
    assert sum(bucket["count"] for bucket in json.loads(metadata["ss_bucket_info"])["buckets"].values()) == 16
    assert json.loads(metadata["ss_dataset_dirs"]) == {"5_lcfox character": {"n_repeats": 5, "img_count": 3}}
    assert json.loads(metadata["ss_reg_dataset_dirs"]) == {"1_animal": {"n_repeats": 1, "img_count": 1}}


def test_what_lora_managers_read(metadata):
    """The trigger words are the class_tokens of the first subset of the first dataset."""
    (dataset,) = json.loads(metadata["ss_datasets"])
    assert dataset["resolution"] == [512, 512] and dataset["num_train_images"] == 15
    assert dataset["subsets"][0]["class_tokens"] == "lcfox" and dataset["subsets"][0]["num_repeats"] == 5


def test_nothing_of_this_machine(metadata, tmp_path):
    text = json.dumps(metadata)
    assert str(tmp_path) not in text and "/tmp" not in text and "\\\\" not in text


def test_no_dates_and_the_same_again(ordered, metadata):
    told = dated(1000.5)
    assert not told.keys() & metadata.keys()
    assert _metadata(ordered) == metadata
    assert told["ss_training_started_at"] == "1000.5" and float(told["ss_training_finished_at"]) > 1.7e9 and "T" in told["modelspec.date"]


@pytest.mark.parametrize(
    ("family", "parametrisation", "version", "architecture", "prediction"),
    [
        ("sd15", "v", "sd_v1_v", "stable-diffusion-v1/lora", "v"), ("sd2", "epsilon", "sd_v2", "stable-diffusion-v2-512/lora", "epsilon"),
        ("sd2", "v", "sd_v2_v", "stable-diffusion-v2-768-v/lora", "v"),
        ("sdxl", "v", "sdxl_base_v1-0", "stable-diffusion-xl-v1-base/lora", "v"),
        ("flux", "flow", "flux1", "flux-1-dev/lora", None), ("other", "flow", "other", None, None),
    ],
)
def test_families(tmp_path, family, parametrisation, version, architecture, prediction):
    told = _metadata(order(tmp_path, family, parametrisation))
    assert told["ss_base_model_version"] == version and told["ss_v2"] == str(family == "sd2")
    assert told.get("modelspec.architecture") == architecture and told.get("modelspec.prediction_type") == prediction
    schnell = _metadata(order(tmp_path, "flux", "flow", model_facts={"architecture": "flux-1-schnell/lora"}))
    assert schnell["modelspec.architecture"] == "flux-1-schnell/lora"


def test_flux_s_own_entries():
    told = objective_entries(ObjectiveSpec(), "flow", FAMILIES["flux"])
    chosen = {key: value for key, value in told.items() if value is not None}
    assert chosen["ss_timestep_sampling"] == "flux_shift" and chosen["ss_sigmoid_scale"] == 1.0 and chosen["ss_guidance_scale"] == 1.0
    assert chosen["ss_model_prediction_type"] == "raw" and chosen["ss_weighting_scheme"] == "none" and (
        chosen["ss_apply_t5_attn_mask"] is False
    )
    assert "ss_min_snr_gamma" not in chosen
    own = objective_entries(ObjectiveSpec(), "flow", FAMILIES["other"], 6.0)
    assert own["ss_timestep_sampling"] == "shift" and own["ss_discrete_flow_shift"] == 6.0
    sampled = ObjectiveSpec(timesteps=SampledSigmas(sigmas=(1.0, 0.875, 0.5)))
    assert objective_entries(sampled, "flow", FAMILIES["other"])["ss_sigmas"] == "1 0.875 0.5"
    assert objective_entries(ObjectiveSpec(guidance=3.5), "flow", FAMILIES["flux"])["ss_guidance_scale"] == 3.5
    told = objective_entries(ObjectiveSpec(timesteps=timesteps.LogitNormal(mean=0.5, std=2.0)), "flow", FAMILIES["flux"])
    assert (told["ss_timestep_sampling"], told["ss_weighting_scheme"], told["ss_logit_mean"], told["ss_logit_std"]) == (
        "sigma", "logit_normal", 0.5, 2.0
    )
    told = objective_entries(ObjectiveSpec(timesteps=timesteps.Shift(k=3.0)), "flow", FAMILIES["flux"])
    assert (told["ss_timestep_sampling"], told["ss_discrete_flow_shift"]) == ("shift", 3.0)


def test_objective_under_kohya_s_names():
    spec = ObjectiveSpec(
        loss=loss.SmoothL1(c=0.2, schedule="snr"), weighting=weights.Debiased(), prior_weight=0.5, zero_terminal_snr=True,
        noise=noise.NoiseSpec(offset=0.05, adaptive_offset=0.01, multires_iterations=6, multires_discount=0.4,
                              input_perturbation=0.1, random_strength=True),
    )
    told = objective_entries(spec, "epsilon", FAMILIES["sd15"])
    assert told == told | {
        "ss_loss_type": "smooth_l1", "ss_huber_c": 0.2, "ss_huber_schedule": "snr", "ss_huber_scale": 1.0, "ss_debiased_estimation": True,
        "ss_min_snr_gamma": None, "ss_prior_loss_weight": 0.5, "ss_zero_terminal_snr": True, "ss_noise_offset": 0.05,
        "ss_adaptive_noise_scale": 0.01, "ss_multires_noise_iterations": 6, "ss_multires_noise_discount": 0.4,
        "ss_ip_noise_gamma": 0.1, "ss_noise_offset_random_strength": True,
    }


@pytest.mark.parametrize(
    ("settings", "module", "arguments"),
    [
        ({}, "networks.lora", {}), ({"algorithm": "rslora"}, "networks.lora", {"rs_lora": True}),
        ({"algorithm": "dora"}, "lycoris.kohya", {"algo": "locon", "dora_wd": True, "wd_on_output": False}),
        ({"algorithm": "lokr", "options": LoKrOptions(factor=8)}, "lycoris.kohya", {"algo": "lokr", "factor": 8}),
        ({"conv_rank": 4, "conv_alpha": 2.0, "rank_dropout": 0.1}, "networks.lora",
         {"conv_dim": 4, "conv_alpha": 2.0, "rank_dropout": 0.1}),
        ({"block_weights": BlockWeights(lr=(1.0, 0.5), rules=(BlockRule(where="mid", rank=2),)), "init": "pissa"}, "networks.lora",
         {"block_lr_weight": "1,0.5", "block_rules": [{"where": "mid", "rank": 2}], "init": "pissa"}),
    ],
)
def test_networks(settings, module, arguments):
    told = network_entries(NetworkSpec(**settings))
    assert told["ss_network_module"] == module
    assert json.loads(told["ss_network_args"]) == {**arguments, "preset": "attention + feed-forward"}


def test_every_algorithm_has_a_module():
    from pack.training.network.kinds.menu import adapters

    for name in adapters:
        assert network_entries(NetworkSpec(algorithm=name))["ss_network_module"].startswith(("networks.", "lycoris."))


def test_privacy(metadata):
    hidden = at_level(metadata, NO_NAMES)
    assert "character" in json.dumps(metadata) and "character" not in json.dumps(hidden)
    counts = {"dataset 1": {"lcfox": 3, "fox": 2, "a fox": 1, "snow": 1, "tree": 1}, "dataset 2": {"animal": 1}}
    assert json.loads(hidden["ss_tag_frequency"]) == counts
    assert json.loads(hidden["ss_dataset_dirs"]).keys() == {"dataset 1"} and (
        json.loads(hidden["ss_reg_dataset_dirs"]).keys() == {"dataset 2"}
    )
    least = at_level(metadata, MINIMUM)
    assert {key for key in least if key.startswith("ss_")} == {
        "ss_v2", "ss_base_model_version", "ss_network_module", "ss_network_dim", "ss_network_alpha", "ss_network_args", "ss_output_name",
    }
    assert at_level(metadata, LEVELS[0]) == metadata


def test_trigger_words_reach_managers(metadata):
    plain = dict(metadata)
    datasets = json.loads(plain["ss_datasets"])
    for subset in datasets[0]["subsets"]:
        subset["class_tokens"] = None
    plain["ss_datasets"] = json.dumps(datasets)
    told = with_trigger_words(plain, " my fox ")
    assert told["modelspec.trigger_phrase"] == "my fox"
    assert {subset["class_tokens"] for subset in json.loads(told["ss_datasets"])[0]["subsets"]} == {"my fox"}
    assert json.loads(with_trigger_words(metadata, "x")["ss_datasets"])[0]["subsets"][0]["class_tokens"] == "lcfox"
    assert with_trigger_words(metadata, " ") == metadata
    assert with_trigger_words({}, "x") == {"modelspec.trigger_phrase": "x"}


def test_thumbnail():
    from PIL import Image

    url = thumbnail(np.full((600, 300, 3), (200, 30, 30), np.uint8))
    kind, data = url.split(",", 1)
    image = Image.open(io.BytesIO(base64.b64decode(data)))
    assert kind == "data:image/jpeg;base64" and image.size == (128, 256) and abs(image.getpixel((60, 100))[0] - 200) < 8


def test_tags_are_counted_once_a_picture():
    sample = replace(pictures(1)[0], caption="a, b, a\nb, c")
    assert tag_frequency([sample, sample]) == {"pictures": {"a": 2, "b": 2, "c": 2}}


def test_the_version_is_pyproject_s(repo_root):
    assert tomllib.loads((repo_root / "pyproject.toml").read_text())["project"]["version"] == VERSION


def test_the_metadata_of_a_whole_run(tmp_path):
    """Through build: the functions get what the run gives them."""
    bench = Bench(folder=tmp_path / "run", run_spec=RunSpec(steps=2), samples=samples())
    told = build(bench.order(), Control(), lambda event: None).checkpoints._metadata_at(1)
    assert told["ss_steps"] == "1" and told["ss_output_name"] == "run"
