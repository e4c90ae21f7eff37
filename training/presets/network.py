"""What kohya's settings of the network are here."""

from __future__ import annotations

from ..network.kinds.menu import ALGORITHMS
from .config import Config
from .record import LOKR, NETWORK

#: sd-scripts' modules, the GUI's types and LyCORIS' algorithms, in small letters.
_ALGORITHMS = {
    "": "lora", "standard": "lora", "flux1": "lora", "sd3": "lora", "kohya locon": "lora", "locon": "lora", "lora-fa": "lora_fa",
    "kohya dylora": "dylora", "flux1 oft": "oft", "diag-oft": "oft", "networks.lora": "lora", "networks.lora_flux": "lora",
    "networks.lora_sd3": "lora", "networks.lora_lumina": "lora", "networks.lora_anima": "lora", "networks.lora_fa": "lora_fa",
    "networks.dylora": "dylora", "networks.oft": "oft", "networks.oft_flux": "oft", "networks.loha": "loha", "networks.lokr": "lokr",
}
_WITHOUT_CONVOLUTIONS = ("", "standard", "flux1", "sd3")


def read_network(config: Config) -> None:
    _algorithm(config)
    config.put(NETWORK, "rank", config.whole("network_dim") or 4, "network_dim")
    alpha = config.number("network_alpha")
    config.put(NETWORK, "alpha", 1.0 if alpha is None else alpha or float(config.whole("network_dim") or 4), "network_alpha")
    config.same(NETWORK, {"network_dropout": ("dropout", float), "rank_dropout": ("rank_dropout", float),
                          "module_dropout": ("module_dropout", float), "scale_weight_norms": ("scale_weight_norms", float),
                          "train_norm": ("train_norms", bool)})
    _convolutions(config)
    _presets(config)


def _algorithm(config: Config) -> None:
    key = next((key for key in ("algo", "LoRA_type", "network_module") if config.is_on(key)), "network_module")
    said = config.text(key)
    name = said.lower().removeprefix("lycoris/")
    found = _ALGORITHMS.get(name, name)
    for other in ("algo", "LoRA_type", "network_module"):
        config.text(other)
    if found not in ALGORITHMS:
        config.refuse(key, f"no kind of network here is called so; there are {', '.join(ALGORITHMS)}")
        return
    is_dora = config.flag("dora_wd") and found == "lora"
    config.put(NETWORK, "algorithm", "dora" if is_dora else found, *(["dora_wd"] if is_dora else []), key)
    if found == "lokr":
        config.same(LOKR, {"factor": ("factor", int), "decompose_both": ("decompose_both", bool), "full_matrix": ("full_matrix", bool)})


def _convolutions(config: Config) -> None:
    """The GUI keeps their numbers for types that do not train them; kohya's alpha for them is 1 where none is given."""
    if "LoRA_type" in config and config.text("LoRA_type").lower() in _WITHOUT_CONVOLUTIONS:
        for key in ("conv_dim", "conv_alpha"):
            if config.is_on(key):
                config.refuse(key, "its type of network trains no convolutions, so that kohya does not read it")
        config.put(NETWORK, "conv_rank", 0, "LoRA_type")
        return
    rank = config.whole("conv_dim")
    config.put(NETWORK, "conv_rank", rank or 0, "conv_dim")
    if rank:
        alpha = config.number("conv_alpha")
        config.put(NETWORK, "conv_alpha", 1.0 if alpha is None else alpha, "conv_alpha")


def _presets(config: Config) -> None:
    """LyCORIS' choices of layers."""
    key = next((key for key in ("preset", "LyCORIS_preset") if config.is_on(key)), None)
    is_lycoris = "lycoris" in (config.text("LoRA_type") + config.text("network_module")).lower()
    if key is None or not is_lycoris:
        config.text("LyCORIS_preset")
        return
    known = {"attn-only": "attention", "attn-mlp": "attention + feed-forward", "full": "all linear + convolution",
             "full-lin": "all linear", "unet-transformer-only": "attention + feed-forward"}
    found = known.get(config.text(key).lower())
    config.put(NETWORK, "targets", found, key) if found else config.refuse(key, "choose targets on LoRA Network")
