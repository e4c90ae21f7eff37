"""Seeded random weights, drawn key by key into one state dict."""

import math

import torch
from torch import Tensor


class Draw:
    """Adds named weights to `weights`, in the given dtype; the seed fixes them all.

    `gain` is the expected output deviation of a layer for inputs of deviation 1: weights have std gain / sqrt(fan in).
    """

    def __init__(self, seed: int, dtype: torch.dtype = torch.float16):
        self.weights: dict[str, Tensor] = {}
        self._dtype = dtype
        self._generator = torch.Generator().manual_seed(seed)

    def normal(self, *shape: int, std: float = 1.0) -> Tensor:
        """A fp32 tensor of independent normal numbers."""
        return torch.empty(shape).normal_(0.0, std, generator=self._generator)

    def put(self, key: str, value: Tensor) -> None:
        self.weights[key] = value.to(self._dtype).contiguous()

    def linear(self, key: str, fan_in: int, fan_out: int, gain: float = 1.0, bias: bool = True) -> None:
        """`key`.weight [fan_out, fan_in] and, if wanted, a zero bias."""
        self.put(f"{key}.weight", self.normal(fan_out, fan_in, std=gain / math.sqrt(fan_in)))
        if bias:
            self.put(f"{key}.bias", torch.zeros(fan_out))

    def conv(self, key: str, fan_in: int, fan_out: int, size: int = 3, gain: float = 1.0, bias: bool = True) -> None:
        """`key`.weight [fan_out, fan_in, size, size] and, if wanted, a zero bias."""
        self.put(f"{key}.weight", self.normal(fan_out, fan_in, size, size, std=gain / (size * math.sqrt(fan_in))))
        if bias:
            self.put(f"{key}.bias", torch.zeros(fan_out))

    def centred_conv(self, key: str, centre: Tensor, size: int = 3, spread: float = 0.0, bias: bool = True) -> None:
        """A convolution that applies the matrix `centre` [fan_out, fan_in] at its middle tap, plus noise of gain `spread`."""
        fan_out, fan_in = centre.shape
        weight = self.normal(fan_out, fan_in, size, size, std=spread / (size * math.sqrt(fan_in)))
        weight[:, :, size // 2, size // 2] += centre
        self.put(f"{key}.weight", weight)
        if bias:
            self.put(f"{key}.bias", torch.zeros(fan_out))

    def norm(self, key: str, channels: int) -> None:
        """A normalisation's weight (ones) and bias (zeros)."""
        self.put(f"{key}.weight", torch.ones(channels))
        self.put(f"{key}.bias", torch.zeros(channels))
