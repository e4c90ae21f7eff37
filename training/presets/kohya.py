"""What the settings of kohya's trainer are here: the flat JSON of its GUI (kohya_ss), and sd-scripts' TOML with or without sections.

Every key of the file comes out in one of three ways: it sets a widget, it is off, or it sets nothing and why is said.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from .config import Config
from .learning import read_learning, read_run
from .network import read_network
from .pictures import read_pictures, read_samples
from .record import Preset
from .teaching import read_objective

#: That there is a training in it, not data alone.
_TRAINS = ("network_dim", "network_module", "LoRA_type", "learning_rate", "unet_lr", "optimizer", "optimizer_type")
_BY_ITSELF = "found out from the model, or done by itself"
_YOURS = "yours to set: it names something of one machine"
_MEMORY = "memory on Train LoRA chooses it by what is free"
_STARTING = "how kohya's own program is started"
_OTHER = "not there; see the help of the node"
_ELSEWHERE_BY_REASON: Mapping[str, str] = {
    _BY_ITSELF:
        "v2 v_parameterization sdxl flux1_checkbox sd3_checkbox cache_latents sdxl_cache_text_encoder_outputs "
        "persistent_data_loader_workers flux1_cache_text_encoder_outputs flux1_cache_text_encoder_outputs_to_disk "
        "cache_text_encoder_outputs cache_text_encoder_outputs_to_disk sdxl_no_half_vae no_half_vae max_token_length "
        "t5xxl_max_token_length apply_t5_attn_mask model_prediction_type vae_batch_size max_data_loader_n_workers is_reg "
        "train_blocks train_on_input save_model_as dim_from_weights",
    _YOURS:
        "train_data_dir reg_data_dir image_dir output_dir output_name logging_dir log_tracker_name log_tracker_config log_prefix "
        "resume network_weights lora_network_weights base_weights dataset_config sample_prompts class_tokens metadata_title "
        "metadata_file conditioning_data_dir wandb_api_key wandb_run_name in_json",
    "choose it on the loader nodes":
        "pretrained_model_name_or_path vae ae clip_l clip_g t5xxl model_list fp8_base fp8_base_unet",
    "add ComfyUI's node CLIP Set Last Layer behind the loader":
        "clip_skip",
    _MEMORY:
        "gradient_checkpointing lowvram highvram blocks_to_swap cpu_offload_checkpointing split_mode mem_eff_attn xformers sdpa "
        "async_upload",
    "adapters are fp32 while they are trained":
        "full_bf16 full_fp16",
    _STARTING:
        "num_cpu_threads_per_process num_machines num_processes multi_gpu gpu_ids main_process_port dynamo_backend dynamo_mode "
        "extra_accelerate_launch_args additional_parameters",
    "the state is saved whenever a run ends or is paused":
        "save_state save_state_on_train_end save_last_n_steps_state save_last_n_epochs_state",
    "keep_last on Train LoRA counts files, not steps":
        "save_last_n_steps save_last_n_epochs",
    "give the blocks on Block Weights or in group_rules":
        "down_lr_weight mid_lr_weight up_lr_weight block_lr_zero_threshold block_dims block_alphas conv_block_dims "
        "conv_block_alphas",
    "only some kinds of network have it":
        "factor unit decompose_both full_matrix constrain rescaled block_size",
    _OTHER:
        "weighted_captions save_state_to_huggingface huggingface_repo_id huggingface_token "
        "face_crop_aug_range rank_dropout_scale bypass_mode use_cp use_scalar use_tucker fused_backward_pass "
        "fused_optimizer_groups",
}
ELSEWHERE: Mapping[str, str] = {key: why for why, keys in _ELSEWHERE_BY_REASON.items() for key in keys.split()}


def read_kohya(content: Mapping[str, Any], name: str, kind: str) -> Preset:
    """The preset of a file's content. Settings of a data set that stand for several data sets or folders are those of the first."""
    keys, others = _flat(content)
    config = Config(keys)
    if any(key in config for key in _TRAINS):
        read_network(config)
        read_learning(config)
        read_run(config)
        read_objective(config)
        read_samples(config)
    read_pictures(config)
    for key in others:
        config.keys[key] = others[key]
        config.refuse(key, "several values for it; the first is taken")
    unread, off = config.rest(ELSEWHERE)
    return Preset(name=name, kind=kind, settings=tuple(config.settings.values()), unread=unread, off=off)


def _flat(content: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """(key -> its first value, whatever section it stands in; "key (2)" -> further values that differ). network_args count as keys."""
    found: dict[str, Any] = {}
    others: dict[str, Any] = {}
    for key, value in _walked(content):
        if key not in found:
            found[key] = value
        elif found[key] != value:
            number = next(number for number in range(2, len(others) + 3) if f"{key} ({number})" not in others)
            others[f"{key} ({number})"] = value
    return found, others


def _walked(content: Mapping[str, Any], depth: int = 0) -> Iterator[tuple[str, Any]]:
    for key, value in content.items():
        if isinstance(value, dict) and depth < 4:
            yield from _walked(value, depth + 1)
        elif isinstance(value, list) and value and all(isinstance(each, dict) for each in value) and depth < 4:
            for each in value:
                yield from _walked(each, depth + 1)
        elif key == "network_args":
            yield from _arguments(value)
        else:
            yield str(key), value


def _arguments(value: Any) -> Iterator[tuple[str, Any]]:
    """["conv_dim=4", "algo=locon"], or the same in one text."""
    for part in value if isinstance(value, list) else str(value).split():
        name, equals, said = str(part).strip("\"' ").partition("=")
        if equals:
            yield name.strip(), said.strip("\"' ")
