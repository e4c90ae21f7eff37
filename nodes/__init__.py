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
from .optimizer import Optimizer
from .sample_preview import SamplePreview
from .save_lora import SaveLoRA
from .train_lora import TrainLoRA
from .training_objective import TrainingObjective

NODES = [
    LoadDataset, ImagesToDataset, ImportCoreDataset, MergeDatasets, CaptionConfig, CaptionPreview, BucketConfig, DatasetDoctor,
    LoRANetwork, Optimizer, TrainingObjective, SamplePreview, TrainLoRA, SaveLoRA,
]
