"""Every tokenizer that this ComfyUI has reads a caption as plain letters, and its tokens are counted rightly."""

import importlib.util
import inspect
import pkgutil

import pytest

from pack.tests.comfy.tokenizer_files import tokenizer_data

CAPTION = r"(a:1.2) \( [b] embedding:x {c|d} BREAK <lora:x:1>"

#: Modules of models that make no picture from a caption.
NO_PICTURE = {"ace", "ace15", "minimax_music", "sam3_clip"}


class Clip:
    """What of a CLIP turns text into tokens."""

    def __init__(self, tokenizer):
        self.tokenizer = tokenizer

    def tokenize(self, text: str, return_word_ids: bool = False, **options) -> dict:
        return self.tokenizer.tokenize_with_weights(text, return_word_ids, **options)


@pytest.fixture(scope="module")
def one_load_a_file(comfy):
    """Most tokenizers of ComfyUI read the same few files, of megabytes."""
    from transformers import PreTrainedTokenizerBase

    own, loaded = PreTrainedTokenizerBase.from_pretrained.__func__, {}

    def from_pretrained(kind, path, **options):
        key = kind, str(path), tuple(sorted(options.items()))
        if key not in loaded:
            loaded[key] = own(kind, path, **options)
        return loaded[key]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(PreTrainedTokenizerBase, "from_pretrained", classmethod(from_pretrained))
        if importlib.util.find_spec("comfy.text_encoders.gpt_oss"):  # its template is long where a token is a byte
            patch.setattr(comfy.module("comfy.text_encoders.gpt_oss"), "LENS_MAX_TOKENS", 4096)
        yield


@pytest.fixture(scope="module")
def walked(comfy, one_load_a_file) -> tuple[dict[str, Clip], dict[str, str]]:
    """(name -> CLIP, name -> why not): every class that tokenizes for a whole text encoder."""
    package = comfy.module("comfy.text_encoders.flux").__name__.rpartition(".")[0]
    folder = importlib.import_module(package).__path__
    names = [f"{package}.{module.name}" for module in pkgutil.iter_modules(folder) if module.name not in NO_PICTURE]
    data, made, failed, parts = tokenizer_data(), {}, {}, comfy.module("comfy.sd1_clip").SDTokenizer
    for module in map(importlib.import_module, ["comfy.sd1_clip", "comfy.sdxl_clip", *names]):
        for name, kind in vars(module).items():
            if not inspect.isclass(kind) or kind.__module__ != module.__name__ or not hasattr(kind, "tokenize_with_weights"):
                continue
            if issubclass(kind, parts) or "__init__" not in {attribute for owner in kind.__mro__[:-1] for attribute in vars(owner)}:
                continue  # one encoder's, or half a class for others to derive from
            try:
                made[f"{module.__name__.rpartition('.')[2]}.{name}"] = Clip(kind(embedding_directory=None, tokenizer_data=data))
            except (TypeError, ValueError, OSError) as error:
                failed[name] = str(error)
    return made, failed


def plain_ids(clip: Clip, text: str) -> list[list[int]]:
    """What each of the encoders' own tokenizers makes of the text, without start and end."""
    from pack.host.model.text import _tokenizers

    found = []
    for entry in _tokenizers(clip.tokenizer):
        if hasattr(entry, "tokens_start"):
            ids = list(entry.tokenizer(text)["input_ids"])
            found.append(ids[entry.tokens_start : -1 if entry.tokenizer_adds_end_token else None])
    return found


def holds(whole: list[int], part: list[int]) -> bool:
    return any(whole[i : i + len(part)] == part for i in range(len(whole) - len(part) + 1))


def test_a_caption_is_literal_at_every_tokenizer(walked):
    from pack.host.model.text import literal_tokens

    made, failed = walked
    wrong = {}
    for name, clip in made.items():
        plain = plain_ids(clip, CAPTION) + plain_ids(clip, f" {CAPTION}")  # Ovis' template has a space before it
        for encoder, batches in literal_tokens(clip, CAPTION).items():
            (batch,) = batches
            tokens = [entry[0] for entry in batch]
            if {entry[1] for entry in batch} != {1.0} or not any(holds(tokens, ids) for ids in plain):
                wrong[name, encoder] = batch
    assert wrong == {}
    assert len(made) >= 20 and {"sd1_clip.SD1Tokenizer", "qwen_image.QwenImageTokenizer", "z_image.ZImageTokenizer"} < made.keys()
    # ComfyUI's own files or this transformers lack what they need; nothing else is left out.
    assert failed.keys() <= {"Mistral3Tokenizer", "Flux2Tokenizer", "Qwen35Tokenizer", "Qwen35ImageTokenizer"}, failed


def test_a_prompt_is_not(walked):
    """What the test above would find if nothing were done."""
    (batch,) = walked[0]["sd1_clip.SD1Tokenizer"].tokenize(CAPTION)["l"]
    assert {weight for _, weight in batch} == {1.0, 1.2}


def test_the_tokens_of_a_caption_are_counted(walked):
    from pack.host.model.text import ComfyTextEncoder

    wrong = {}
    for name, clip in walked[0].items():
        encoder = object.__new__(ComfyTextEncoder)
        encoder._clip = clip
        quoted_only = 1 if "byt5" in vars(clip.tokenizer) else None  # HunyuanImage's tokenizer of quoted words
        for text in ("", "a", "a cat", CAPTION):
            expected = max(map(len, plain_ids(clip, text)[:quoted_only])) if text else 0
            if encoder.count_tokens(text) != expected:
                wrong[name, text] = encoder.count_tokens(text), expected
    assert wrong == {}


def test_only_tokenizers_that_were_given_backslashes_encode_anew(walked):
    """The identity of an encoder, in the keys of its cache, follows from what its tokens were before."""
    from pack.host.model.text import _SYNTAX, _escaped_tokens, literal_tokens

    changed = {name for name, clip in walked[0].items() if literal_tokens(clip, _SYNTAX) != _escaped_tokens(clip, _SYNTAX)}
    assert "sd1_clip.SD1Tokenizer" not in changed and "sdxl_clip.SDXLTokenizer" not in changed
    if "longcat_image.LongCatImageTokenizer" in walked[0]:
        assert "longcat_image.LongCatImageTokenizer" in changed
