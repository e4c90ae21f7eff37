"""What a family of models is to the engine: a record, asked wherever models differ. The core never asks which model it has.

Key schemes, metadata names and module counts are those of kohya's sd-scripts and of the Stability modelspec
(docs/architecture.md names the sources). Classes of ComfyUI are only named here, with their modules: the host compares.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from ..parts import DIFFUSION_MODEL, GENERIC, Blocks

#: CLIP text models: 12 layers of 4 attention linears and 2 of the MLP = kohya's 72 (bigG: 192).
CLIP_BLOCKS = Blocks(trunk=r"\.layers\.\d+\.(self_attn|mlp)\.", attention=r"\.self_attn\.", convolution=r"^$")

#: Text encoders that are trained only when 'include' names them: large, and rarely worth it (FLUX's T5).
ON_REQUEST_BLOCKS = Blocks(trunk=r"^$", attention=r"^$", convolution=r"^$", by_name_only=True)

FileKey = Callable[[str], str]


def dotted(prefix: str) -> FileKey:
    """Paths as they are behind `prefix`, as ComfyUI names a weight: diffusion_model.layers.0.attn.qkv."""
    return lambda path: prefix + path


def underscored(prefix: str) -> FileKey:
    """kohya's way: lora_unet_double_blocks_0_img_attn_qkv."""
    return lambda path: prefix + path.replace(".", "_")


def numbered(section: str, count: int) -> tuple[str, ...]:
    """'down 0', 'down 1', ...: the places of a list of one number a block."""
    return tuple(f"{section} {number}" for number in range(count))


@dataclass(frozen=True, kw_only=True)
class Family:
    """What it is recognised by: `classes`, dotted names of ComfyUI's classes of its model or of the model's
    configuration; their subclasses count as well, unless `with_subclasses` is off.

    Its keys in a LoRA file: `file_key` makes one from the path of a module of the diffusion model, which is diffusers' path
    where `diffusers_paths` is on and diffusers has the module. `text_encoder_prefixes` maps ComfyUI's name of an encoder to
    its prefix; those in `on_request` are trained only when 'include' names them. `in_diffusers` says what diffusers calls a
    module where ComfyUI does not: (regular expression of the whole path, replacements); several are equal shares of its rows.

    Its names in the metadata: `base_model_version` is kohya's ss_base_model_version (empty: `name`), `architecture` and
    `implementation` are modelspec's; `v_version` and `v_architecture` take their places when a model of the family predicts
    v (empty: the same). `variants` are classes with an architecture of their own; `sizes` are models of one class that are
    told apart by a number of their configuration: (its name, the number, ss_base_model_version, architecture). `is_v2` is
    ss_v2; `t5_attention_mask` says whether T5's padding is masked (None: there is no T5).

    How it is trained: `resolution` is the usual size in pixels; `size_conditioned` models see the picture's original size
    and crop; `guidance_default` is the distilled guidance value to train at (None: no such input); `shift_by_resolution` says
    that larger pictures are meant to be noisier, whatever the model's file says of its sampling. `blocks` are its words.
    """

    name: str
    title: str
    file_key: FileKey
    diffusers_paths: bool = False
    classes: tuple[str, ...] = ()
    with_subclasses: bool = True
    base_model_version: str = ""
    v_version: str = ""
    architecture: str = ""
    v_architecture: str = ""
    variants: tuple[tuple[str, str], ...] = ()
    sizes: tuple[tuple[str, int, str, str], ...] = ()
    implementation: str = ""
    is_v2: bool = False
    t5_attention_mask: bool | None = None
    blocks: Blocks = GENERIC
    text_encoder_prefixes: tuple[tuple[str, str], ...] = ()
    on_request: tuple[str, ...] = ()
    in_diffusers: tuple[tuple[str, tuple[str, ...]], ...] = ()
    resolution: int = 1024
    size_conditioned: bool = False
    guidance_default: float | None = None
    shift_by_resolution: bool = False

    def blocks_of(self, part: str) -> Blocks:
        """The words for the blocks of a part: the diffusion model's, or those of the text encoders."""
        if part in self.on_request:
            return ON_REQUEST_BLOCKS
        return self.blocks if part == DIFFUSION_MODEL else CLIP_BLOCKS

    def distance(self, ancestry: Sequence[str]) -> int | None:
        """How far up `ancestry`, a class and what it derives from, the family's first class stands; None: it is another's."""
        near = ancestry if self.with_subclasses else ancestry[:1]
        return next((steps for steps, name in enumerate(near) if name in self.classes), None)

    def of_size(self, config: Mapping[str, Any]) -> Family:
        """This family with the names of a model that is configured so."""
        for name, number, version, architecture in self.sizes:
            if config.get(name) == number:
                return replace(self, base_model_version=version, architecture=architecture)
        return self

    def diffusers_names(self, path: str) -> tuple[str, ...]:
        """What diffusers calls a module of the diffusion model, or the equal shares of its rows; () when it is not said."""
        for pattern, names in self.in_diffusers:
            if found := re.fullmatch(pattern, path):
                return tuple(found.expand(name) for name in names)
        return ()

    def version_for(self, parametrisation: str) -> str:
        """ss_base_model_version of a model that predicts 'epsilon', 'v' or 'flow'."""
        own = self.v_version if parametrisation == "v" else ""
        return own or self.base_model_version or self.name

    def architecture_for(self, parametrisation: str) -> str:
        """modelspec.architecture of such a model."""
        own = self.v_architecture if parametrisation == "v" else ""
        return own or self.architecture
