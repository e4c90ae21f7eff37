"""A LoRA as diffusers and PEFT write it: lora_A, lora_B and no alpha, under the module names of diffusers.

Their models hold some of our layers in several: q, k and v of FLUX's fused qkv. Each of them is a range of rows here, and
gets the same down with its rows of up.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from ..errors import FileError, SettingsError, raise_problems
from ..network.kinds.menu import KINDS
from ..optim.numerics import first_of

WHERE = "Save LoRA"
_UP, _DOWN, _ALPHA = ".lora_up.weight", ".lora_down.weight", ".alpha"


@dataclass(frozen=True)
class Rows:
    """`name` is diffusers' module, its component in front ('unet.', 'transformer.', 'text_encoder.'). It holds `length`
    rows of our layer from `start` on; all of them when `length` is None."""

    name: str
    start: int = 0
    length: int | None = None


def peft_tensors(tensors: Mapping[str, Tensor], rows: Mapping[str, Sequence[Rows]]) -> dict[str, Tensor]:
    """`tensors` of a LoRA file of ours in PEFT's form; `rows` maps each module key to its diffusers modules.

    alpha / rank is multiplied into lora_B, since PEFT's readers scale by 1. Raises SettingsError for modules that
    diffusers does not have, and for kinds other than plain LoRA.
    """
    keys = [name.removesuffix(_UP) for name in tensors if name.endswith(_UP)]
    known = {f"{key}{suffix}" for key in keys for suffix in (_UP, _DOWN, _ALPHA)}
    problems = []
    if tensors.keys() - known:
        plain = ", ".join(kind.algorithm for kind in KINDS if kind.is_plain_lora)
        problems.append(f"only plain LoRAs ({plain}) can be written in the format of diffusers, without norms and "
                        "biases. Choose the other format.")
    missing = [key for key in keys if key not in rows]
    if missing:
        problems.append(
            f"{len(missing)} modules have no name in diffusers, the first is '{missing[0]}'. Connect the lora output of Train LoRA, "
            "exclude them on the LoRA Network node, or choose the other format."
        )
    raise_problems(SettingsError, WHERE, problems)
    made = {}
    for key in keys:
        up, down = tensors[key + _UP].float(), tensors[key + _DOWN].float()
        scale = float(tensors[key + _ALPHA]) / down.shape[0] if key + _ALPHA in tensors else 1.0
        for part in rows[key]:
            length = up.shape[0] - part.start if part.length is None else part.length
            made[f"{part.name}.lora_A.weight"] = down.clone()
            made[f"{part.name}.lora_B.weight"] = (up[part.start : part.start + length] * scale).contiguous()
    return made


def largest_difference(made: Mapping[str, Tensor], tensors: Mapping[str, Tensor], rows: Mapping[str, Sequence[Rows]]) -> float:
    """max |dW| between PEFT tensors as they were read back and the LoRA they were made from, over one module of each shape. Raises
    FileError where a number is not that of the LoRA in the file's dtype."""
    exact = peft_tensors(tensors, rows)
    if other := [name for name, tensor in exact.items() if name not in made or not torch.equal(made[name], tensor.to(made[name].dtype))]:
        raise FileError(f"the file does not hold what it was given: {first_of(other)}. Save it again, on another disk if it happens twice.")
    modules = [name.removesuffix(".lora_A.weight") for name in exact if name.endswith(".lora_A.weight")]
    shapes = {(exact[f"{name}.lora_B.weight"].shape, exact[f"{name}.lora_A.weight"].shape): name for name in modules}
    return max(float((_delta(made, name) - _delta(exact, name)).abs().max()) for name in shapes.values())


def _delta(tensors: Mapping[str, Tensor], name: str) -> Tensor:
    up, down = (tensors[f"{name}.lora_{side}.weight"].float().flatten(1) for side in "BA")
    return torch.mm(up, down)
