"""The files that some of ComfyUI's tokenizers come with inside of checkpoints, as small as they can be: a token a byte."""

import base64
import io
import json

import torch

WORDS = ["a cat in a hat sits on the mat", "(a:1.2) reads [embeddings] {c|d} <lora:x:1> BREAK"] * 5


def tokenizer_data() -> dict[str, torch.Tensor]:
    """What ComfyUI hands to a tokenizer, by the names that they ask for."""
    piece = _stored(_sentence_pieces())
    names = ("spiece_model", "gemma_spiece_model", "jina_spiece_model", "mt5xl.spiece_model")
    return {"tokenizer_json": _stored(_byte_level()), "tekken_model": _stored(_tekken()), **dict.fromkeys(names, piece)}


def _sentence_pieces() -> bytes:
    import sentencepiece

    file = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(WORDS), model_writer=file, vocab_size=360, byte_fallback=True, hard_vocab_limit=False, model_type="bpe",
        minloglevel=2,
    )
    return file.getvalue()


def _byte_level() -> bytes:
    from tokenizers import Tokenizer, models, pre_tokenizers

    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    tokenizer = Tokenizer(models.BPE(vocab={letter: i for i, letter in enumerate(letters)}, merges=[]))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    return tokenizer.to_str().encode()


def _tekken() -> bytes:
    config = {"pattern": r"[^\s]+|\s+", "num_vocab_tokens": 1000, "default_vocab_size": 1256, "default_num_special_tokens": 0}
    vocab = [{"rank": i, "token_bytes": base64.b64encode(bytes([i])).decode(), "token_str": None} for i in range(256)]
    return json.dumps({"config": config | {"version": "v3"}, "vocab": vocab, "special_tokens": []}).encode()


def _stored(content: bytes) -> torch.Tensor:
    return torch.frombuffer(bytearray(content), dtype=torch.uint8)
