"""Model families as data: what differs between SD1.5, SDXL, FLUX and the rest, in one table.

The core never asks which model it has; it reads a Family. Key schemes, metadata names and module counts are those of
kohya's sd-scripts and of the Stability modelspec (docs/architecture.md names the sources).
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from .parts import DIFFUSION_MODEL, GENERIC, Blocks, Section

#: CLIP text models: 12 layers of 4 attention linears and 2 of the MLP = kohya's 72 (bigG: 192).
CLIP_BLOCKS = Blocks(trunk=r"\.layers\.\d+\.(self_attn|mlp)\.", attention=r"\.self_attn\.", convolution=r"^$")

#: Text encoders that are trained only when 'include' names them: large, and rarely worth it (FLUX's T5).
ON_REQUEST_BLOCKS = Blocks(trunk=r"^$", attention=r"^$", convolution=r"^$", by_name_only=True)

_UNET_SECTIONS = (
    Section("down", r"^input_blocks\.(\d+)\."),
    Section("mid", r"^middle_block\.(\d+)\."),
    Section("up", r"^output_blocks\.(\d+)\."),
)


def _numbered(section: str, count: int) -> tuple[str, ...]:
    return tuple(f"{section} {number}" for number in range(count))


#: kohya's 25: 12 down, 1 mid, 12 up. Position 0 is conv_in; SDXL has no modules at 9 to 11 and 22 to 24.
_UNET_25 = (*_numbered("down", 12), "mid", *_numbered("up", 12))
#: kohya's learning rates for SDXL: 9 down, 3 mid, 9 up; its ranks and alphas add the embedding in front, the output behind.
_SDXL_21 = (*_numbered("down", 9), *_numbered("mid", 3), *_numbered("up", 9))
_SDXL_23 = ("/^(time_embed|label_emb)\\./", *_SDXL_21, "/^out\\./")

#: kohya counts 192 trunk modules in SD1.5 and 278 with conv_dim; conv_in, conv_out and the time embedding never count.
_UNET_BLOCKS = Blocks(
    trunk=r"\.transformer_blocks\.\d+\.|\.proj_(in|out)$",
    attention=r"\.attn[12]\.",
    convolution=r"^(input_blocks\.(?!0\.)|middle_block\.|output_blocks\.)",
    sections=_UNET_SECTIONS,
    lists=(_UNET_25,),
)
_SDXL_BLOCKS = replace(_UNET_BLOCKS, lists=(_UNET_25, _SDXL_21, _SDXL_23))
_FLUX_BLOCKS = Blocks(
    trunk=r"^(double|single)_blocks\.",
    attention=r"attn|linear1$",
    convolution=r"^$",
    sections=(Section("double", r"^double_blocks\.(\d+)\."), Section("single", r"^single_blocks\.(\d+)\.")),
)


@dataclass(frozen=True, kw_only=True)
class Family:
    """`file_keys` is 'diffusers' (lora_unet_ + diffusers' path), 'native' (lora_unet_ + the model's own path) or
    'dotted' (diffusion_model. + path: every other model). `text_encoder_prefixes` maps ComfyUI's name of an encoder to
    its prefix in the file; those in `on_request` are trained only when 'include' names them. `resolution` is the usual training size in pixels. `size_conditioned` models see the
    picture's original size and crop; `guidance_default` is the distilled guidance value to train at (None: no such input).
    """

    name: str
    title: str
    file_keys: str
    base_model_version: str
    architecture: str
    implementation: str = ""
    blocks: Blocks = GENERIC
    text_encoder_prefixes: tuple[tuple[str, str], ...] = ()
    on_request: tuple[str, ...] = ()
    resolution: int = 1024
    size_conditioned: bool = False
    guidance_default: float | None = None
    latent_channels: int | None = None

    def blocks_of(self, part: str) -> Blocks:
        """The words for the blocks of a part: the diffusion model's, or those of the text encoders."""
        if part in self.on_request:
            return ON_REQUEST_BLOCKS
        return self.blocks if part == DIFFUSION_MODEL else CLIP_BLOCKS


FAMILIES: dict[str, Family] = {
    family.name: family
    for family in (
        Family(name="sd15", title="Stable Diffusion 1.x", file_keys="diffusers", base_model_version="sd_v1",
               architecture="stable-diffusion-v1/lora", implementation="diffusers", blocks=_UNET_BLOCKS,
               text_encoder_prefixes=(("clip_l", "lora_te"),), resolution=512, latent_channels=4),
        Family(name="sd2", title="Stable Diffusion 2.x", file_keys="diffusers", base_model_version="sd_v2",
               architecture="stable-diffusion-v2-512/lora", implementation="diffusers", blocks=_UNET_BLOCKS,
               text_encoder_prefixes=(("clip_h", "lora_te"),), resolution=768, latent_channels=4),
        Family(name="sdxl", title="Stable Diffusion XL", file_keys="native", base_model_version="sdxl_base_v1-0",
               architecture="stable-diffusion-xl-v1-base/lora",
               implementation="https://github.com/Stability-AI/generative-models", blocks=_SDXL_BLOCKS,
               text_encoder_prefixes=(("clip_l", "lora_te1"), ("clip_g", "lora_te2")), resolution=1024,
               size_conditioned=True, latent_channels=4),
        Family(name="flux", title="FLUX.1", file_keys="native", base_model_version="flux1",
               architecture="flux-1-dev/lora", implementation="https://github.com/black-forest-labs/flux",
               blocks=_FLUX_BLOCKS,
               text_encoder_prefixes=(("clip_l", "lora_te1"), ("t5xxl", "lora_te3")), on_request=("t5xxl",), resolution=1024,
               guidance_default=1.0, latent_channels=16),
        Family(name="other", title="Other", file_keys="dotted", base_model_version="", architecture=""),
    )
}
