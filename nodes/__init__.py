"""The canvas: one node a file. This list is what ComfyUI registers, in the order of the way through a graph."""

from .bucket_config import BucketConfig
from .caption_config import CaptionConfig
from .caption_preview import CaptionPreview
from .dataset_doctor import DatasetDoctor
from .images_to_dataset import ImagesToDataset
from .import_core_dataset import ImportCoreDataset
from .load_dataset import LoadDataset
from .lora_network import LoRANetwork
from .merge_datasets import MergeDatasets
from .sample_preview import SamplePreview
from .save_lora import SaveLoRA

NODES = [
    LoadDataset, ImagesToDataset, ImportCoreDataset, MergeDatasets, CaptionConfig, CaptionPreview, BucketConfig, DatasetDoctor,
    LoRANetwork, SamplePreview, SaveLoRA,
]
