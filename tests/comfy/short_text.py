"""Teach this process's ComfyUI to load checkpoints whose text encoders have few layers.

ComfyUI's loader has an option for it (`clip_l_model_config`), but the CheckpointLoaderSimple node never passes it. The
tiny checkpoints with short text encoders say so in their metadata; for them, and only for them, the option is added.
"""

import functools
import json
import struct
from pathlib import Path
from types import ModuleType

KEY = "lora_canvas_text_layers"


def text_layers(path: Path) -> int | None:
    """The number of layers that a safetensors file's metadata gives for its text encoders, if it says so."""
    if path.suffix != ".safetensors":
        return None
    with path.open("rb") as file:
        (length,) = struct.unpack("<Q", file.read(8))
        metadata = json.loads(file.read(length)).get("__metadata__", {})
    return int(metadata[KEY]) if KEY in metadata else None


def honour_short_text(sd: ModuleType) -> None:
    """Wrap comfy.sd's checkpoint loader."""
    load = sd.load_checkpoint_guess_config

    @functools.wraps(load)
    def load_short(ckpt_path, *args, te_model_options=None, **kwargs):
        options = dict(te_model_options or {})
        layers = text_layers(Path(ckpt_path))
        if layers is not None:
            for name in ("clip_l", "clip_g"):
                options[f"{name}_model_config"] = {"num_hidden_layers": layers}
        return load(ckpt_path, *args, te_model_options=options, **kwargs)

    sd.load_checkpoint_guess_config = load_short
