"""Captions through the graph's own CLIP: its CLIP-skip, its LoRAs, but none of ComfyUI's prompt syntax.

In a caption `(`, `)` and `embedding:` are letters: hatsune_miku_(vocaloid) is one tag, not a weight.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from typing import Any

import torch
from comfy import sd1_clip

from ...training.data.conditions import text_condition
from ...training.protocols import TextCondition
from .. import compat
from ..lend.borrow import attributes
from . import fingerprint
from .frozen_text import FrozenEncoders, encoders, replayed

_SYNTAX = "a (b) embedding:c (d:1.2) \\(e\\)"


class ComfyTextEncoder:
    """TextEncoder on a CLIP of the graph."""

    def __init__(self, clip):
        self._clip = clip
        self.identity = fingerprint.of_patcher(clip.patcher, clip.layer_idx, sorted(clip.tokenizer_options.items()))
        if literal_tokens(clip, _SYNTAX) != _escaped_tokens(clip, _SYNTAX):
            self.identity += " literal"  # what is cached from then is another text

    def encode(self, text: str, pictures: Sequence[torch.Tensor] = ()) -> TextCondition:
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
        """Tokens of the caption itself, without start, end, padding and a template around it, in the longest of the encoders."""
        used: list[Any] = []
        own = [entry for entry in _tokenizers(self._clip.tokenizer) if hasattr(entry, "tokens_start")]
        with attributes([(entry, "tokenize_with_weights", _noting(entry, used)) for entry in own]):
            literal_tokens(self._clip, text)
        return max((len(_ids(entry, text)) - len(_ids(entry, "")) for entry in used), default=0)


def literal_tokens(clip, text: str, **options: Any) -> dict:
    """ComfyUI's tokens of `text`, read as plain letters; `options` are the tokenizer's own (pictures, a template)."""
    parser = compat.where_known(sd1_clip, _PLAIN)
    names = [(entry, "embedding_identifier", _NEVER) for entry in _tokenizers(clip.tokenizer) if hasattr(entry, "embedding_identifier")]
    with attributes([*parser, *names]):
        return clip.tokenize(text, **options)


#: What ComfyUI reads a prompt with, by its names in comfy.sd1_clip; each of these reads nothing into it. Tokenizers that have
#: a way of their own to the letters (LongCat's, GPT-OSS's) never come by, and need nothing.
_PLAIN = {
    "escape_important": lambda text: text,
    "unescape_important": lambda text: text,
    "token_weights": lambda text, weight: [(text, weight)],
}
_NEVER = "\0embedding:"
"""No caption holds it. Only an empty folder of embeddings would still cut the text before each `embedding:`."""


def _escaped_tokens(clip, text: str) -> dict:
    """The tokens as they were made until November 2026, with backslashes that some tokenizers took for letters."""
    entries = [entry for entry in _tokenizers(clip.tokenizer) if hasattr(entry, "embedding_directory")]
    with attributes([(entry, "embedding_directory", None) for entry in entries]):
        return clip.tokenize(text.replace("(", "\\(").replace(")", "\\)"))


def _tokenizers(tokenizer) -> Iterator[Any]:
    yield tokenizer
    for value in vars(tokenizer).values():
        if hasattr(value, "tokenize_with_weights"):
            yield from _tokenizers(value)


def _noting(entry, used: list):
    """Its method, which puts it on the list: HunyuanImage asks one of its tokenizers for quoted words only."""
    method = entry.tokenize_with_weights

    def run(*args, **options):
        used.append(entry)
        return method(*args, **options)

    return run


def _ids(entry, text: str) -> list[int]:
    return entry.tokenizer(text)["input_ids"]
