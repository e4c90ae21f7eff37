"""What nodes before Train LoRA have done to the MODEL that changes what a LoRA learns on it: named before a run.

Patches, replaced attention, replaced objects and the way of sampling act while training too. Wrappers are added by ComfyUI's
sampler, so they act in previews only; guidance and all that is done with the model's answer needs no word.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any

import comfy.model_base
import torch
from comfy.patcher_extension import WrappersMP

from .. import compat

#: The file of ComfyUI's that a patch comes from -> the node that its users know.
_TITLES = {
    "nodes_model_downscale": "PatchModelAddDownscale (Kohya Deep Shrink)", "nodes_hypertile": "HyperTile", "nodes_freelunch": "FreeU",
    "nodes_tomesd": "Token Merging (ToMe)", "nodes_hypernetwork": "Hypernetwork Loader", "nodes_sag": "Self-Attention Guidance",
    "nodes_nag": "Normalized Attention Guidance", "nodes_model_patch": "a model patch (ControlNet)",
    "nodes_chroma_radiance": "ChromaRadianceOptions", "nodes_rope": "Scale RoPE", "nodes_photomaker": "PhotoMaker",
}
#: Wrappers that are there for speed alone.
_FAST = {"nodes_easycache", "torch_compile"}

#: Objects that are replaced along with the way of sampling, or that change nothing but the dtype.
_HARMLESS = {"model_sampling", "latent_format", "manual_cast_dtype", "diffusion_model.default_ref_method",
             "diffusion_model.params.default_ref_method"}
_FORWARD = (WrappersMP.APPLY_MODEL, WrappersMP.DIFFUSION_MODEL)
#: ComfyUI's classes of sampling, and what a model of each predicts.
_KINDS = (("EDM", "EDM"), ("V_PREDICTION", "v"), ("X0", "the picture"), ("EPS", "epsilon"), ("COSMOS_RFLOW", "flow"), ("CONST", "flow"))


def upstream_warnings(patcher) -> list[str]:
    """What is trained as the graph has it, and is rarely meant; then what is on in previews alone."""
    found = _about_sampling(patcher)
    active = sorted({_origin(patch) for patch in _in_the_forward(patcher)})
    if patcher.model_options.get("transformer_options", {}).get("rope_options"):
        active.append(_TITLES["nodes_rope"])
    active += [f"another {name}" for name in sorted(patcher.object_patches.keys() - _HARMLESS)]
    if active:
        found.append(
            f"{', '.join(active)}: applied to the model, and so on while training. The LoRA learns to fit the model as it is under "
            "that, and fits less where it is off. Bypass it for training, unless you will always use it."
        )
    around = sorted({_origin(wrapper) for wrapper in _around_the_forward(patcher)})
    if around:
        found.append(
            f"{', '.join(around)}: changes the model while it samples. Previews are made with it, but training goes without it. Bypass it "
            "if previews should show what is learned and nothing else."
        )
    return found


def samples_as_lcm(patcher) -> bool:
    """Whether a ModelSamplingDiscrete node set it to lcm."""
    return any(base.__name__ == "LCM" for base in type(patcher.object_patches.get("model_sampling")).__mro__)


def _about_sampling(patcher) -> list[str]:
    """What a ModelSampling node has changed; another shift of a flow model is a setting, not a change."""
    given = patcher.object_patches.get("model_sampling")
    if given is None:
        return []
    own = comfy.model_base.model_sampling(patcher.model.model_config, patcher.model.model_type)
    if samples_as_lcm(patcher):
        return ["the graph samples the model as LCM, so it is trained at LCM's 50 noise levels and in LCM's way. Bypass the "
                "ModelSamplingDiscrete node for training: the LoRA works with LCM all the same."]
    if _kind(given) != _kind(own):
        return [f"a ModelSampling node says that the model predicts {_kind(given)}, but its checkpoint says {_kind(own)}: the LoRA is "
                f"trained for {_kind(given)}. That is right for a checkpoint that was made so (v and flow versions of SDXL). Any other "
                "forgets what it knows: bypass the node."]
    if _kind(own) not in ("flow", "v") and not _same_levels(given, own):
        return [f"a ModelSampling node gives the model other noise levels, {_range(given)} instead of {_range(own)}, and they are trained. "
                "Bypass the node, unless the checkpoint was made for them."]
    return []


def _kind(model_sampling: Any) -> str:
    return next((name for kind, name in _KINDS if compat.is_sampled_as(model_sampling, kind)), type(model_sampling).__name__)


def _same_levels(one: Any, other: Any) -> bool:
    a, b = (made.sigmas.detach().float().cpu() for made in (one, other))
    return a.shape == b.shape and torch.allclose(a, b, rtol=1e-3)


def _range(model_sampling: Any) -> str:
    return f"sigma {float(model_sampling.sigma_min):.2g} to {float(model_sampling.sigma_max):.3g}"


def _in_the_forward(patcher) -> Iterator[Any]:
    """What the nodes of the graph have put into the model's own forward."""
    options = patcher.model_options.get("transformer_options", {})
    for patches in options.get("patches", {}).values():
        yield from patches
    for replaced in options.get("patches_replace", {}).values():
        yield from replaced.values()
    for kind in _FORWARD:
        for wrappers in options.get("wrappers", {}).get(kind, {}).values():
            yield from wrappers


def _around_the_forward(patcher) -> Iterator[Any]:
    """What ComfyUI's sampler puts around it."""
    if "model_function_wrapper" in patcher.model_options:
        yield patcher.model_options["model_function_wrapper"]
    for kind in _FORWARD:
        for wrappers in patcher.wrappers.get(kind, {}).values():
            yield from (wrapper for wrapper in wrappers if _file(wrapper) not in _FAST)


def _origin(patch: Callable | object) -> str:
    """The node, or the pack, that it comes from, as people know it. ComfyUI calls a pack's modules by their paths."""
    pack = re.search(r"custom_nodes[/\\.]([^/\\.]+)", _module(patch))
    return _TITLES.get(_file(patch)) or (f"a node of {pack[1]}" if pack else f"a patch of {_file(patch)}")


def _file(patch: Callable | object) -> str:
    return re.split(r"[/\\.]", _module(patch))[-1]


def _module(patch: Callable | object) -> str:
    return str(getattr(patch, "__module__", None) or type(patch).__module__)
