"""The words of SD's UNets, which several families share."""

from __future__ import annotations

from ..parts import Blocks, Section
from .base import numbered

#: kohya's 25: 12 down, 1 mid, 12 up. Position 0 is conv_in; SDXL has no modules at 9 to 11 and 22 to 24.
UNET_25 = (*numbered("down", 12), "mid", *numbered("up", 12))

#: kohya counts 192 trunk modules in SD1.5 and 278 with conv_dim; conv_in, conv_out and the time embedding never count.
UNET_BLOCKS = Blocks(
    trunk=r"\.transformer_blocks\.\d+\.|\.proj_(in|out)$",
    attention=r"\.attn[12]\.",
    convolution=r"^(input_blocks\.(?!0\.)|middle_block\.|output_blocks\.)",
    sections=(
        Section("down", r"^input_blocks\.(\d+)\."), Section("mid", r"^middle_block\.(\d+)\."), Section("up", r"^output_blocks\.(\d+)\."),
    ),
    lists=(UNET_25,),
)
