"""The gradient of a linear's input, multiplied in fp8: some cards have such products, at up to twice the rate of bf16's (by
their makers' figures).

What the gradient is multiplied with is in fp8 already. The gradient itself gets three bits of mantissa, and every row of it, a
token's, a power of two of its own as its unit: that costs no further rounding, and what reaches a token weakly is not lost beside
what reaches another one strongly.
"""

from __future__ import annotations

import torch
from torch import Tensor

from ..errors import is_out_of_memory

DTYPES = (torch.float8_e4m3fn, torch.float8_e5m2)

#: What both sides of the weight must be a multiple of.
MULTIPLE = 16

_NARROW = torch.float8_e4m3fn
_LARGEST = torch.finfo(_NARROW).max


def product(grad: Tensor, numbers: Tensor, scale: Tensor) -> Tensor:
    """grad (..., out) @ (numbers * scale) -> (..., in) in the dtype of `grad`. `numbers` (out, in) are in fp8, `scale` () in fp32. A
    row with an infinity or NaN becomes NaN."""
    rows = grad.reshape(-1, grad.shape[-1])
    unit = _unit(rows)
    # fp16 has not the range for a sum of numbers up to 448.
    dtype = torch.float32 if grad.dtype is torch.float16 else grad.dtype
    multiplied = torch._scaled_mm(  # pyright: ignore[reportPrivateImportUsage]
        (rows / unit).to(_NARROW), _by_columns(numbers), scale_a=torch.ones_like(scale), scale_b=scale, out_dtype=dtype,
    )
    return (multiplied * unit).to(grad.dtype).view(*grad.shape[:-1], numbers.shape[1])


def rounded(weight: Tensor) -> tuple[Tensor, Tensor]:
    """(numbers, scale) of any weight."""
    scale = weight.abs().amax().float().clamp(min=torch.finfo(torch.float32).tiny) / _LARGEST
    return (weight / scale.to(weight.dtype)).to(_NARROW), scale


def failure(device: torch.device) -> str | None:
    """What speaks against such products on `device`: the error of a small one."""
    try:
        ones = torch.ones(MULTIPLE, MULTIPLE, device=device, dtype=torch.bfloat16)
        product(ones, *rounded(ones))
    except (RuntimeError, TypeError, AttributeError) as error:  # the card's, or an older torch's
        if is_out_of_memory(error):
            raise
        return str(error).strip().partition("\n")[0]
    return None


def _unit(rows: Tensor) -> Tensor:
    """(rows, 1): the power of two by which the largest number of each row just fits."""
    largest = rows.abs().amax(1, keepdim=True).float()
    return torch.exp2(torch.ceil(torch.log2(largest / _LARGEST))).to(rows.dtype).clamp(min=torch.finfo(rows.dtype).tiny)


def _by_columns(numbers: Tensor) -> Tensor:
    """In the order that cards before Blackwell ask of the second factor: column after column."""
    return numbers.t().contiguous().t()
