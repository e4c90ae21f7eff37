"""The text part: a row of 768 numbers for each word of the grammar is trained, the rest of CLIP passes its input through.

A layer of CLIP adds what it computes to what it got; with zeros in the last matrix of either half it adds nothing. Places carry no
numbers of their own either, so a text is its words' rows, normalised, in the file as in training.
"""

import math
from functools import cache

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from .drawn.captions import END, LENGTH, START, TOKENS, VOCABULARY

WIDTH, HIDDEN, LAYERS, SEED = 768, 3072, 12, 20261127


@cache
def vocabulary() -> Tensor:
    """float16 [VOCABULARY, WIDTH], not to be changed: the rows of words that nobody trained, from a fixed seed."""
    return torch.from_numpy(np.random.default_rng(SEED).standard_normal((VOCABULARY, WIDTH), dtype=np.float32).astype(np.float16))


class Text(nn.Module):
    """Rows for TOKENS, in their order; for every other token that of `vocabulary()`."""

    every: Tensor
    place: Tensor

    def __init__(self):
        super().__init__()
        every = vocabulary()
        self.rows = nn.Parameter(every[list(TOKENS)].float())
        self.register_buffer("every", every, persistent=False)
        place = torch.full((VOCABULARY,), -1)
        place[list(TOKENS)] = torch.arange(len(TOKENS))
        self.register_buffer("place", place, persistent=False)

    def forward(self, words: list[list[int]]) -> tuple[Tensor, Tensor]:
        """Texts [n, l, WIDTH] and the bias of their places [n, 1, 1, l], of token numbers without START and END.

        CLIP pads to LENGTH places with END, all of them alike here; one END that counts for all gives the same attention.
        """
        ids, bias = padded(words)
        return self.of(ids.to(self.place.device)), bias.to(self.place.device)

    def of(self, ids: Tensor) -> Tensor:
        """Texts [n, l, WIDTH] of token numbers [n, l]."""
        place = self.place[ids]
        rows = torch.where(place[..., None] >= 0, self.rows[place.clamp(min=0)], self.every[ids].float())
        return F.layer_norm(rows, (WIDTH,))


def padded(words: list[list[int]]) -> tuple[Tensor, Tensor]:
    """Token numbers [n, l] with START and END, and the bias [n, 1, 1, l]: the logarithm of how often a place counts.

    l is a multiple of 8, which attention on a card likes. Raises ValueError for a text that CLIP would cut into two.
    """
    lengths = torch.tensor([len(each) for each in words])
    longest = int(lengths.max())
    if longest + 2 > LENGTH:
        raise ValueError(f"a text has {longest} tokens; {LENGTH - 2} is the most")
    places = -(-(longest + 2) // 8) * 8
    ids = torch.tensor([[START, *each] + [END] * (places - 1 - len(each)) for each in words])
    end, place = lengths[:, None] + 1, torch.arange(places)[None]
    bias = torch.zeros(ids.shape).masked_fill(place > end, -math.inf)
    bias = torch.where(place == end, (LENGTH - end).log(), bias)
    return ids, bias[:, None, None]


def clip_weights(rows: Tensor) -> dict[str, Tensor]:
    """CLIP-L's weights, float16, keys beginning with `text_model.`, of the trained rows [len(TOKENS), WIDTH]."""
    every = vocabulary().clone()
    every[list(TOKENS)] = rows.to(every.dtype)
    weights = {
        "text_model.embeddings.token_embedding.weight": every,
        "text_model.embeddings.position_embedding.weight": torch.zeros(LENGTH, WIDTH),
        "text_model.final_layer_norm.weight": torch.ones(WIDTH),
        "text_model.final_layer_norm.bias": torch.zeros(WIDTH),
    }
    numbers = np.random.default_rng(SEED + 1)
    for layer in range(LAYERS):
        prefix = f"text_model.encoder.layers.{layer}"
        for name, outputs, inputs, silent in (
            ("self_attn.q_proj", WIDTH, WIDTH, False), ("self_attn.k_proj", WIDTH, WIDTH, False),
            ("self_attn.v_proj", WIDTH, WIDTH, False), ("self_attn.out_proj", WIDTH, WIDTH, True),
            ("mlp.fc1", HIDDEN, WIDTH, False), ("mlp.fc2", WIDTH, HIDDEN, True),
        ):  # fmt: skip
            drawn = numbers.standard_normal((outputs, inputs), dtype=np.float32) / math.sqrt(inputs) * (not silent)
            weights[f"{prefix}.{name}.weight"] = torch.from_numpy(drawn)
            weights[f"{prefix}.{name}.bias"] = torch.zeros(outputs)
        for norm in ("layer_norm1", "layer_norm2"):
            weights[f"{prefix}.{norm}.weight"], weights[f"{prefix}.{norm}.bias"] = torch.ones(WIDTH), torch.zeros(WIDTH)
    return {key: weight.half().contiguous() for key, weight in weights.items()}
