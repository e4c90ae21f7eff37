"""The canvas: one node a file. This list is what ComfyUI registers, in the order of the way through a graph."""

from .auto_caption import AutoCaption
from .block_weights import BlockWeights
from .bucket_config import BucketConfig
from .caption_config import CaptionConfig
from .caption_preview import CaptionPreview
from .dataset_doctor import DatasetDoctor
from .dylora_options import DyLoRAOptions
from .ia3_options import IA3Options
from .images_to_dataset import ImagesToDataset
from .import_core_dataset import ImportCoreDataset
from .load_dataset import LoadDataset
from .lokr_options import LoKrOptions
from .lora_network import LoRANetwork
from .lora_test import LoRATest
from .merge_datasets import MergeDatasets
from .oft_options import OFTOptions
from .optimizer import Optimizer
from .sample_preview import SamplePreview
from .save_lora import SaveLoRA
from .start_from_lora import StartFromLoRA
from .train_lora import TrainLoRA
from .training_objective import TrainingObjective

NODES = [
    LoadDataset, ImagesToDataset, ImportCoreDataset, MergeDatasets, AutoCaption, CaptionConfig, CaptionPreview,
    BucketConfig, DatasetDoctor,
    LoRANetwork, LoKrOptions, OFTOptions, DyLoRAOptions, IA3Options, BlockWeights, StartFromLoRA,
    Optimizer, TrainingObjective, SamplePreview, TrainLoRA, SaveLoRA, LoRATest,
]
