"""`[trigger]` in prompts that are read by a CLIP which Train LoRA gave on: the one trigger word, set once."""

from __future__ import annotations

from typing import Any

from ...training.data.captions import TRIGGER, filled


class Spoken:
    """A tokenizer of ComfyUI's that reads the trigger word where a text says [trigger]; in all else the one that it stands before."""

    def __init__(self, tokenizer: Any, trigger: str):
        self._tokenizer, self._trigger = tokenizer, trigger

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__") or name == "_tokenizer":  # what copying and pickling look for
            raise AttributeError(name)
        return getattr(self._tokenizer, name)

    def tokenize_with_weights(self, text: Any, *args: Any, **kwargs: Any) -> Any:
        is_asked = isinstance(text, str) and TRIGGER in text
        return self._tokenizer.tokenize_with_weights(filled(text, self._trigger).strip() if is_asked else text, *args, **kwargs)


def speaking(clip: Any, trigger: str) -> Any:
    """A CLIP, one's own to change, that reads `trigger` for [trigger], and so do all that are cloned from it. None stays None."""
    if clip is not None:
        known = clip.tokenizer
        clip.tokenizer = Spoken(known._tokenizer if isinstance(known, Spoken) else known, trigger)
    return clip
