"""What a run will need beside the base model, before it starts: a prediction, and said to be one.

The host's memory manager keeps this much free and loads as much of the model as then fits.
"""

from __future__ import annotations

from dataclasses import dataclass

FP32_BYTES = 4
#: Live bytes of a step over the bytes that ComfyUI reckons with for sampling the same batch: 447 MiB without and 161 MiB with
#: gradient checkpointing were measured on full-size SD1.5 at 256 x 256 in fp32, where ComfyUI reckons with 41. Other models
#: are assumed to behave alike.
TRAINING_OVER_SAMPLING = {False: 11.0, True: 4.5}


@dataclass(frozen=True)
class MemoryPlan:
    """Bytes. `adapters` are weights, gradients and optimizer state; `activations` what a micro-batch keeps for backward;
    `assistant` the frozen adapters under the trained ones."""

    adapters: int
    activations: int
    assistant: int = 0

    @property
    def total(self) -> int:
        return self.adapters + self.activations + self.assistant

    def sentence(self) -> str:
        assistant = f", {self.assistant / 2**30:.1f} for the assistant" if self.assistant else ""
        return (
            f"Prediction: training needs about {self.total / 2**30:.1f} GiB beside the model "
            f"({self.activations / 2**30:.1f} for activations, {self.adapters / 2**30:.1f} for the LoRA and its optimizer{assistant})."
        )


def memory_plan(parameters: int, state_bytes: float, sampling_bytes: float, checkpointing: bool, assistant: int = 0) -> MemoryPlan:
    """`parameters` are trained, each with `state_bytes` of optimizer state; `sampling_bytes` is what sampling the largest
    micro-batch once takes beside the weights."""
    return MemoryPlan(
        adapters=round(parameters * (2 * FP32_BYTES + state_bytes)),
        activations=round(sampling_bytes * TRAINING_OVER_SAMPLING[checkpointing]),
        assistant=assistant,
    )
