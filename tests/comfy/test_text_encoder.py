"""Captions through the graph's CLIP: literal text, its options, and adapters on it, against transformers + peft."""

import pytest
import torch

from pack.tests.comfy.parts import load, network_for, session_of
from pack.tests.comfy.peft_lora import relative_errors, whole, with_peft
from pack.tests.comfy.transformers_clip import transformers_clip
from pack.training.network.attach import attached

RANK, ALPHA = 4, 2.0
CAPTION = "a photo of hatsune_miku_(vocaloid), (smile:1.3), embedding:missing, {red|blue} [x]"


@pytest.fixture(scope="module")
def sd15(comfy, checkpoint):
    return load(comfy, checkpoint("sd15"))


@pytest.fixture
def encoder(comfy):
    from pack.host.model.text import ComfyTextEncoder

    return ComfyTextEncoder


def hf_ids(sd15, text: str) -> torch.Tensor:
    """The tokens that transformers' own CLIP tokenizer makes of the text."""
    tokenizer = sd15.clip.tokenizer.clip_l.tokenizer
    return tokenizer(text, padding="max_length", max_length=77, truncation=True, return_tensors="pt").input_ids


def hf_text_model(sd15):
    own = sd15.clip.cond_stage_model.clip_l.transformer
    return transformers_clip(own, kind="CLIPTextModel", width=768, heads=12, activation="quick_gelu")


def test_a_caption_is_literal_text(sd15, comfy):
    from pack.host.model.text import literal_tokens

    (batch,) = literal_tokens(sd15.clip, CAPTION)["l"]
    assert [token for token, _ in batch] == hf_ids(sd15, CAPTION)[0].tolist()
    assert {weight for _, weight in batch} == {1.0}


def test_backslashes_stay(sd15, comfy):
    from pack.host.model.text import literal_tokens

    text = r"miku \(vocaloid\)"
    (batch,) = literal_tokens(sd15.clip, text)["l"]
    assert [token for token, _ in batch] == hf_ids(sd15, text)[0].tolist()


def test_counts_the_caption_s_own_tokens(sd15, encoder):
    assert encoder(sd15.clip).count_tokens("a cat") == 2
    assert encoder(sd15.clip).count_tokens("") == 0


def test_identity_follows_clip_skip_and_applied_loras(sd15, encoder):
    plain = encoder(sd15.clip).identity
    skipped = sd15.clip.clone()
    skipped.clip_layer(-2)
    patched = sd15.clip.clone()
    name = "clip_l.transformer.text_model.encoder.layers.0.mlp.fc1.weight"
    patched.add_patches({name: ("diff", (torch.ones(3072, 768),))}, 0.5)
    identities = {plain, encoder(skipped).identity, encoder(patched).identity}
    assert len(identities) == 3
    assert encoder(sd15.clip).identity == plain


@pytest.mark.parametrize("checkpointing", [False, True])
def test_encoding_and_every_gradient_agree_with_transformers_and_peft(sd15, encoder, checkpointing):
    session = session_of(sd15, clip=sd15.clip)
    network = network_for(session.parts())
    direction = torch.randn(1, 77, 768, generator=torch.Generator().manual_seed(5))
    with torch.inference_mode():
        with session.training(), attached(network, session.parts(), checkpointing=checkpointing):
            cond = encoder(sd15.clip).encode_trainable(CAPTION).tensors["cond"]
            (cond * direction).mean().backward()

    model = hf_text_model(sd15)
    names = {name.removeprefix("text_model."): name for name, _ in model.named_modules()}
    paths = {path: names[path.removeprefix("transformer.text_model.")] for path in network.adapters_of("clip_l")}
    layers = with_peft(model, network, "clip_l", whole(paths), rank=RANK, alpha=ALPHA)
    expected = model(hf_ids(sd15, CAPTION)).last_hidden_state
    (expected * direction).mean().backward()
    torch.testing.assert_close(cond.detach(), expected.detach(), rtol=1e-4, atol=1e-4)
    errors = relative_errors(network, "clip_l", layers)
    assert len(errors) == 6 * model.config.num_hidden_layers
    assert max(errors.values()) < 1e-4, max(errors, key=errors.get)


def test_the_clip_is_given_back_as_it_was(sd15, encoder):
    from pack.tests.comfy.test_borrow import snapshot

    session = session_of(sd15, clip=sd15.clip)
    session.load()
    before = snapshot(sd15.clip.cond_stage_model)
    network = network_for(session.parts())
    with torch.inference_mode():
        with session.training(), attached(network, session.parts(), checkpointing=True):
            encoder(sd15.clip).encode_trainable("a cat").tensors["cond"].sum().backward()
    assert snapshot(sd15.clip.cond_stage_model) == before


def test_in_place_writes_are_harmless_only_while_training(sd15):
    x = torch.rand(3, requires_grad=True)

    def exponential():
        y = x.exp()  # keeps y for backward
        z = y.sum()
        y += 1
        return z

    with session_of(sd15).training():
        assert torch.allclose(torch.autograd.grad(exponential(), x)[0], x.exp())
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        torch.autograd.grad((lambda y: (y, y.add_(1)))(x.exp())[0].sum(), x)


def test_a_paged_encoder_is_told_where_to_compute(comfy):
    """Newer ComfyUI's encoders have `execution_device`; older ones, whose options must not be touched, don't."""
    from pack.host.compat import set_execution_device

    class Encoders(torch.nn.Module):
        def __init__(self, **attributes):
            super().__init__()
            self.clip_l = torch.nn.Identity()
            vars(self.clip_l).update(attributes)
            self.options = []

        def set_clip_options(self, options):
            self.options.append(options)

    new, old = Encoders(execution_device=None), Encoders()
    for encoders in (new, old):
        set_execution_device(encoders, torch.device("meta"))
    assert new.options == [{"execution_device": torch.device("meta")}] and old.options == []


def test_an_empty_caption_is_encoded_once_in_a_process_and_once_on_disk(sd15, comfy, tmp_path, monkeypatch):
    """What is asked before every run must not load a T5 when all captions are cached."""
    from pack.host.advice import checks

    encoded = []
    encode = sd15.clip.encode_from_tokens
    monkeypatch.setattr(sd15.clip, "encode_from_tokens", lambda *args, **kwargs: encoded.append(1) or encode(*args, **kwargs))
    for _ in range(2):
        monkeypatch.setattr(checks, "_WIDTHS", {})  # another process
        for _ in range(2):
            checks.check_parts(sd15.model, sd15.vae, sd15.clip, tmp_path)
    assert len(encoded) == 1
