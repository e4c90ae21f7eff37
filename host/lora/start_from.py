"""A LoRA file in any format that ComfyUI loads -> what it does to each module, for training to go on from.

Where a file has several LoRAs for one of our weights, they become one: q, k and v of diffusers' FLUX are rows of one qkv here.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from itertools import zip_longest
from pathlib import Path
from typing import cast

import comfy.utils
import comfy.weight_adapter as weight_adapter
import folder_paths
import torch
from torch import Tensor, nn

from ...training.errors import SettingsError, raise_problems
from ...training.network.offsets import B_NORM, DIFF_B, OFFSET, W_NORM, bias_path
from ...training.network.spec import StartFrom
from ...training.network.start_from import WHERE, ModuleStart
from ...training.ops import norm_of
from ...training.parts import Place, Trainable
from .patches import known_names, load_patches

NO_FILE = "none"
_SHOWN = 5

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


def lora_names() -> list[str]:
    """Every LoRA file that ComfyUI knows, behind the choice of none."""
    return [NO_FILE, *folder_paths.get_filename_list("loras")]


def file_stamp(name: str) -> str:
    """Changes when the file does."""
    path = folder_paths.get_full_path("loras", name)
    return f"{name}/{Path(path).stat().st_mtime_ns}/{Path(path).stat().st_size}" if path else name


def start_from(name: str, lora: Mapping[str, Tensor] | None, *, rank_from_file: bool, drop_others: bool) -> StartFrom:
    """The LoRA called `name`, or the one from a LORA_MODEL socket. Raises SettingsError when it is none or both."""
    if (lora is None) == (name == NO_FILE):
        raise SettingsError(WHERE, ["choose a file in lora_name, or connect lora: one of the two."])
    tensors = _loaded(name) if lora is None else lora
    label = "the connected LoRA" if name == NO_FILE else name
    return StartFrom(name=label, digest=_digest(tensors), rank_from_file=rank_from_file, drop_others=drop_others, tensors=dict(tensors))


def _loaded(name: str) -> Mapping[str, Tensor]:
    return comfy.utils.load_torch_file(folder_paths.get_full_path_or_raise("loras", name), safe_load=True)


def _digest(lora: Mapping[str, Tensor]) -> str:
    digest = hashlib.sha256()
    for name in sorted(lora):
        digest.update(name.encode())
        digest.update(lora[name].detach().to("cpu").contiguous().reshape(-1).view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()[:16]


def module_starts(start: StartFrom, patcher, clip, parts: list[Trainable]) -> dict[Place, ModuleStart]:
    """The change that the file makes at each place. `parts` are those that the run trains; modules of others keep their name
    as part, so that they can be told.

    Raises SettingsError for keys that ComfyUI cannot place on this model, and for changes that no adapter can hold,
    unless `start.drop_others`.
    """
    patches, unmapped = load_patches(start.tensors, known_names(patcher, clip))
    by_weight: dict[str, list] = {}
    for key, patch in patches.items():
        by_weight.setdefault(key if isinstance(key, str) else key[0], []).append((key, patch))
    trained = {f"{part.name}.{path}.weight": part.module for part in parts for path in part.file_keys}
    starts, problems = {}, _unmapped(start, unmapped, found=bool(patches))
    starts |= _offsets(by_weight, trained)
    for weight, found in by_weight.items():
        part, _, path = weight.removesuffix(".weight").partition(".")
        converted = _converted(found, trained[weight].get_submodule(path) if weight in trained else None)
        if isinstance(converted, str):
            problems.append(f"'{weight}' of {start.name}: {converted}")
        else:
            starts[part, path] = converted
    if not start.drop_others or not starts:
        more = [f"... and {len(problems) - _SHOWN} more."] if len(problems) > _SHOWN else []
        raise_problems(SettingsError, WHERE, problems[:_SHOWN] + more)
    return starts


def _unmapped(start: StartFrom, keys: Sequence[str], *, found: bool) -> list[str]:
    if not found:
        return [f"{start.name} has no key that this model knows. It belongs to another kind of model."]
    return [f"{start.name}: {len(keys)} keys belong to no module of this model, the first is '{keys[0]}'."] if keys else []


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
