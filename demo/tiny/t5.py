"""A random T5 encoder, narrow and short. ComfyUI builds T5-XXL (4.7 billion weights) unless its loader is told a shape."""

import torch
from torch import Tensor

from .draw import Draw

VOCABULARY, BUCKETS = 32128, 32
WIDTH, HEADS, HEAD, HIDDEN, LAYERS = 64, 4, 16, 128, 2
# ComfyUI's loader option that asks for this shape.
OPTIONS = {"d_model": WIDTH, "num_heads": HEADS, "d_kv": HEAD, "d_ff": HIDDEN, "num_layers": LAYERS}
BRANCH_GAIN = 0.3


def t5_weights(seed: int, dtype: torch.dtype = torch.float16) -> dict[str, Tensor]:
    """The encoder of T5 v1.1 (gated), keys beginning with `encoder.` and `shared.`."""
    draw = Draw(seed, dtype)
    draw.put("shared.weight", draw.normal(VOCABULARY, WIDTH))
    for layer in range(LAYERS):
        prefix = f"encoder.block.{layer}.layer"
        for name in ("q", "k", "v"):
            draw.linear(f"{prefix}.0.SelfAttention.{name}", WIDTH, HEADS * HEAD, bias=False)
        # T5 does not scale its scores, so queries are small instead.
        draw.weights[f"{prefix}.0.SelfAttention.q.weight"] *= HEAD**-0.5
        draw.linear(f"{prefix}.0.SelfAttention.o", HEADS * HEAD, WIDTH, gain=BRANCH_GAIN, bias=False)
        if layer == 0:
            draw.put(f"{prefix}.0.SelfAttention.relative_attention_bias.weight", draw.normal(BUCKETS, HEADS))
        draw.linear(f"{prefix}.1.DenseReluDense.wi_0", WIDTH, HIDDEN, bias=False)
        draw.linear(f"{prefix}.1.DenseReluDense.wi_1", WIDTH, HIDDEN, bias=False)
        draw.linear(f"{prefix}.1.DenseReluDense.wo", HIDDEN, WIDTH, gain=BRANCH_GAIN, bias=False)
        for part in (0, 1):
            draw.put(f"{prefix}.{part}.layer_norm.weight", torch.ones(WIDTH))
    draw.put("encoder.final_layer_norm.weight", torch.ones(WIDTH))
    return draw.weights
