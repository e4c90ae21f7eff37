"""ComfyUI's locale files for nodes, made from their schemas: locales/<language>/nodeDefs.json."""

import json
import re
from pathlib import Path
from typing import Any

LOCALES = Path(__file__).resolve().parents[2] / "locales"


def escaped(text: str) -> str:
    """Text for vue-i18n, to which { } @ $ | mean something."""
    return re.sub(r"([{}@$|])", r"{'\1'}", text)


def _texts(**texts: str | None) -> dict[str, str]:
    return {name: escaped(text) for name, text in texts.items() if text}


#: Labels that are more than their ids with blanks.
PLAIN = {
    "cfg": "CFG", "vae": "VAE", "clip": "CLIP", "lora": "LoRA", "dtype": "Number format", "lr_weights": "Learning rate by block",
    "ranks": "Rank by block", "alphas": "Alpha by block", "text_encoder_lr": "Text encoder learning rate",
    "min_lr_ratio": "Final rate (share)", "ema_decay": "EMA decay", "max_grad_norm": "Gradient limit", "loraplus_ratio": "LoRA+ ratio",
    "warmup_steps": "Warm-up steps",
    "loraplus_ratio_unet": "LoRA+ ratio, diffusion model", "loraplus_ratio_text_encoder": "LoRA+ ratio, text encoder",
    "warmup_percent": "Warm-up percent", "conv_rank": "Rank of convolutions", "conv_alpha": "Alpha of convolutions",
    "init": "Starting values", "lora_name": "LoRA file", "lora_strength": "LoRA strength", "assistant_name": "Assistant file",
    "huber_c": "Huber threshold",
    "min_snr_gamma": "Min-SNR gamma", "p2_gamma": "P2 gamma", "v_pred_like_strength": "v-prediction-like strength",
    "clip_fps": "Clip frames a second",
    "zero_terminal_snr": "Zero terminal SNR", "tensorboard": "TensorBoard", "wandb": "W&B",
    "prior_weight": "Regularisation weight", "steps": "Steps",
    "prior_loss_weight": "Regularisation weight", "normalise_mask": "Even out mask sizes", "most_checkpoints": "Checkpoints at most",
    "hub_model": "Model on the hub", "no_upscale": "Never enlarge", "draws": "Examples", "keep_last": "Checkpoints to keep",
}


def label(name: str) -> str:
    """In plain English; the id stays what files, scripts and help texts call it."""
    return PLAIN.get(name) or name.replace("_every_n_", " every n ").replace("_", " ").capitalize()


def english(schema: Any) -> dict[str, Any]:
    """One node's entry: help as the schema has it, ids as labels to read."""
    return {
        **_texts(display_name=schema.display_name, description=schema.description),
        "inputs": {one.id: _texts(name=label(one.id), tooltip=one.tooltip) for one in schema.inputs},
        "outputs": {str(slot): _texts(name=label(one.display_name), tooltip=one.tooltip) for slot, one in enumerate(schema.outputs)},
    }


def path_of(language: str, name: str = "nodeDefs") -> Path:
    return LOCALES / language / f"{name}.json"


def read(language: str, name: str = "nodeDefs") -> dict[str, Any]:
    return json.loads(path_of(language, name).read_text(encoding="utf-8"))


def write(language: str, content: dict[str, Any]) -> None:
    path = path_of(language)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")


def leaves(content: dict[str, Any], prefix: str = "") -> dict[str, str]:
    """Every text by its path: 'LoRACanvasTrainLoRA.inputs.steps.tooltip'."""
    found = {}
    for key, value in content.items():
        found.update(leaves(value, f"{prefix}{key}.") if isinstance(value, dict) else {prefix + key: value})
    return found
