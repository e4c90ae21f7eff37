"""A LoRA file in any format that ComfyUI loads -> what it does to each module, for training to go on from."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path

import comfy.lora
import comfy.lora_convert
import comfy.utils
import comfy.weight_adapter as weight_adapter
import folder_paths
import torch
from torch import Tensor

from ...training.errors import SettingsError, raise_problems
from ...training.network.start_from import WHERE, ModuleStart, StartFrom
from ...training.parts import Trainable
from .verify import complaints

NO_FILE = "none"

_LOHA = ("hada_w1_a", "hada_w1_b", "alpha", "hada_w2_a", "hada_w2_b")
_LOKR = ("lokr_w1", "lokr_w2", "alpha", "lokr_w1_a", "lokr_w1_b", "lokr_w2_a", "lokr_w2_b")
_GLORA = ("a1.weight", "a2.weight", "b1.weight", "b2.weight", "alpha")
_PLAIN = (
    (weight_adapter.LoHaAdapter, "loha", _LOHA), (weight_adapter.LoKrAdapter, "lokr", _LOKR),
    (weight_adapter.GLoRAAdapter, "glora", _GLORA),
)


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
    if lora is None:
        path = folder_paths.get_full_path_or_raise("loras", name)
        lora = comfy.utils.load_torch_file(path, safe_load=True)
    label = "the connected LoRA" if name == NO_FILE else name
    return StartFrom(name=label, digest=_digest(lora), rank_from_file=rank_from_file, drop_others=drop_others, tensors=dict(lora))


def module_starts(start: StartFrom, patcher, clip, parts: list[Trainable]) -> dict[tuple[str, str], ModuleStart]:
    """(part, path) -> the change that the file makes there. `parts` are those that the run trains; modules of others keep
    their name as part, so that they can be told.

    Raises SettingsError for keys that ComfyUI cannot place on this model, and for changes that no adapter can hold,
    unless `start.drop_others`.
    """
    names = comfy.lora.model_lora_keys_unet(patcher.model, {})
    if clip is not None:
        names = comfy.lora.model_lora_keys_clip(clip.cond_stage_model, names)
    with complaints() as unmapped:
        patches = comfy.lora.load_lora(comfy.lora_convert.convert_lora(dict(start.tensors)), names, log_missing=True)
    weights = {f"{part.name}.{path}.weight": (part, path) for part in parts for path in part.file_keys}
    by_weight: dict[str, list] = {}
    for key, patch in patches.items():
        by_weight.setdefault(key if isinstance(key, str) else key[0], []).append((key, patch))
    starts, problems = {}, _unmapped(start, unmapped, found=bool(patches))
    for weight, found in by_weight.items():
        part, _, path = weight.removesuffix(".weight").partition(".")
        module = weights[weight][0].module.get_submodule(path) if weight in weights else None
        converted = _converted(found, module)
        if isinstance(converted, str):
            problems.append(f"'{weight}' of {start.name}: {converted}")
        else:
            starts[part, path] = converted
    if not start.drop_others or not starts:
        raise_problems(SettingsError, WHERE, problems[:5] + ([f"... and {len(problems) - 5} more."] if len(problems) > 5 else []))
    return starts


def _converted(found: list, module) -> ModuleStart | str:
    """One module's patches as a start, or why they cannot be one."""
    (key, patch), *more = found
    if more or not isinstance(key, str):
        return fused(found, module)
    if isinstance(patch, weight_adapter.LoRAAdapter):
        return _lora(patch)
    for kind, name, keys in _PLAIN:
        if isinstance(patch, kind):
            if any(part is not None for part in patch.weights[len(keys):]):
                return "its Tucker core or dora_scale cannot be trained on. Apply it with a LoRA loader in front of Train LoRA."
            return ModuleStart(name, _named(keys, patch.weights))
    if isinstance(patch, (weight_adapter.OFTAdapter, weight_adapter.BOFTAdapter)):
        blocks, rescale, alpha, dora = patch.weights
        if rescale is not None or dora is not None:
            return "its rescale cannot be trained on. Apply it with a LoRA loader in front of Train LoRA."
        return ModuleStart(patch.name, _named(("oft_blocks", "alpha"), (blocks, alpha or 0.0)))
    return "it changes a whole weight or bias, which no adapter holds. Apply it with a LoRA loader in front of Train LoRA."


def _lora(patch) -> ModuleStart | str:
    up, down, alpha, mid, dora, reshape = patch.weights
    if reshape is not None:
        return "it changes the shape of the weight. Apply it with a LoRA loader in front of Train LoRA."
    if mid is not None:
        # Tucker: the core between down and up goes into down, which becomes the whole kernel.
        down = torch.einsum("rs...,si->ri...", mid.float(), down.float().flatten(1))
    tensors = _named(("lora_up.weight", "lora_down.weight", "alpha"), (up, down, float(down.shape[0]) if alpha is None else alpha))
    if dora is None:
        return ModuleStart("lora", tensors)
    if not up.any() and not down.any():
        return ModuleStart("ia3", {**tensors, "dora_scale": dora})
    if dora.shape[0] != 1:
        return "its DoRA scales rows; only scales of columns can be trained on. Apply it with a LoRA loader in front of Train LoRA."
    return ModuleStart("dora", {**tensors, "dora_scale": dora})


def _named(keys, values) -> dict[str, Tensor]:
    return {key: torch.as_tensor(value).float() for key, value in zip(keys, values) if value is not None}


def _unmapped(start: StartFrom, keys: list[str], *, found: bool) -> list[str]:
    if not found:
        return [f"{start.name} has no key that this model knows. It belongs to another kind of model."]
    return [f"{start.name}: {len(keys)} keys belong to no module of this model, the first is '{keys[0]}'."] if keys else []


def _digest(lora: Mapping[str, Tensor]) -> str:
    digest = hashlib.sha256()
    for name in sorted(lora):
        digest.update(name.encode())
        digest.update(lora[name].detach().to("cpu").contiguous().reshape(-1).view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()[:16]


def fused(found: list, module) -> ModuleStart | str:
    """`found` are ComfyUI's (key, patch) of one weight; a key is its name, (name, (dim, start, length)) or
    (name, None, function of the change). The LoRAs' ranks add up: downs are stacked, ups lie side by side in their rows.

    `module` is the layer, None when it is not trained: then the first patch stands for all. A phrase says why it fails.
    """
    ups, downs = [], []
    for key, patch in found:
        if not isinstance(patch, weight_adapter.LoRAAdapter) or any(part is not None for part in patch.weights[3:]):
            return "only plain LoRAs on parts of a weight can be trained on. Apply it with a LoRA loader in front of Train LoRA."
        up, down, alpha = patch.weights[:3]
        rank = down.shape[0]
        scaled = up.float() * (1.0 if alpha is None else alpha / rank)
        ups.append(_placed(scaled, key, module))
        downs.append(down.float())
    up = torch.cat(ups, dim=1) if module is not None else ups[0]
    down = torch.cat(downs) if module is not None else downs[0]
    return ModuleStart("lora", {"lora_up.weight": up, "lora_down.weight": down, "alpha": torch.tensor(float(down.shape[0]))})


def _placed(up: Tensor, key, module) -> Tensor:
    """`up` in its rows of the whole weight."""
    if isinstance(key, str) or module is None:
        return up
    if len(key) > 2:
        return key[2](up)
    _, start, length = key[1]
    whole = torch.zeros(module.weight.shape[0], *up.shape[1:])
    whole[start : start + length] = up
    return whole
