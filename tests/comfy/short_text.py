"""Teach this process's ComfyUI to load tiny checkpoints whose text encoders are shorter than the real ones.

ComfyUI's checkpoint loader has options for it (`clip_l_model_config` and the like), but the CheckpointLoaderSimple node
never passes them. Files that need them name them in their metadata; for such files, and only for them, they are added.
"""

import functools
import json
import struct
from pathlib import Path
from types import ModuleType

from pack.demo.tiny.checkpoints import SHORT_TEXT_KEY


def text_options(path: Path) -> dict:
    """The loader options that a safetensors file's metadata names; none for every other file."""
    if path.suffix != ".safetensors":
        return {}
    with path.open("rb") as file:
        (length,) = struct.unpack("<Q", file.read(8))
        metadata = json.loads(file.read(length)).get("__metadata__", {})
    return json.loads(metadata.get(SHORT_TEXT_KEY, "{}"))


def honour_short_text(sd: ModuleType) -> None:
    """Wrap comfy.sd's checkpoint loader."""
    load = sd.load_checkpoint_guess_config

    @functools.wraps(load)
    def load_short(ckpt_path, *args, te_model_options=None, **kwargs):
        options = {**text_options(Path(ckpt_path)), **(te_model_options or {})}
        return load(ckpt_path, *args, te_model_options=options, **kwargs)

    sd.load_checkpoint_guess_config = load_short
