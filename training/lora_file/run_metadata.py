"""ss_* entries of the run itself: identity, base model, progress, optimisation."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import PureWindowsPath
from typing import TYPE_CHECKING, Any

from ..parts import DIFFUSION_MODEL
from ..seeds import mix_seed
from ..specs import BY_HAND, Assistant
from ..version import VERSION

if TYPE_CHECKING:
    from ..data.batches import BatchPlan
    from ..order import Order

_PRECISIONS = {"float32": "no", "bfloat16": "bf16", "float16": "fp16"}


def run_entries(order: "Order", plan: "BatchPlan", settings: Mapping[str, Any], step: int) -> dict[str, Any]:
    run, name, total = order.recipe.run, order.folder.name, settings["dataset"]["total_steps"]
    return {
        "ss_session_id": mix_seed("session", name, run.seed) % 2**32,
        "ss_output_name": name,
        "ss_training_comment": run.training_comment.strip() or f"trained with LoRA Canvas {VERSION} in ComfyUI",
        "ss_seed": run.seed,
        **_base_model(order, settings),
        "ss_steps": step,
        "ss_epoch": step // plan.steps_per_epoch,
        "ss_max_train_steps": total,
        "ss_num_epochs": -(-total // plan.steps_per_epoch),
        "ss_num_batches_per_epoch": plan.batches_per_epoch,
        "ss_gradient_accumulation_steps": run.gradient_accumulation,
        # What is chosen depends on what is free; the file does not.
        "ss_gradient_checkpointing": run.gradient_checkpointing if run.memory == BY_HAND else None,
        "ss_mixed_precision": _PRECISIONS.get(settings.get("precision", ""), "no"),
        "ss_full_fp16": False,
        "ss_lowram": False,
        "ss_cache_latents": True,
        "lora_canvas_assistant": _assistant(run.assistant),
        **_optimizer(order, total),
        **_validation(order),
    }


def _assistant(assistant: Assistant | None) -> str | None:
    """No other program has an entry for what a LoRA was trained on top of."""
    return f"{PureWindowsPath(assistant.name).name} ({assistant.digest}) at {assistant.strength:g}" if assistant else None


def _base_model(order: "Order", settings: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "ss_v2": order.family.is_v2,
        "ss_base_model_version": order.family.version_for(order.denoiser.parametrisation),
        "ss_sd_model_name": settings["model"]["name"],
        "ss_sd_model_hash": order.model_facts.get("hash"),
        "ss_vae_name": order.model_facts.get("vae_name"),
        "ss_vae_hash": order.model_facts.get("vae_hash"),
        "ss_clip_skip": order.model_facts.get("clip_skip"),
    }


def _optimizer(order: "Order", total: int) -> dict[str, Any]:
    spec = order.recipe.optimizer
    arguments = {"weight_decay": spec.weight_decay, **spec.extra_arguments}
    return {
        "ss_learning_rate": spec.learning_rate,
        "ss_unet_lr": spec.learning_rate,
        "ss_text_encoder_lr": _text_encoder_rates(order),
        "ss_optimizer": f"{spec.optimizer}({','.join(f'{name}={value}' for name, value in arguments.items())})",
        "ss_lr_scheduler": spec.schedule.curve.name,
        "ss_lr_warmup_steps": spec.schedule.warmup(total),
        "ss_max_grad_norm": spec.max_grad_norm,
    }


def _text_encoder_rates(order: "Order") -> float | list[float] | None:
    """One number, or where they differ one for each encoder in the model's order: kohya writes a list."""
    spec = order.recipe.optimizer
    rates = [spec.rate_of(part.name) for part in order.parts if part.name != DIFFUSION_MODEL]
    if not rates:
        return None
    return rates if spec.text_encoder_rates and not spec.kind.finds_rate else spec.text_encoder_lr


def _validation(order: "Order") -> dict[str, Any]:
    every = order.recipe.run.validate_every_n_steps
    return {"ss_validate_every_n_steps": every} if every else {}
