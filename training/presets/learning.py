"""What kohya's settings of the optimizer and of the run are here."""

from __future__ import annotations

from typing import Any

from ..errors import SettingsError
from ..optim.arguments import parse_arguments
from ..optim.kinds import optimizers
from ..optim.menu import SCHEDULERS
from ..optim.spec import OptimizerSpec
from .config import Config
from .record import OPTIMIZER, SAVE, TRAIN

_OPTIMIZERS = {"sgdnesterov8bit": "SGDNesterov", "dadaptation": "DAdaptAdam", "dadaptadampreprint": "DAdaptAdam",
               "adamwschedulefree": "ScheduleFreeAdamW"}
#: prodigyopt's and dadaptation's names of arguments -> pytorch-optimizer's.
_ARGUMENTS = {"decouple": "weight_decouple", "use_bias_correction": "bias_correction"}
_PRECISIONS = {"no": "fp32", "fp16": "fp16", "bf16": "bf16"}
_STORED = {"float": "fp32", "fp32": "fp32", "fp16": "fp16", "bf16": "bf16"}


def read_learning(config: Config) -> None:
    _optimizer(config)
    _rates(config)
    _schedule(config)
    config.same(OPTIMIZER, {"max_grad_norm": ("max_grad_norm", float), "lr_scheduler_min_lr_ratio": ("min_lr_ratio", float)})
    for key, widget, off in (("loraplus_lr_ratio", "loraplus_ratio", 1.0), ("loraplus_unet_lr_ratio", "loraplus_ratio_unet", 0.0),
                             ("loraplus_text_encoder_lr_ratio", "loraplus_ratio_text_encoder", 0.0)):
        if key in config:
            config.put(OPTIMIZER, widget, config.number(key) or off, key)
    key = next((key for key in ("stop_text_encoder_training", "stop_text_encoder_training_pct") if config.is_on(key)), None)
    if key:
        config.put(OPTIMIZER, "stop_text_encoder_at", config.number(key), key)


def _optimizer(config: Config) -> None:
    key = "optimizer" if "optimizer" in config else "optimizer_type"
    said = config.text(key) or ("AdamW8bit" if config.flag("use_8bit_adam") else "AdamW")
    short = said.rpartition(".")[2].lower()
    names = {name.lower(): name for name in optimizers.names()}
    found = _OPTIMIZERS.get(short) or names.get(short)
    if found is None:
        config.refuse(key, "no optimizer here is called so; choose one on Optimizer")
    else:
        config.put(OPTIMIZER, "optimizer", found, key)
    _arguments(config, found)


def _arguments(config: Config, optimizer: str | None) -> None:
    """Weight decay is a widget of its own; of the others those that the optimizer here has, by its names."""
    raw = config.keys.get("optimizer_args")
    text = (" ".join(map(str, raw)) if isinstance(raw, list) else config.text("optimizer_args")).replace('"', "")
    arguments, problems = parse_arguments(text)
    decay = arguments.pop("weight_decay", None)
    if isinstance(decay, (int, float)) and not isinstance(decay, bool):
        config.put(OPTIMIZER, "weight_decay", float(decay), "optimizer_args")
    said = {_ARGUMENTS.get(name, name): value for name, value in arguments.items()}
    kept = {name: value for name, value in said.items() if _has(optimizer or "AdamW", name, value)}
    problems += [f"{name} is no argument of it here" for name in said if name not in kept]
    if arguments:
        config.put(OPTIMIZER, "extra_arguments", " ".join(f"{name}={_written(value)}" for name, value in kept.items()), "optimizer_args")
    if problems:
        config.refuse("optimizer_args", "; ".join(problems[:5]))


def _has(optimizer: str, name: str, value: Any) -> bool:
    try:
        OptimizerSpec(optimizer=optimizer, extra_arguments={name: value})
    except SettingsError:
        return False
    return True


def _written(value: Any) -> str:
    return ",".join(map(str, value)) if isinstance(value, (list, tuple)) else str(value)


def _rates(config: Config) -> None:
    """A part's own rate goes before the one for all. The GUI's 0 for one part leaves that part alone; both at 0 mean the main one."""
    main, unet = config.number("learning_rate"), config.number("unet_lr")
    raw = config.keys.get("text_encoder_lr")
    if isinstance(raw, list):
        rates = [rate for rate in raw if isinstance(rate, (int, float))]
        text = float(rates[0]) if rates else None
        if len(set(rates)) > 1:
            named = zip(_text_encoders(config), rates, strict=False)
            config.put(OPTIMIZER, "text_encoder_rates", ", ".join(f"{name}: {rate:g}" for name, rate in named), "text_encoder_lr")
    else:
        text = config.number("text_encoder_lr")
    is_gui = "LoRA_type" in config
    if is_gui and not unet and not text:
        unet = text = main
    unet, text = (main if unet is None else unet), (main if text is None else text)
    if config.flag("network_train_unet_only"):
        text = 0.0
    if config.flag("network_train_text_encoder_only"):
        unet = 0.0
    config.put(OPTIMIZER, "learning_rate", unet, "unet_lr", "learning_rate")
    config.put(OPTIMIZER, "text_encoder_lr", text, "text_encoder_lr", *(["network_train_unet_only"] if text == 0.0 else []))


def _text_encoders(config: Config) -> tuple[str, ...]:
    """In the order of kohya's lists, by the names that they have here."""
    kind = (config.text("network_module") + config.text("LoRA_type")).lower()
    return ("clip_l", "t5xxl") if "flux" in kind or config.flag("flux1_checkbox") else ("clip_l", "clip_g", "t5xxl")


def _schedule(config: Config) -> None:
    name = config.text("lr_scheduler") or "constant"
    is_adafactors = name.startswith("adafactor")
    if config.is_on("lr_scheduler_type"):
        config.refuse("lr_scheduler_type", "schedulers by a class's name are not loaded; choose one on Optimizer")
    if name not in SCHEDULERS.names() and not is_adafactors:
        config.refuse("lr_scheduler", f"no schedule here is called so; there are {', '.join(SCHEDULERS.names())}")
    else:
        config.put(OPTIMIZER, "scheduler", "constant" if is_adafactors else name, "lr_scheduler")
    _warm_up(config)
    for key, widget, of, number in (("lr_scheduler_num_cycles", "scheduler_cycles", ("cosine_with_restarts", "polynomial"), config.whole),
                                    ("lr_scheduler_power", "scheduler_power", ("polynomial",), config.number),
                                    ("lr_scheduler_timescale", "scheduler_timescale", ("inverse_sqrt",), config.whole)):
        value = number(key)
        if name in of and value:
            config.put(OPTIMIZER, widget, value, key)
        elif value and value != 1:
            config.refuse(key, f"only {' and '.join(of)} reads it")
    _decay(config, name)


def _decay(config: Config, name: str) -> None:
    """sd-scripts' lr_decay_steps: a share of the run below 1, else steps, which are no share before the run's length is known."""
    decay = config.number("lr_decay_steps") or 0.0
    if decay and name != "warmup_stable_decay":
        config.refuse("lr_decay_steps", "only warmup_stable_decay reads it")
    elif 0 < decay < 1:
        config.put(OPTIMIZER, "scheduler_decay_percent", 100 * decay, "lr_decay_steps")
    elif decay:
        config.refuse("lr_decay_steps", "set scheduler_decay_percent on Optimizer: the decay's share of the run")


def _warm_up(config: Config) -> None:
    """The GUI's lr_warmup is in percent; sd-scripts' lr_warmup_steps below 1 is a share of the run."""
    steps, percent = config.number("lr_warmup_steps") or 0.0, config.number("lr_warmup") or 0.0
    key = "lr_warmup_steps" if steps else "lr_warmup"
    if 0 < steps < 1:
        steps, percent = 0.0, 100 * steps
    config.put(OPTIMIZER, "warmup_steps", round(steps), key)
    config.put(OPTIMIZER, "warmup_percent", 0.0 if steps else percent, key)


def read_run(config: Config) -> None:
    _length(config)
    config.same(TRAIN, {"gradient_accumulation_steps": ("gradient_accumulation", int), "cache_latents_to_disk": ("cache_to_disk", bool)})
    batch = "train_batch_size" if "train_batch_size" in config else "batch_size"
    config.put(TRAIN, "batch_size", config.whole(batch) or 1, batch)
    for key, widget in (("seed", "seed"), ("save_every_n_steps", "save_every_n_steps"), ("save_every_n_epochs", "save_every_n_epochs")):
        value = config.whole(key)
        if value is not None:
            config.put(TRAIN, widget, value, key)
    precision = config.text("mixed_precision").lower()
    if precision in _PRECISIONS:
        config.put(TRAIN, "precision", _PRECISIONS[precision], "mixed_precision")
    elif precision:
        config.refuse("mixed_precision", "precision on Train LoRA is auto, fp32, bf16 or fp16")
    if config.is_on("log_with"):
        said = config.text("log_with")
        for name, widget, value in (("tensorboard", "tensorboard", True), ("wandb", "wandb", "online")):
            if name in said or said == "all":
                config.put(TRAIN, widget, value, "log_with")
        if not any(name in said for name in ("tensorboard", "wandb", "all")):
            config.refuse("log_with", "there are TensorBoard and W&B beside the panel's own curves")
    config.same(TRAIN, {"training_comment": ("training_comment", str)} if config.is_on("training_comment") else {})
    stored = _STORED.get(config.text("save_precision").lower())
    config.put(SAVE, "dtype", stored, "save_precision")
    config.same(SAVE, {key: (widget, str) for key, widget in (
        ("metadata_author", "author"), ("metadata_description", "description"),
        ("metadata_license", "license"), ("metadata_tags", "tags")) if config.is_on(key)})


def _length(config: Config) -> None:
    """max_train_epochs goes before max_train_steps; the GUI's epoch counts where neither is given. sd-scripts' default is 1600 steps."""
    steps = config.whole("max_train_steps")
    key = next((key for key in ("max_train_epochs", "epoch") if config.is_on(key)), None)
    epochs = config.whole(key) if key and not (key == "epoch" and steps) else None
    if key and epochs:
        config.put(TRAIN, "epochs", epochs, key)
        for other in ("max_train_steps", "epoch"):
            if other != key and config.is_on(other) and config.number(other) != epochs:
                config.refuse(other, f"{key} goes before it")
    else:
        config.put(TRAIN, "steps", steps or 1600, "max_train_steps")
        config.put(TRAIN, "epochs", 0, "max_train_steps", "max_train_epochs")
        if config.is_on("epoch"):
            config.refuse("epoch", "max_train_steps goes before it")
