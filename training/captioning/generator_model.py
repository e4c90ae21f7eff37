"""Loading an image-text-to-text model with transformers from a folder, whole or not at all."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import MissingLibraryError, ModelError, is_out_of_memory
from .captioner import WHERE

if TYPE_CHECKING:
    import torch

WEIGHTS = (".safetensors", ".bin")


def weights_size(folder: Path) -> int:
    """Bytes of the weight files; of safetensors only, where there are any."""
    sizes = {ending: sum(path.stat().st_size for path in folder.glob(f"*{ending}")) for ending in WEIGHTS}
    return next((size for size in sizes.values() if size), 0)


def load(folder: Path, dtype: "torch.dtype") -> tuple:
    """(processor, model on the CPU in `dtype`). Raises ModelError naming the folder when anything does not fit: an
    unknown kind of model, code of its own, missing or superfluous weights."""
    try:
        import transformers
    except ImportError as error:
        raise MissingLibraryError("transformers", "A captioner that writes sentences (Auto Caption)") from error
    _refuse_own_code(folder, transformers)
    only = {"local_files_only": True, "trust_remote_code": False}
    name = "dtype" if _version(transformers) >= (4, 56) else "torch_dtype"
    model_class = getattr(transformers, "AutoModelForImageTextToText", None)
    if model_class is None:
        model_class = transformers.AutoModelForVision2Seq  # pyright: ignore[reportAttributeAccessIssue]  the name before 4.46
    try:
        processor = transformers.AutoProcessor.from_pretrained(folder, **only)
        model, report = model_class.from_pretrained(folder, output_loading_info=True, **{name: dtype}, **only)
    except ImportError as error:
        raise _unusable(folder, f"needs another Python library: {error}") from error
    except Exception as error:  # transformers raises whatever its parts do
        if is_out_of_memory(error):
            raise
        raise _unusable(
            folder, f"cannot be loaded by transformers {transformers.__version__} ({type(error).__name__}: {error})"
        ) from error
    missing = sorted([*report["missing_keys"], *(entry[0] for entry in report["mismatched_keys"])])
    if missing:
        first = ", ".join(missing[:3])
        raise _unusable(folder, f"lacks {len(missing)} weights of {type(model).__name__}, or has them in other shapes: {first}")
    return processor, model


def _refuse_own_code(folder: Path, transformers) -> None:
    """Models that bring their own code are fine when transformers has a class for them; else say so before anything runs."""
    try:
        config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
        kind, own_code = str(config.get("model_type", "")), "auto_map" in config
    except (OSError, ValueError, AttributeError) as error:
        raise _unusable(folder, f"has a config.json that cannot be read ({error})") from error
    if kind in transformers.CONFIG_MAPPING and not (own_code and kind == "florence2"):
        return
    instead = "Update transformers, or choose another captioner."
    if kind == "florence2":
        instead = "Take florence-community/Florence-2-large-ft or -base-ft: the same weights in transformers' own layout."
    code = " and brings code of its own, which is never run" if own_code else ""
    raise ModelError(WHERE, [
        f"{folder.name} is of the kind '{kind}', which transformers {transformers.__version__} does not know in this form{code}. {instead}"
    ])


def _version(transformers) -> tuple[int, int]:
    major, minor, *_ = transformers.__version__.split(".")
    return int(major), int(minor)


def _unusable(folder: Path, what: str) -> ModelError:
    return ModelError(WHERE, [f"{folder.name} {what}. Choose another captioner, or get the model again into {folder}."])
