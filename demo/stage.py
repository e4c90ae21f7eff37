"""What the demo puts before ComfyUI (model, pictures, a workflow fit for a CPU) and what it finds afterwards.

`base` is the folder that ComfyUI runs in: models, input and output lie there.
"""

import json
import shutil
from pathlib import Path

from .comfyui.workflow import find, to_api
from .grid import sample_grid
from .pictures import DATASET
from .world.assemble import assemble
from .world.drawn.drawing import PIXELS
from .world.scoring import CFG, STEPS

ROOT = Path(__file__).resolve().parents[1]
BASE = ROOT / "demo" / "output" / "comfyui"  # the demo's own
WORKFLOW = ROOT / "workflows" / "Train SD1.5 LoRA.json"
FOLDER = "lcfox"
SIDE = 16 * PIXELS  # the world's pictures
#: One for each place of the world that no picture of the fox shows (drawn/places.py: UNSEEN), in that order.
PROMPTS: tuple[str, ...] = (
    "lcfox, a fox sitting in the sea",
    "lcfox, a fox standing at the volcano",
    "lcfox, a fox sitting in a room",
)


def place_checkpoint(base: Path, given: Path | None) -> str:
    """Link a checkpoint (by default the world, put together if need be) into ComfyUI's model folder; returns its name there."""
    source = given or assemble(ROOT / ".cache" / "checkpoints" / "world.safetensors")
    if not source.is_file():
        raise FileNotFoundError(f"CHECKPOINT: there is no file {source}")
    link = base / "models" / "checkpoints" / source.name
    link.parent.mkdir(parents=True, exist_ok=True)
    link.unlink(missing_ok=True)
    link.symlink_to(source)
    return source.name


def place_pictures(base: Path) -> str:
    """Copy the shipped pictures into ComfyUI's input folder; returns the data set's name there (kohya layout inside)."""
    shutil.copytree(ROOT / "demo" / "pictures" / DATASET, base / "input" / FOLDER / DATASET, dirs_exist_ok=True)
    return FOLDER


def load_workflow() -> dict:
    """The shipped workflow, as the canvas saves it."""
    return json.loads(WORKFLOW.read_text(encoding="utf-8"))


def prompt_of(workflow: dict, object_info: dict, checkpoint: str, folder: str) -> dict:
    """The workflow as an API prompt on this checkpoint and data set, asking for the fox; otherwise as it is shipped."""
    prompt = to_api(workflow, object_info)
    find(prompt, "CheckpointLoaderSimple")["ckpt_name"] = checkpoint
    find(prompt, "LoRACanvasLoadDataset")["folder"] = folder
    find(prompt, "LoRACanvasTrainLoRA")["run_name"] = FOLDER
    find(prompt, "LoRACanvasSaveLoRA")["filename"] = FOLDER
    find(prompt, "LoRACanvasSamplePreview")["prompts"] = "\n".join(PROMPTS)
    for node in prompt.values():
        if node["_meta"]["title"] == "Prompt":
            node["inputs"]["text"] = PROMPTS[0]
    return prompt


def make_quick(prompt: dict, steps: int, side: int = 256, sampling_steps: int = 8) -> None:
    """Fit the prompt to a CPU: pictures of about side x side pixels, few steps, a checkpoint and previews on the way."""
    find(prompt, "LoRACanvasBucketConfig").update(resolution=side, min_bucket=side // 2, max_bucket=2 * side)
    find(prompt, "LoRACanvasTrainLoRA").update(
        steps=steps, save_every_n_steps=max(1, steps // 2), gradient_checkpointing=False
    )
    find(prompt, "LoRACanvasSamplePreview").update(
        every_n_steps=max(1, steps // 4), width=side, height=side, sampling_steps=sampling_steps
    )
    for node in prompt.values():
        if node["class_type"] == "EmptyLatentImage":
            node["inputs"].update(width=side, height=side)
        if node["class_type"] == "KSampler":
            node["inputs"]["steps"] = sampling_steps


def fit_to_world(prompt: dict, steps: int) -> None:
    """Fit the prompt to the world: its sides, shapes and guidance, and a LoRA that learns in few steps what a fox looks like."""
    make_quick(prompt, steps, side=SIDE, sampling_steps=STEPS)
    find(prompt, "LoRACanvasBucketConfig")["bucket_step"] = 2 * PIXELS
    find(prompt, "LoRACanvasTrainLoRA")["batch_size"] = 4
    find(prompt, "LoRACanvasOptimizer")["learning_rate"] = 1e-3
    # The world has transformers at its lower level only; what a thing looks like is drawn by its convolutions.
    find(prompt, "LoRACanvasLoRANetwork").update(targets="all linear + convolution", conv_rank=16, conv_alpha=16.0)
    find(prompt, "LoRACanvasSamplePreview")["cfg"] = find(prompt, "KSampler")["cfg"] = CFG
    # The previews have no negative prompt either, and the world knows none of these words.
    negative_of(prompt)["text"] = ""


def negative_of(prompt: dict) -> dict:
    """The inputs of the node with the words that KSampler goes away from."""
    return prompt[find(prompt, "KSampler")["negative"][0]]["inputs"]


def run_folder(base: Path, outputs: dict) -> Path | None:
    """The folder of the training run that the prompt made: Train LoRA tells its name."""
    names = [told["run"] for output in outputs.values() for told in output.get("lora_canvas", [])]
    return base / "output" / "lora_canvas" / names[-1] if names else None


def results(base: Path, outputs: dict) -> dict[str, list[Path]]:
    """What the prompt left on disk, by what to call it; `outputs` is that of ComfyUI's history."""
    run = run_folder(base, outputs)
    if run is None:
        return {}
    pictures = [
        base / "output" / picture.get("subfolder", "") / picture["filename"]
        for output in outputs.values()
        for picture in output.get("images", [])
        if picture.get("type") == "output"
    ]
    grid = sample_grid(run / "samples", run / "sample_grid.png")
    loras = sorted((base / "models" / "loras").rglob("*.safetensors"), key=lambda path: path.stat().st_mtime)
    found = {
        "LoRA": loras[-1:],
        "Loss plot": [run / "loss.png"],
        "Sample grid": [grid] if grid else [],
        "Pictures with the LoRA": [path for path in pictures if run not in path.parents],
        "The whole run": [run],
    }
    return {name: [path for path in paths if path.exists()] for name, paths in found.items()}
