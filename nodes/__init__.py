"""The canvas: one node a file. This list is what ComfyUI registers, in the order of the way through a graph."""

from .bucket_config import BucketConfig
from .load_dataset import LoadDataset
from .lora_network import LoRANetwork
from .sample_preview import SamplePreview
from .save_lora import SaveLoRA

NODES = [LoadDataset, BucketConfig, LoRANetwork, SamplePreview, SaveLoRA]
