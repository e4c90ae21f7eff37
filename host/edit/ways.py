"""How each family takes references: pictures beside the caption, brought to size, encoded and put into the condition by
ComfyUI's own nodes. What is said here of a family is which node that is and how it is called.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from importlib import import_module
from typing import Any

import node_helpers
import torch

from .. import compat
from ..model.conditions import unused

Pictures = Sequence[torch.Tensor]
"""IMAGEs of one picture each, (1, h, w, 3)."""
Size = tuple[int, int]
ENTRY = "reference_latents"


@dataclass(frozen=True)
class Latents:
    """A way by which only the diffusion model sees them: `scaled` (IMAGE -> IMAGE), then VAE Encode and ReferenceLatent; the text is
    CLIPTextEncode's. `encodes`: off for models of pixels, which take the picture itself.

    Of every way: `node` is what its users know it by; it takes at most `most` pictures; `looks`: the text encoder sees them
    too; `follows_target`: they are brought to the size of the picture that is made; `extras` goes into every condition beside
    them. `latents` are what the condition holds of one picture, `texts` (positive, negative) without these; [] for a negative
    that is not asked for.
    """

    scaled: Callable[[torch.Tensor], torch.Tensor]
    node: str = "ReferenceLatent"
    most: int = 10
    encodes: bool = True
    looks: bool = False
    follows_target: bool = False
    extras: Mapping[str, Any] = field(default_factory=dict)

    def latents(self, vae: Any, picture: torch.Tensor, target: Size) -> list:
        shown = self.scaled(picture)[:, :, :, :3]
        return [vae.encode(shown) if self.encodes else shown]

    def texts(self, clip: Any, prompt: str, negative: str | None, pictures: Pictures, target: Size) -> tuple[list, list]:
        return encoded(clip, prompt), [] if negative is None else encoded(clip, negative)


@dataclass(frozen=True)
class TextNode:
    """A way by which one node makes the whole condition, since the text encoder sees the pictures too. `call` makes (positive, negative)
    of (node, clip, prompt, negative, vae, pictures, target)."""

    node: str
    module: str
    call: Callable[..., tuple[list, list]]
    most: int
    looks: bool = True
    follows_target: bool = False
    extras: Mapping[str, Any] = field(default_factory=dict)

    def latents(self, vae: Any, picture: torch.Tensor, target: Size) -> list:
        positive, _ = self.call(self._class(), _Silent(), "", None, vae, [picture], target)
        return positive[0][1][ENTRY]

    def texts(self, clip: Any, prompt: str, negative: str | None, pictures: Pictures, target: Size) -> tuple[list, list]:
        return self.call(self._class(), clip, prompt, negative, None, pictures, target)

    def _class(self) -> Any:
        return getattr(import_module(f"comfy_extras.{self.module}"), self.node)


Way = Latents | TextNode


class _Silent:
    """A CLIP that reads nothing: for what a node makes of the pictures alone."""

    def tokenize(self, text: str, **options: Any) -> None:
        return None

    def encode_from_tokens_scheduled(self, tokens: None) -> list:
        return [[None, {}]]


def encoded(clip: Any, text: str) -> list:
    """As CLIPTextEncode does it."""
    return clip.encode_from_tokens_scheduled(clip.tokenize(text))


def _kontext(picture: torch.Tensor) -> torch.Tensor:
    return import_module("comfy_extras.nodes_flux").FluxKontextImageScale.execute(picture)[0]


def _megapixels(count: float, method: str = "lanczos") -> Callable[[torch.Tensor], torch.Tensor]:
    return lambda picture: compat.scale_to_total_pixels(picture, method, count)


def _side_by_side(node, clip, prompt, negative, vae, pictures, target) -> tuple[list, list]:
    """Nodes with an input a picture, which make one condition at a time."""
    return node.execute(clip, prompt, vae, *pictures)[0], [] if negative is None else node.execute(clip, negative, vae, *pictures)[0]


def _joyimage(node, clip, prompt, negative, vae, pictures, target) -> tuple[list, list]:
    return _side_by_side(node, clip, prompt, negative, vae, [_numbered(pictures)], target)


def _boogu(node, clip, prompt, negative, vae, pictures, target) -> tuple[list, list]:
    return tuple(node.execute(clip, prompt, negative or "", vae, _numbered(pictures)).args[:2])


def _mage(node, clip, prompt, negative, vae, pictures, target) -> tuple[list, list]:
    return tuple(node.execute(clip, prompt, negative or "", vae, _numbered(pictures), *target).args[:2])


def _numbered(pictures: Pictures) -> dict[str, torch.Tensor]:
    return {f"image_{i}": picture for i, picture in enumerate(pictures, start=1)}


_QWEN_ONE = TextNode("TextEncodeQwenImageEdit", "nodes_qwen", _side_by_side, most=1)
_QWEN_PLUS = TextNode("TextEncodeQwenImageEditPlus", "nodes_qwen", _side_by_side, most=3)
GENERAL = Latents(_megapixels(1.0))

#: Class in comfy.model_base -> its way, the nearest class of a model counts; None: its references cannot be given here.
WAYS: dict[str, Way | None] = {
    "Flux": Latents(_kontext, node="FluxKontextImageScale and ReferenceLatent"),
    "Flux2": GENERAL,
    "LongCatImage": TextNode("TextEncodeQwenImageEdit", "nodes_qwen", _side_by_side, most=1, extras={"reference_latents_method": "index"}),
    "Omnigen2": Latents(_megapixels(1.0, "area")),
    "Boogu": TextNode("TextEncodeBooguEdit", "nodes_boogu", _boogu, most=16),
    "QwenImage": _QWEN_PLUS,
    "MageFlow": TextNode("TextEncodeMageFlowEdit", "nodes_mage", _mage, most=16, follows_target=True),
    "JoyImage": TextNode("TextEncodeJoyImageEdit", "nodes_joyimage", _joyimage, most=6),
    "Krea2": TextNode("TextEncodeQwenImageEditPlus", "nodes_qwen", _side_by_side, most=3,
                      extras={"reference_latents_method": "index_timestep_zero"}),
    "HiDreamO1": Latents(_megapixels(4.0), node="HiDreamO1ReferenceImages", encodes=False),
    "Lumina2": None,
}


def way_of(model: Any, name: str = "") -> Way | None:
    """How ComfyUI's model takes references; `name` is its file's. None where it cannot be given any."""
    if not looks_at_references(model):
        return None
    way = next((WAYS[base.__name__] for base in type(model).__mro__ if base.__name__ in WAYS), GENERAL)
    return _QWEN_ONE if way is _QWEN_PLUS and _is_first_qwen_edit(name) else way


def looks_at_references(model: Any) -> bool:
    """Whether the model takes references in and its diffusion model reads them: Chroma takes FLUX's in and drops them."""
    if unused(model, [ENTRY]):
        return False
    kinds = type(model.diffusion_model).__mro__
    functions = [getattr(value, "__code__", None) for kind in kinds for value in vars(kind).values()]
    return type(model).__name__ in WAYS or any(code and "ref_latents" in code.co_varnames for code in functions)


def conditioning(
    way: Way, clip: Any, vae: Any, prompt: str, negative: str, pictures: Pictures, target: Size
) -> tuple[list, list]:
    """(positive, negative) CONDITIONING as the family's nodes make them, for a picture of `target` (width, height)."""
    entries = {ENTRY: [latent for picture in pictures for latent in way.latents(vae, picture, target)]}
    positive, negative_one = way.texts(clip, prompt, negative, pictures, target)
    return _with_entries(positive, entries, way), _with_entries(negative_one, entries, way)


def _with_entries(condition: list, entries: Mapping[str, Any], way: Way) -> list:
    appended = node_helpers.conditioning_set_values(condition, dict(entries), append=True)
    return node_helpers.conditioning_set_values(appended, dict(way.extras))


def _is_first_qwen_edit(name: str) -> bool:
    """Qwen-Image-Edit of August 2025 takes one picture and reads it large; those with year and month in their name take three."""
    lower = name.lower().replace("_", "-")
    return "qwen-image-edit" in lower and not re.search(r"edit\D*\d{4}", lower)
