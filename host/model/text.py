"""Captions through the graph's own CLIP: its CLIP-skip, its LoRAs, but none of ComfyUI's prompt syntax.

In a caption `(`, `)` and `embedding:` are letters: hatsune_miku_(vocaloid) is one tag, not a weight.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from contextlib import contextmanager
from typing import Any

import torch

from ...training.data.conditions import text_condition
from ...training.protocols import TextCondition
from .. import compat
from . import fingerprint
from .frozen_text import FrozenEncoders, encoders, replayed


class ComfyTextEncoder:
    """TextEncoder on a CLIP of the graph."""

    def __init__(self, clip):
        self._clip = clip
        self.identity = fingerprint.of_patcher(clip.patcher, clip.layer_idx, sorted(clip.tokenizer_options.items()))

    def encode(self, text: str) -> TextCondition:
        tokens = literal_tokens(self._clip, text)
        with torch.inference_mode():
            encoded = self._clip.encode_from_tokens(tokens, return_pooled=True, return_dict=True)
        return text_condition(encoded)

    def frozen(self, trained: Collection[str]) -> FrozenEncoders | None:
        """Those of FLUX's CLIP-L and T5, SDXL's two CLIPs, … that are not in `trained`; None when there are none."""
        modules = [(name, module) for name, module in encoders(self._clip) if name not in trained]
        return FrozenEncoders(modules, self.encode, self.identity) if modules else None

    def encode_trainable(self, text: str, frozen: TextCondition | None = None) -> TextCondition:
        """As `encode`, on the loaded and borrowed encoder, with gradient: nothing is loaded or moved here."""
        with replayed(encoders(self._clip), frozen):
            return self._encode_trainable(text)

    def _encode_trainable(self, text: str) -> TextCondition:
        clip = self._clip
        model = clip.cond_stage_model
        model.reset_clip_options()
        if clip.layer_idx is not None:
            model.set_clip_options({"layer": clip.layer_idx})
        compat.set_execution_device(model, clip.patcher.load_device)
        cond, pooled, *rest = model.encode_token_weights(literal_tokens(clip, text))
        return text_condition({"cond": cond, "pooled_output": pooled, **(rest[0] if rest else {})})

    def count_tokens(self, text: str) -> int:
        """Tokens of the caption itself, without start, end and padding, in the longest of the encoders."""
        return max(_own_tokens(batches) for batches in literal_tokens(self._clip, text, return_word_ids=True).values())


def literal_tokens(clip, text: str, *, return_word_ids: bool = False) -> dict:
    """ComfyUI's tokens of `text` with weights and embeddings switched off."""
    escaped = text.replace("(", "\\(").replace(")", "\\)")
    with _without_embeddings(clip.tokenizer):
        return clip.tokenize(escaped, return_word_ids=return_word_ids)


@contextmanager
def _without_embeddings(tokenizer) -> Iterator[None]:
    """ComfyUI looks `embedding:name` up only where a tokenizer knows a folder."""
    found = [entry for entry in _tokenizers(tokenizer) if getattr(entry, "embedding_directory", None) is not None]
    folders = [entry.embedding_directory for entry in found]
    for entry in found:
        entry.embedding_directory = None
    try:
        yield
    finally:
        for entry, folder in zip(found, folders, strict=True):
            entry.embedding_directory = folder


def _tokenizers(tokenizer) -> Iterator[Any]:
    yield tokenizer
    for value in vars(tokenizer).values():
        if hasattr(value, "tokenize_with_weights"):
            yield from _tokenizers(value)


def _own_tokens(batches: list) -> int:
    """ComfyUI gives every token of the text a word id above 0; start, end and padding have 0."""
    return sum(word_id != 0 for batch in batches for *_, word_id in batch)

