"""Events as small JSON records: one line of log.jsonl, one item of a websocket message.

The panel reads both with the same code, so a run looks the same live and after a restart.
Every record has "event"; the other keys are those of the functions below.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from types import NoneType
from typing import Any

from ..events import Event, Message, PreviewReady, Progress, RunEnded, RunStarted, Saved, StepDone, Validated
from ..files.strangers import without_paths

SAMPLES_FOLDER = "samples"
THUMBNAILS_FOLDER = "samples/small"


def number(value: float | None) -> float | None:
    """A float that JSON can hold: seven significant digits (all that fp32 has), None for inf and NaN."""
    if value is None or not math.isfinite(value):
        return None
    return float(f"{value:.7g}")


def sample_file(step: int, index: int) -> str:
    """The name of a preview picture; it sorts by step, then by prompt."""
    return f"step_{step:06d}_{index:02d}.png"


def thumbnail_file(sample: str) -> str:
    """The name of the small copy of a preview picture."""
    return sample.removesuffix(".png") + ".jpg"


def _started(event: RunStarted) -> dict[str, Any]:
    return {
        "run": event.run_name,
        "start_step": event.start_step,
        "total_steps": event.total_steps,
        "steps_per_epoch": number(event.steps_per_epoch),
        "seconds": number(event.seconds),
        "preview_every": event.preview_every,
        "validate_every": event.validate_every,
    }


def _progress(event: Progress) -> dict[str, Any]:
    return {"phase": event.phase, "done": event.done, "total": event.total}


def _step(event: StepDone) -> dict[str, Any]:
    norms = {} if event.mean_norm is None else {"mean_norm": number(event.mean_norm), "scaled_modules": event.scaled_modules}
    return {
        "step": event.step,
        "total_steps": event.total_steps,
        "epoch": number(event.epoch),
        "loss": number(event.loss),
        "lr": {group: number(rate) for group, rate in event.learning_rates.items()},
        "grad_norm": number(event.grad_norm),
        "items": event.items,
        "seconds": number(event.seconds),
        "memory": event.memory_bytes,
        "peak_memory": event.peak_memory_bytes,
        **norms,
    }


def _validated(event: Validated) -> dict[str, Any]:
    return {
        "step": event.step,
        "loss": number(event.loss),
        "relative": number(event.relative),
        "bands": {label: number(loss) for label, loss in event.bands.items()},
        "best": event.is_best,
        "overfitting": event.overfitting,
        "seconds": number(event.seconds),
    }


def _saved(event: Saved) -> dict[str, Any]:
    return {"step": event.step, "kind": event.kind, "file": event.path.name}


def _preview(event: PreviewReady) -> dict[str, Any]:
    height, width = event.images.shape[1:3]
    pictures = [
        {"file": sample_file(event.step, index), "prompt": prompt, "seed": seed}
        for index, (prompt, seed) in enumerate(zip(event.prompts, event.seeds))
    ]
    return {"step": event.step, "width": int(width), "height": int(height), "images": pictures, "seconds": number(event.seconds)}


def _message(event: Message) -> dict[str, Any]:
    return {"level": event.level, "topic": event.topic, "text": without_paths(event.text), "step": event.step}


def _ended(event: RunEnded) -> dict[str, Any]:
    return {
        "reason": event.reason,
        "step": event.step,
        "total_steps": event.total_steps,
        "lora": event.lora_path.name if event.lora_path else None,
        "seconds": number(event.seconds),
        "error": without_paths(event.error) if event.error else event.error,
        **({"missing": list(event.missing)} if event.missing else {}),
    }


_KINDS: Mapping[type, tuple[str, Callable[[Any], dict[str, Any]]]] = {
    RunStarted: ("started", _started),
    Progress: ("progress", _progress),
    StepDone: ("step", _step),
    Validated: ("validated", _validated),
    Saved: ("saved", _saved),
    PreviewReady: ("preview", _preview),
    Message: ("message", _message),
    RunEnded: ("ended", _ended),
}


def record(event: Event) -> dict[str, Any]:
    """The event as a JSON-ready dictionary without absolute paths; pictures become their file names."""
    name, fields = _KINDS[type(event)]
    return {"event": name, **fields(event)}


#: What readers count on, kind by kind.
_FIELDS: Mapping[str, Mapping[str, type | tuple[type, ...]]] = {
    "step": {"step": int, "loss": (int, float, NoneType), "grad_norm": (int, float, NoneType), "lr": dict,
             "seconds": (int, float, NoneType), "items": int},
    "validated": {"step": int, "loss": (int, float, NoneType)},
    "preview": {"step": int, "images": list},
    "message": {"text": str},
    "saved": {"kind": str, "file": str},
    "ended": {"reason": str},
}


def is_record(entry: Any) -> bool:
    """Whether `entry`, read from a log, is what `record` makes: a disk, or somebody, may have changed it."""
    if not isinstance(entry, dict) or not isinstance(entry.get("event"), str) or not isinstance(entry.get("step"), (int, NoneType)):
        return False
    return all(isinstance(entry.get(name, ...), kind) for name, kind in _FIELDS.get(entry["event"], {}).items())
