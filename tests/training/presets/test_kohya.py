"""Files of kohya's trainer: what each key becomes, and that every key is accounted for."""

import pytest

from pack.training.presets.kohya import ELSEWHERE, read_kohya
from pack.training.presets.record import PERSONAL

GUI = {
    "LoRA_type": "Standard", "conv_dim": 8, "conv_alpha": 4, "network_dim": "32", "network_alpha": 16, "network_dropout": 0.1,
    "learning_rate": 1e-4, "unet_lr": 0, "text_encoder_lr": 0, "optimizer": "AdamW8bit",
    "optimizer_args": "weight_decay=0.05 betas=0.9,0.99",
    "lr_scheduler": "cosine_with_restarts", "lr_scheduler_num_cycles": "3", "lr_scheduler_power": 1, "lr_warmup": 10, "train_batch_size": 2,
    "gradient_accumulation_steps": "4", "epoch": 10, "max_train_steps": "", "max_train_epochs": "", "seed": "1234",
    "mixed_precision": "bf16",
    "max_resolution": "768,512", "enable_bucket": True, "min_bucket_reso": 256, "max_bucket_reso": 2048, "bucket_reso_steps": 32,
    "shuffle_caption": True, "keep_tokens": "2", "caption_dropout_rate": 0.05, "caption_extension": ".caption", "loss_type": "huber",
    "huber_c": 0.2, "huber_schedule": "snr", "min_snr_gamma": 5, "noise_offset_type": "Multires", "noise_offset": 0.05,
    "multires_noise_iterations": 6, "multires_noise_discount": 0.3, "stop_text_encoder_training": 0, "save_precision": "float",
    "sample_sampler": "euler_a", "sample_every_n_steps": 100, "training_comment": "hello",
    "pretrained_model_name_or_path": "/x/sdxl.safetensors",
    "clip_skip": 2, "color_aug": True, "xformers": "xformers", "flip_aug": False, "invented": 1, "also_off": "",
}


def read(**keys):
    preset = read_kohya(keys, "file", "kohya")
    return preset, {f"{one.node.removeprefix('LoRACanvas')}.{one.widget}": one.value for one in preset.settings}


def test_a_file_of_the_gui():
    preset, values = read(**GUI)
    assert values == {
        "LoRANetwork.algorithm": "lora", "LoRANetwork.rank": 32, "LoRANetwork.alpha": 16.0, "LoRANetwork.dropout": 0.1,
        "LoRANetwork.conv_rank": 0, "Optimizer.optimizer": "AdamW8bit", "Optimizer.weight_decay": 0.05,
        "Optimizer.extra_arguments": "betas=0.9,0.99", "Optimizer.learning_rate": 1e-4, "Optimizer.text_encoder_lr": 1e-4,
        "Optimizer.scheduler": "cosine_with_restarts", "Optimizer.warmup_steps": 0, "Optimizer.warmup_percent": 10.0,
        "Optimizer.scheduler_cycles": 3, "TrainLoRA.epochs": 10, "TrainLoRA.gradient_accumulation": 4, "TrainLoRA.batch_size": 2,
        "TrainLoRA.seed": 1234, "TrainLoRA.precision": "bf16", "SaveLoRA.dtype": "fp32", "TrainLoRA.training_comment": "hello",
        "TrainingObjective.loss": "huber", "TrainingObjective.huber_c": 0.2, "TrainingObjective.huber_schedule": "snr",
        "TrainingObjective.weighting": "min_snr", "TrainingObjective.min_snr_gamma": 5.0, "TrainingObjective.multires_iterations": 6,
        "TrainingObjective.multires_discount": 0.3, "SamplePreview.every_n_steps": 100, "SamplePreview.sampler_name": "euler_ancestral",
        "BucketConfig.resolution": 624, "BucketConfig.min_bucket": 256, "BucketConfig.max_bucket": 2048, "BucketConfig.bucket_step": 32,
        "BucketConfig.flip": False, "BucketConfig.colour": 0.1, "CaptionConfig.shuffle": True,
        "CaptionConfig.keep_tokens": 2, "CaptionConfig.caption_dropout": 0.05,
        "LoadDataset.caption_extension": ".caption",
    }  # 624: sqrt(768 x 512) = 627, to multiples of 8
    unread = {one.key: one.why for one in preset.unread}
    assert set(unread) == {"conv_dim", "conv_alpha", "noise_offset", "pretrained_model_name_or_path", "clip_skip", "xformers",
                           "invented"}
    assert unread["invented"] == "not known here" and "Multires" in unread["noise_offset"]


FLUX = {"LoRA_type": "Flux1", "network_dim": 8, "guidance_scale": 1, "min_snr_gamma": 10, "discrete_flow_shift": 1}


@pytest.mark.parametrize("keys", [GUI, FLUX])
def test_no_key_is_lost(keys):
    """Each sets something, is told, is off, or says what another one means."""
    preset, _ = read(**keys)
    said = " ".join(one.why["en"] for one in preset.settings)
    meaning = {"noise_offset_type", "enable_bucket", "stop_text_encoder_training", "lr_scheduler_power", "max_train_steps",
               "max_train_epochs", "LoRA_type", "discrete_flow_shift"}
    told = {one.key for one in preset.unread} | set(preset.off) | meaning
    assert [key for key in keys if key not in told and f"{key} = " not in said] == []


def test_what_the_file_leaves_out_is_kohyas_default_and_not_ours():
    _, values = read(network_dim=16, learning_rate=1e-4)
    assert values["LoRANetwork.alpha"] == 1.0 and values["Optimizer.scheduler"] == "constant"
    assert values["TrainingObjective.weighting"] == "none"
    assert values["Optimizer.warmup_percent"] == 0.0 and values["TrainLoRA.steps"] == 1600


def test_sections_network_arguments_and_several_folders():
    arguments = ["algo=lokr", "factor=8", "conv_dim=4", "preset=attn-mlp"]
    folders = [{"image_dir": "/a", "num_repeats": 5}, {"image_dir": "/b", "num_repeats": 2}]
    preset, values = read(network={"network_module": "lycoris.kohya", "network_dim": 16, "network_args": arguments},
                          datasets=[{"resolution": 512, "batch_size": 3, "subsets": folders}])
    assert values["LoRANetwork.algorithm"] == "lokr" and values["LoKrOptions.factor"] == 8 and values["LoRANetwork.conv_rank"] == 4
    assert values["LoRANetwork.targets"] == "attention + feed-forward" and values["TrainLoRA.batch_size"] == 3
    assert values["BucketConfig.resolution"] == 512 and values["LoadDataset.repeats"] == 5
    assert {"num_repeats (2)", "image_dir", "image_dir (2)"} <= {one.key for one in preset.unread}


def test_a_data_set_alone_says_nothing_of_the_training():
    _, values = read(general={"shuffle_caption": True}, datasets=[{"resolution": [640, 640], "enable_bucket": False}])
    assert values == {"CaptionConfig.shuffle": True, "BucketConfig.resolution": 640, "BucketConfig.min_bucket": 640,
                      "BucketConfig.max_bucket": 640}


@pytest.mark.parametrize(("keys", "widget", "value"), [
    ({"optimizer_type": "prodigyopt.Prodigy", "optimizer_args": ["decouple=True", "d_coef=2"]}, "Optimizer.extra_arguments",
     "weight_decouple=True d_coef=2"),
    ({"optimizer_type": "AdaFactor", "lr_scheduler": "adafactor:1e-4"}, "Optimizer.scheduler", "constant"),
    ({"learning_rate": 1e-4, "lr_warmup_steps": 0.05}, "Optimizer.warmup_percent", 5.0),
    ({"learning_rate": 1e-4, "lr_warmup_steps": 100}, "Optimizer.warmup_steps", 100),
    ({"learning_rate": 1e-4, "network_train_unet_only": True}, "Optimizer.text_encoder_lr", 0.0),
    ({"learning_rate": 1e-4, "text_encoder_lr": [1e-5, 2e-5]}, "Optimizer.text_encoder_lr", 1e-5),
    ({"learning_rate": 1e-4, "text_encoder_lr": [1e-5, 2e-5]}, "Optimizer.text_encoder_rates", "clip_l: 1e-05, clip_g: 2e-05"),
    ({"network_module": "networks.lora_flux", "text_encoder_lr": [1e-5, 0]}, "Optimizer.text_encoder_rates", "clip_l: 1e-05, t5xxl: 0"),
    ({"learning_rate": 1e-4, "lr_scheduler": "polynomial", "lr_scheduler_num_cycles": 3}, "Optimizer.scheduler_cycles", 3),
    ({"learning_rate": 1e-4, "lr_scheduler": "inverse_sqrt", "lr_scheduler_timescale": 50}, "Optimizer.scheduler_timescale", 50),
    ({"learning_rate": 1e-4, "lr_scheduler": "warmup_stable_decay", "lr_decay_steps": 0.1}, "Optimizer.scheduler_decay_percent", 10.0),
    ({"learning_rate": 1e-4, "log_with": "wandb"}, "TrainLoRA.wandb", "online"),
    ({"learning_rate": 1e-4}, "Optimizer.text_encoder_lr", 1e-4),
    ({"LoRA_type": "LyCORIS/LoHa"}, "LoRANetwork.algorithm", "loha"),
    ({"LoRA_type": "Kohya LoCon", "conv_dim": 8}, "LoRANetwork.conv_rank", 8),
    ({"LoRA_type": "LyCORIS/LoCon", "dora_wd": True}, "LoRANetwork.algorithm", "dora"),
    ({"network_module": "networks.lora_flux", "timestep_sampling": "shift", "discrete_flow_shift": 3.1}, "TrainingObjective.shift", 3.1),
    ({"network_module": "networks.lora_flux", "weighting_scheme": "logit_normal", "logit_mean": 0.5}, "TrainingObjective.logit_mean", -0.5),
    ({"learning_rate": 1, "max_train_steps": 900, "epoch": 7}, "TrainLoRA.steps", 900),
    ({"learning_rate": 1, "max_train_steps": 900, "max_train_epochs": 7}, "TrainLoRA.epochs", 7),
    ({"learning_rate": 1, "debiased_estimation_loss": True}, "TrainingObjective.weighting", "debiased"),
])
def test_one_key(keys, widget, value):
    assert read(**keys)[1][widget] == value


@pytest.mark.parametrize(("keys", "key", "said"), [
    ({"optimizer": "Sophia9"}, "optimizer", "no optimizer here"), ({"lr_scheduler": "rex", "network_dim": 4}, "lr_scheduler", "cosine"),
    ({"LoRA_type": "LyCORIS/Native Fine-Tuning"}, "LoRA_type", "no kind of network"), ({"network_dim": "many"}, "network_dim", "no number"),
    ({"optimizer": "AdamW", "optimizer_args": "nonsense=3"}, "optimizer_args", "nonsense"),
    ({"network_module": "networks.lora_flux", "noise_offset": 0.1}, "noise_offset", "flow"),
    ({"learning_rate": 1e-4, "min_snr_gamma": 5, "debiased_estimation_loss": True}, "debiased_estimation_loss", "one weighting"),
])
def test_what_is_not_understood_is_told(keys, key, said):
    assert said in {one.key: one.why for one in read(**keys)[0].unread}[key]


def test_the_keys_that_lead_elsewhere_stand_once():
    assert len(ELSEWHERE) > 80 and not PERSONAL & set(ELSEWHERE.values())
