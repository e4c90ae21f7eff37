"""Parts, pack and checkpoint hold what was trained."""

import pytest
import torch

from pack.demo.world import files, pack
from pack.demo.world.drawn.captions import TOKENS
from pack.demo.world.text import Text, clip_weights, padded, vocabulary
from pack.demo.world.vae import VAE, whole


def test_a_row_in_eight_bits_is_off_by_half_a_level_at_most(tmp_path):
    weight = torch.randn(5, 3, 3, 3, generator=torch.Generator().manual_seed(1)) * torch.logspace(-6, 3, 5).reshape(-1, 1, 1, 1)
    weight[2] = 0
    weight[3, 0, 0, 0] = 1e6
    files.write_pack({"a.weight": weight, "a.bias": torch.tensor([0.5, -2.0])}, tmp_path / "x.npz")
    found = files.read_pack(tmp_path / "x.npz")
    largest = weight.abs().amax(dim=(1, 2, 3), keepdim=True) / 127
    level = torch.maximum(largest, weight.std(dim=(1, 2, 3), keepdim=True, correction=0) / 36)
    assert ((found["a.weight"] - weight).abs() <= level * 0.501).all() and (found["a.weight"] != weight).any()
    assert found["a.bias"].tolist() == [0.5, -2.0]


def test_parts_are_small_and_come_back_together(tmp_path, monkeypatch):
    monkeypatch.setattr(files, "PART_BYTES", 100)
    weights = {name: torch.full((20,), float(number)) for number, name in enumerate("abcde")}
    assert len(files.write_parts(weights, tmp_path, "x")) == 3
    assert len(files.write_parts({"a": torch.ones(2)}, tmp_path / "other", "x")) == 1
    found = files.read_parts(tmp_path, "x")
    assert {name: weight.tolist() for name, weight in found.items()} == {name: weight.tolist() for name, weight in weights.items()}
    with pytest.raises(FileNotFoundError, match="train first"):
        files.read_parts(tmp_path, "y")


def test_fewer_parts_leave_none_of_the_old(tmp_path, monkeypatch):
    monkeypatch.setattr(files, "PART_BYTES", 100)
    files.write_parts({name: torch.ones(40) for name in "abc"}, tmp_path, "x")
    files.write_parts({"d": torch.ones(3)}, tmp_path, "x")
    assert list(files.read_parts(tmp_path, "x")) == ["d"]


def test_a_pack_that_is_too_large_is_refused_and_the_old_one_kept(tmp_path, monkeypatch):
    target = tmp_path / "world.npz"
    files.write_parts({"a": torch.ones(4)}, tmp_path, "world")
    pack.pack(tmp_path, target)
    before = target.read_bytes()
    monkeypatch.setattr(pack, "MOST_BYTES", 10)
    with pytest.raises(ValueError, match="smaller network"):
        pack.pack(tmp_path, target)
    assert target.read_bytes() == before and sorted(path.name for path in tmp_path.iterdir()) == ["world-1.safetensors", "world.npz"]


def test_the_file_has_the_rows_of_the_grammar_and_layers_that_add_nothing():
    rows = torch.arange(len(TOKENS))[:, None].expand(-1, 768).float()
    weights = clip_weights(rows)
    table = weights["text_model.embeddings.token_embedding.weight"]
    assert table[list(TOKENS)].equal(rows.half()) and table[0].equal(vocabulary()[0])
    silent = [key for key in weights if key.endswith(("out_proj.weight", "fc2.weight"))]
    assert len(silent) == 24 and not any(weights[key].any() for key in silent)
    drawn = weights["text_model.encoder.layers.3.mlp.fc1.weight"].float()
    assert len(weights) == 4 + 12 * 16 and drawn.std().item() == pytest.approx(768**-0.5, rel=0.01)


def test_one_end_counts_for_all_the_padding():
    """Attention over 77 places and over the short text with its bias give the same."""
    text = Text()
    words = [[320, 736], [320, 5, 6, 7]]
    short, bias = text(words)
    full = text.of(torch.tensor([[49406, *each] + [49407] * (76 - len(each)) for each in words]))
    query = torch.randn(2, 1, 9, 768, generator=torch.Generator().manual_seed(1)) / 8
    attend = torch.nn.functional.scaled_dot_product_attention
    torch.testing.assert_close(attend(query, short[:, None], short[:, None], bias), attend(query, full[:, None], full[:, None]))


def test_a_text_that_is_too_long_is_refused():
    with pytest.raises(ValueError, match="80 tokens; 75 is the most"):
        padded([[5] * 80])


def test_the_blocks_that_were_not_trained_pass_their_input_through():
    vae = VAE()
    found = whole(vae.state_dict())
    assert len(found) == len(vae.state_dict()) + 8 * 6 + 2
    assert all(not found[f"taesd_decoder.{index}.conv.{conv}.weight"].any() for index in (10, 14, 15, 18) for conv in (0, 2, 4))
