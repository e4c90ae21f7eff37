"""What the states of version 1 (until November 2026) hold of their run: digests over whole specs, made again to compare.

A digest knows no defaults, so only the fields that the specs had then are in it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any

from ...data.items import Item
from ...network.network import Network
from ...order import Order
from ...settings import describe

#: The fields of every spec and choice that a digest covers, in their order. A type that is not here is younger than these states.
_FIELDS = {
    "NetworkSpec": "algorithm rank alpha conv_rank conv_alpha targets dropout rank_dropout module_dropout init options "
                   "scale_weight_norms block_weights start_from",
    "TargetSpec": "preset include exclude", "DyLoRAOptions": "unit", "IA3Options": "on_input",
    "LoKrOptions": "factor decompose_both full_matrix", "OFTOptions": "constraint",
    "BlockWeights": "lr ranks alphas rules", "BlockRule": "where lr rank alpha conv_rank conv_alpha",
    "StartFrom": "name digest rank_from_file drop_others",
    "CaptionSpec": "prefix suffix trigger lines wildcards shuffle keep_tokens keep_tokens_separator secondary_separator separator "
                   "caption_dropout caption_dropout_every_n_epochs tag_dropout variants allow_empty",
    "ObjectiveSpec": "loss timesteps window stratified weighting noise masked_loss prior_weight preservation zero_terminal_snr guidance",
    "L2": "", "L1": "", "Huber": "c schedule", "SmoothL1": "c schedule", "LogCosh": "c schedule",
    "AutoTimesteps": "", "Uniform": "", "LogitNormal": "mean std", "Sigmoid": "scale", "Shift": "k scale",
    "FluxShift": "base_shift max_shift scale", "Mode": "scale", "CosMap": "", "ModelTable": "", "Window": "minimum maximum",
    "AutoWeighting": "", "NoWeighting": "", "MinSNR": "gamma", "Debiased": "", "P2": "gamma", "VPredLike": "strength",
    "NoisePredLike": "", "CosMapWeighting": "", "MaskedLoss": "unmasked_weight unmasked_probability normalise",
    "NoiseSpec": "offset adaptive_offset multires_iterations multires_discount input_perturbation random_strength",
    "OnRegularisation": "weight", "OutsideMask": "weight", "SwappedCaption": "trigger class_words weight", "BlankCaption": "weight",
}


#: What a digest stands for, by what a person sets.
_WORDS = {
    "base model": "the base model, or what is applied to it,",
    "network": "a setting of LoRA Network, or which layers of this model it trains,",
    "pictures and captions": "the pictures, their captions, their sizes (resolution and its limits), or a setting of Caption Config",
    "objective": "a setting of Training Objective",
}


def changes_since_v1(saved: Mapping[str, Any], order: Order, items: Sequence[Item], network: Network) -> list[str]:
    """One phrase for everything that is not as it was when `saved` was made; coarse, since digests tell no more."""
    now = _identity(order, items, network)
    return [
        f"{_WORDS[name]} is not as it was" if name in _WORDS else f"{name} was {saved.get(name)}, is now {value}"
        for name, value in now.items() if saved.get(name) != value
    ]


def _identity(order: Order, items: Sequence[Item], network: Network) -> dict[str, Any]:
    shapes = [(name, tuple(parameter.shape)) for name, parameter in network.named_parameters()]
    pictures = [(item.sample.name, item.sample.picture.digest(), item.sample.caption, item.bucket) for item in items]
    recipe, run = order.recipe, order.recipe.run
    return {
        "base model": order.model_identity,
        "network": _digest(_then(describe(recipe.network)), shapes),
        "pictures and captions": _digest(pictures, _then(describe(recipe.dataset.captions))),
        "objective": _digest(_then(describe(recipe.objective))),
        "optimizer": recipe.optimizer.optimizer,
        "batch_size x gradient_accumulation": f"{run.batch_size} x {run.gradient_accumulation}",
        "seed": run.seed,
    }


def _then(described: Any) -> Any:
    """A described spec with the fields of that time alone, in their order."""
    if isinstance(described, list):
        return [_then(entry) for entry in described]
    if not isinstance(described, dict):
        return described
    kind = described["type"]
    names = _FIELDS[kind].split() if kind in _FIELDS else [name for name in described if name != "type"]
    return {"type": kind, **{name: _then(described[name]) for name in names}}


def _digest(*parts: object) -> str:
    return hashlib.sha256(repr(parts).encode()).hexdigest()[:16]
