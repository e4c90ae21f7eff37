"""What kohya's settings of the data set, its captions and the pictures made while training are here."""

from __future__ import annotations

import math
import re

from .config import Config
from .record import BUCKETS, CAPTIONS, DATASET, PREVIEW

_SAMPLERS = {"euler": "euler", "k_euler": "euler", "euler_a": "euler_ancestral", "k_euler_a": "euler_ancestral", "heun": "heun",
             "dpm_2": "dpm_2", "k_dpm_2": "dpm_2",
             "dpm_2_a": "dpm_2_ancestral", "k_dpm_2_a": "dpm_2_ancestral", "lms": "lms", "k_lms": "lms", "ddim": "ddim",
             "dpmsolver++": "dpmpp_2m", "dpmsolver": "dpmpp_2m"}
_STEP = 8


def read_pictures(config: Config) -> None:
    _buckets(config)
    config.same(CAPTIONS, {
        "shuffle_caption": ("shuffle", bool), "keep_tokens": ("keep_tokens", int), "caption_dropout_rate": ("caption_dropout", float),
        "caption_dropout_every_n_epochs": ("caption_dropout_every_n_epochs", int), "caption_tag_dropout_rate": ("tag_dropout", float),
        "caption_prefix": ("prefix", str), "caption_suffix": ("suffix", str), "keep_tokens_separator": ("keep_tokens_separator", str),
        "secondary_separator": ("secondary_separator", str), "caption_separator": ("separator", str),
        "enable_wildcard": ("wildcards", bool), "token_warmup_min": ("token_warmup_min", int)})
    growing = config.number("token_warmup_step") or 0.0
    if 0 < growing < 1:
        config.refuse("token_warmup_step", "set token_warmup_step on Caption Config in steps; this is a share of the run")
    elif growing:
        config.put(CAPTIONS, "token_warmup_step", round(growing), "token_warmup_step")
    config.same(DATASET, {"num_repeats": ("repeats", int), "prior_loss_weight": ("prior_loss_weight", float)})
    ending = config.text("caption_extension")
    if ending in (".txt", ".caption", ".tags", ".cap"):
        config.put(DATASET, "caption_extension", ending, "caption_extension")
    elif ending:
        config.refuse("caption_extension", "captions end in .txt, .caption, .tags or .cap here")
    if config.is_on("alpha_mask"):
        config.put(DATASET, "masks", "alpha", "alpha_mask")
    if config.is_on("masked_loss"):
        config.refuse("masked_loss", "choose masks on Load Dataset: alpha, or files with their folder")


def _buckets(config: Config) -> None:
    key = "max_resolution" if "max_resolution" in config else "resolution"
    sides = [int(side) for side in re.findall(r"\d+", config.text(key))][:2]
    if sides and all(sides):
        side = round(math.sqrt(sides[0] * sides[-1]) / _STEP) * _STEP
        config.put(BUCKETS, "resolution", side, key)
    else:
        side = None
    if "enable_bucket" in config and not config.flag("enable_bucket"):
        if side:
            config.put(BUCKETS, "min_bucket", side, "enable_bucket")
            config.put(BUCKETS, "max_bucket", side, "enable_bucket")
        for key in ("min_bucket_reso", "max_bucket_reso"):
            config.text(key)
    else:
        config.text("enable_bucket")
        config.same(BUCKETS, {"min_bucket_reso": ("min_bucket", int), "max_bucket_reso": ("max_bucket", int)})
    config.same(BUCKETS, {"bucket_reso_steps": ("bucket_step", int), "bucket_no_upscale": ("no_upscale", bool), "flip_aug": ("flip", bool)})
    if config.is_on("color_aug"):
        config.put(BUCKETS, "colour", 0.1, "color_aug")
    if "random_crop" in config:
        config.put(BUCKETS, "crop", "random" if config.flag("random_crop") else "centre", "random_crop")


def read_samples(config: Config) -> None:
    config.same(PREVIEW, {key: (widget, int) for key, widget in (
        ("sample_every_n_steps", "every_n_steps"), ("sample_every_n_epochs", "every_n_epochs")) if config.is_on(key)})
    name = config.text("sample_sampler").lower()
    if name in _SAMPLERS:
        config.put(PREVIEW, "sampler_name", _SAMPLERS[name], "sample_sampler")
    elif name:
        config.refuse("sample_sampler", "no sampler here is called so; choose one on Sample Preview")
