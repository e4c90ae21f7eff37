"""What a LoRA file says of itself: kohya's ss_* and Stability's modelspec.* entries, all strings.

Names and spellings are those that A1111, Forge, Civitai and LoRA managers read.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ..data.batches import BatchPlan
    from ..run.build import Order

IMPLEMENTATION = "LoRA Canvas"


def lora_metadata(order: "Order", plan: "BatchPlan", settings: Mapping[str, Any], step: int) -> dict[str, str]:
    """The metadata of the file saved after `step` updates. No dates: the same run gives the same file, byte for byte;
    Save LoRA adds them (`dated`)."""
    family, run, samples = order.family, order.run, order.dataset.samples
    title = order.folder.name
    entries: dict[str, Any] = {
        "ss_v2": str(family.name == "sd2"),
        "ss_base_model_version": family.base_model_version or settings["model"]["name"],
        "ss_network_module": "networks.lora",
        "ss_network_dim": order.network.rank,
        "ss_network_alpha": order.network.alpha,
        "ss_network_args": json.dumps(_network_args(order)),
        "ss_output_name": title,
        "ss_sd_model_name": settings["model"]["name"],
        "ss_seed": run.seed,
        "ss_steps": step,
        "ss_epoch": step // plan.steps_per_epoch,
        "ss_num_epochs": -(-settings["dataset"]["total_steps"] // plan.steps_per_epoch),
        "ss_max_train_steps": settings["dataset"]["total_steps"],
        "ss_num_train_images": sum(s.repeats for s in samples if not s.is_regularisation and not s.is_validation),
        "ss_num_reg_images": sum(s.repeats for s in samples if s.is_regularisation),
        "ss_num_batches_per_epoch": plan.batches_per_epoch,
        "ss_total_batch_size": run.batch_size,
        "ss_gradient_accumulation_steps": run.gradient_accumulation,
        "ss_gradient_checkpointing": run.gradient_checkpointing,
        "ss_learning_rate": order.optimizer.learning_rate,
        "ss_unet_lr": order.optimizer.learning_rate,
        "ss_text_encoder_lr": order.optimizer.text_encoder_lr if order.trains_text_encoders else None,
        "ss_optimizer": order.optimizer.optimizer,
        "ss_lr_scheduler": order.optimizer.scheduler,
        "ss_max_grad_norm": order.optimizer.max_grad_norm,
        "ss_mixed_precision": run.precision,
        "ss_tag_frequency": json.dumps(_tag_frequency(order)),
        "ss_bucket_info": json.dumps(_bucket_info(plan)),
        "modelspec.sai_model_spec": "1.0.1",
        "modelspec.title": title,
        "modelspec.implementation": family.implementation,
        "modelspec.architecture": family.architecture,
        "modelspec.prediction_type": {"epsilon": "epsilon", "v": "v"}.get(order.denoiser.parametrisation, ""),
    }
    return {key: str(value) for key, value in entries.items() if value not in ("", None)}


def dated() -> dict[str, str]:
    """When the file was made."""
    now = datetime.now(timezone.utc)
    return {"ss_training_finished_at": str(now.timestamp()), "modelspec.date": now.isoformat(timespec="seconds")}


def _network_args(order: "Order") -> dict[str, Any]:
    spec = order.network
    args = {"conv_dim": spec.conv_rank, "conv_alpha": spec.conv_alpha} if spec.conv_rank else {}
    dropouts = {name: getattr(spec, name) for name in ("dropout", "rank_dropout", "module_dropout")}
    return {**args, **{name: value for name, value in dropouts.items() if value}}


def _tag_frequency(order: "Order") -> dict[str, dict[str, int]]:
    """Folder -> tag -> how many pictures of it carry the tag."""
    frequency: dict[str, Counter[str]] = {}
    for sample in order.dataset.samples:
        tags = {tag.strip() for tag in sample.caption.replace("\n", ",").split(",") if tag.strip()}
        frequency.setdefault(sample.folder or "pictures", Counter()).update(tags)
    return {folder: dict(counts.most_common()) for folder, counts in frequency.items()}


def _bucket_info(plan: "BatchPlan") -> dict[str, Any]:
    counts = plan.bucket_counts().items()
    return {"buckets": {str(i): {"resolution": list(size), "count": count} for i, (size, count) in enumerate(counts)}}
