"""A LoRA in any format that ComfyUI loads -> the change that it makes at each place, as our adapters hold one."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import zip_longest
from typing import cast

import comfy.weight_adapter as weight_adapter
import torch
from torch import Tensor, nn

from ...training.network.offsets import B_NORM, DIFF_B, OFFSET, W_NORM, bias_path
from ...training.network.start_from import ModuleStart
from ...training.ops import norm_of
from ...training.parts import Place, Trainable
from .patches import known_names, load_patches

#: What our files call the tensors of an adapter of ComfyUI's, in its order; its name is the kind's here too. What has no name
#: (a Tucker core, a rescale, a dora_scale) cannot be trained on.
_NAMES = {
    "loha": ("hada_w1_a", "hada_w1_b", "alpha", "hada_w2_a", "hada_w2_b"),
    "lokr": ("lokr_w1", "lokr_w2", "alpha", "lokr_w1_a", "lokr_w1_b", "lokr_w2_a", "lokr_w2_b"),
    "glora": ("a1.weight", "a2.weight", "b1.weight", "b2.weight", "alpha"),
    "oft": ("oft_blocks", None, "alpha"),
    "boft": ("oft_blocks", None, "alpha"),
}
_INSTEAD = "Apply it with a LoRA loader in front of Train LoRA."


@dataclass(frozen=True)
class Changes:
    """`starts` by place; `unheld` are changes that no adapter can hold, weight -> why; `unmapped` the keys that ComfyUI cannot
    place on the model."""

    starts: dict[Place, ModuleStart]
    unheld: dict[str, str]
    unmapped: tuple[str, ...]


def changes_of(tensors: Mapping[str, Tensor], patcher, clip, parts: Sequence[Trainable]) -> Changes:
    """What `tensors` change of a MODEL and a CLIP (None: of the MODEL alone). Modules of encoders that are not among `parts` keep
    their name as part, so that they can be told."""
    patches, unmapped = load_patches(tensors, known_names(patcher, clip))
    by_weight: dict[str, list] = {}
    for key, patch in patches.items():
        by_weight.setdefault(key if isinstance(key, str) else key[0], []).append((key, patch))
    trained = {f"{part.name}.{path}.weight": part.module for part in parts for path in part.file_keys}
    found = Changes(_offsets(by_weight, trained), {}, unmapped)
    for weight, patched in by_weight.items():
        part, _, path = weight.removesuffix(".weight").partition(".")
        converted = _converted(patched, trained[weight].get_submodule(path) if weight in trained else None)
        if isinstance(converted, str):
            found.unheld[weight] = converted
        else:
            found.starts[part, path] = converted
    return found


def _offsets(by_weight: dict[str, list], trained: Mapping[str, nn.Module]) -> dict[Place, ModuleStart]:
    """What is added to norms and biases, each norm's weight and bias together; taken out of `by_weight`."""
    found: dict[Place, dict[str, Tensor]] = {}
    for name in [name for name, patches in by_weight.items() if _is_offset(patches)]:
        ((_, (_, (added,))),) = by_weight.pop(name)
        layer, _, parameter = name.rpartition(".")
        part, _, path = layer.partition(".")
        root = trained.get(f"{layer}.weight")
        is_norm = parameter == "weight" or (root is not None and norm_of(root.get_submodule(path)) is not None)
        place = (part, path if is_norm else bias_path(path))
        suffix = W_NORM if parameter == "weight" else B_NORM if is_norm else DIFF_B
        found.setdefault(place, {})[suffix] = added.float()
    return {place: ModuleStart(OFFSET, tensors) for place, tensors in found.items()}


def _is_offset(patches: list) -> bool:
    """Whether ComfyUI adds one vector, ("diff", (what is added,))."""
    (key, patch), *more = patches
    return not more and isinstance(key, str) and isinstance(patch, tuple) and patch[0] == "diff" and patch[1][0].ndim == 1


def _converted(found: list, module: nn.Module | None) -> ModuleStart | str:
    """One module's patches as a start, or why they cannot be one."""
    (key, patch), *more = found
    if more or not isinstance(key, str):
        return _fused(found, module)
    if isinstance(patch, weight_adapter.LoRAAdapter):
        return _lora(patch)
    names = _NAMES.get(getattr(patch, "name", ""))
    if names is None:
        return f"it changes a whole weight, which no adapter holds. {_INSTEAD}"
    if any(part is not None for name, part in zip_longest(names, patch.weights) if name is None):
        return f"its Tucker core, rescale or dora_scale cannot be trained on. {_INSTEAD}"
    return ModuleStart(patch.name, _named(names, patch.weights))


def _lora(patch) -> ModuleStart | str:
    up, down, alpha, mid, dora, reshape = patch.weights
    if reshape is not None:
        return f"it changes the shape of the weight. {_INSTEAD}"
    if mid is not None:
        # Tucker: the core between down and up goes into down, which becomes the whole kernel.
        down = torch.einsum("rs...,si->ri...", mid.float(), down.float().flatten(1))
    tensors = _named(("lora_up.weight", "lora_down.weight", "alpha"), (up, down, float(down.shape[0]) if alpha is None else alpha))
    if dora is None:
        return ModuleStart("lora", tensors)
    if not up.any() and not down.any():
        return ModuleStart("ia3", {**tensors, "dora_scale": dora})
    if dora.shape[0] != 1:
        return f"its DoRA scales rows; only scales of columns can be trained on. {_INSTEAD}"
    return ModuleStart("dora", {**tensors, "dora_scale": dora})


def _named(keys: Iterable[str | None], values: Iterable) -> dict[str, Tensor]:
    return {key: torch.as_tensor(value).float() for key, value in zip(keys, values) if key is not None and value is not None}


def _fused(found: list, module: nn.Module | None) -> ModuleStart | str:
    """`found` are ComfyUI's (key, patch) of one weight; a key is its name, (name, (dim, start, length)) or
    (name, None, function of the change). The LoRAs' ranks add up: downs are stacked, ups lie side by side in their rows.

    `module` is the layer, None when it is not trained: then the first patch stands for all. A phrase says why it fails.
    """
    ups, downs = [], []
    for key, patch in found:
        if not isinstance(patch, weight_adapter.LoRAAdapter) or any(part is not None for part in patch.weights[3:]):
            return f"only plain LoRAs on parts of a weight can be trained on. {_INSTEAD}"
        up, down, alpha = patch.weights[:3]
        scaled = up.float() * (1.0 if alpha is None else alpha / down.shape[0])
        ups.append(_placed(scaled, key, module))
        downs.append(down.float())
    up = torch.cat(ups, dim=1) if module is not None else ups[0]
    down = torch.cat(downs) if module is not None else downs[0]
    return ModuleStart("lora", {"lora_up.weight": up, "lora_down.weight": down, "alpha": torch.tensor(float(down.shape[0]))})


def _placed(up: Tensor, key, module: nn.Module | None) -> Tensor:
    """`up` in its rows of the whole weight."""
    if isinstance(key, str) or module is None:
        return up
    if len(key) > 2:
        return key[2](up)
    _, start, length = key[1]
    weight = cast(Tensor, module.weight)
    whole = torch.zeros(weight.shape[0], *up.shape[1:])
    whole[start : start + length] = up
    return whole
