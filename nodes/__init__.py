"""The canvas: one node a file. This list is what ComfyUI registers, in the order of the way through a graph."""

from .lora_network import LoRANetwork
from .sample_preview import SamplePreview
from .save_lora import SaveLoRA

NODES = [LoRANetwork, SamplePreview, SaveLoRA]
