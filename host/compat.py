"""What differs between ComfyUI versions, felt out by feature, in this one place."""

from __future__ import annotations

import comfy.model_management as model_management
import torch


def training_flag() -> list[tuple[object, str, object]]:
    """Newer ComfyUI avoids fused kernels without a backward while this flag is set; 0.3.75 has none."""
    if hasattr(model_management, "in_training"):
        return [(model_management, "in_training", True)]
    return []


def set_execution_device(text_encoders, device: torch.device) -> None:
    """Newer encoders compute where they are told to, since the weights of a paged model lie elsewhere."""
    if any(hasattr(encoder, "execution_device") for encoder in text_encoders.children()):
        text_encoders.set_clip_options({"execution_device": device})


def throw_if_interrupted() -> None:
    """Raise ComfyUI's InterruptProcessingException if Cancel was pressed. The flag is cleared by raising."""
    model_management.throw_exception_if_processing_interrupted()


INTERRUPTS: tuple[type[BaseException], ...] = (model_management.InterruptProcessingException,)
