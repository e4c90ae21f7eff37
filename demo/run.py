"""`make demo`: train a LoRA with the shipped workflow in a real ComfyUI, and say where everything lies.

Environment: COMFYUI_PATH (default .comfyui), CHECKPOINT (a real SD1.5 .safetensors; default: a tiny random one),
STEPS (training steps). Everything is written below demo/output.
"""

import json
import os
import shutil
import sys
import time
from pathlib import Path

from . import checkpoints
from .client import ComfyClient, PromptRefused
from .grid import sample_grid
from .pictures import DATASET
from .progress import Display
from .server import ComfyServer, ServerFailed
from .workflow import WorkflowError, find, to_api

ROOT = Path(__file__).resolve().parents[1]
WORKFLOW = ROOT / "workflows" / "Train SD1.5 LoRA.json"
OUTPUT = ROOT / "demo" / "output"
BASE = OUTPUT / "comfyui"
# ComfyUI may be silent this long (s): loading a real checkpoint, encoding on a slow disk.
PATIENCE = 1800.0
SIDE = 256  # pixels; on a CPU everything is kept this small


def place_checkpoint(given: str) -> str:
    """Link the checkpoint into ComfyUI's model folder and return its name there."""
    source = Path(given).expanduser().resolve() if given else checkpoints.make("sd15", ROOT / ".cache" / "checkpoints")
    if not source.is_file():
        sys.exit(f"CHECKPOINT: there is no file {source}")
    link = BASE / "models" / "checkpoints" / source.name
    link.parent.mkdir(parents=True, exist_ok=True)
    link.unlink(missing_ok=True)
    link.symlink_to(source)
    return source.name


def place_pictures() -> Path:
    """Copy the shipped pictures into ComfyUI's input folder; returns the data set's folder (kohya layout inside)."""
    folder = BASE / "input" / "lcfox"
    shutil.copytree(ROOT / "demo" / "pictures" / DATASET, folder / DATASET, dirs_exist_ok=True)
    return folder


def make_quick(prompt: dict, tiny: bool, steps: int) -> None:
    """Fit the workflow to a CPU: small pictures, few steps. A random base also needs a higher learning rate."""
    train, preview = find(prompt, "LoRACanvasTrainLoRA"), find(prompt, "LoRACanvasSamplePreview")
    train["steps"] = steps
    find(prompt, "LoRACanvasBucketConfig").update(resolution=SIDE, min_bucket=SIDE // 2, max_bucket=2 * SIDE)
    preview.update(every_n_steps=max(1, steps // 4), width=SIDE, height=SIDE, sampling_steps=10)
    for node in prompt.values():
        if node["class_type"] == "EmptyLatentImage":
            node["inputs"].update(width=SIDE, height=SIDE)
        if node["class_type"] == "KSampler":
            node["inputs"]["steps"] = 10
    if tiny:
        train["gradient_checkpointing"] = False
        find(prompt, "LoRACanvasOptimizer")["learning_rate"] = 1e-3


def results(run: Path, outputs: dict) -> dict[str, list[Path]]:
    """What the run left on disk, by what to call it."""
    pictures = [
        BASE / picture.get("type", "output") / picture.get("subfolder", "") / picture["filename"]
        for output in outputs.values()
        for picture in output.get("images", [])
    ]
    grid = sample_grid(run / "samples", OUTPUT / "sample_grid.png")
    found = {
        "LoRA": sorted((BASE / "models" / "loras").rglob("*.safetensors"), key=lambda path: path.stat().st_mtime)[-1:],
        "Loss plot": [run / "loss.png"],
        "Sample grid": [grid] if grid else [],
        "Pictures with the LoRA": [path for path in pictures if path.parent == BASE / "output"],
        "The whole run": [run],
    }
    return {name: [path for path in paths if path.exists()] for name, paths in found.items()}


def newest_run() -> Path:
    runs = [path for path in (BASE / "output" / "lora_canvas").glob("*") if (path / "run.json").is_file()]
    if not runs:
        sys.exit("The prompt ran, but no training run was recorded: see the workflow in workflows/.")
    return max(runs, key=lambda path: (path / "run.json").stat().st_mtime)


def on_gpu() -> bool:
    import torch

    return torch.cuda.is_available() or torch.backends.mps.is_available()


def run_workflow(server: ComfyServer, checkpoint: str, pictures: Path, tiny: bool, steps: int) -> dict:
    """Queue the shipped workflow, show its progress, and return what history says of it. Exits when it fails."""
    workflow = json.loads(WORKFLOW.read_text(encoding="utf-8"))
    with ComfyClient(server.address) as client:
        prompt = to_api(workflow, client.get("/object_info"))
        find(prompt, "CheckpointLoaderSimple")["ckpt_name"] = checkpoint
        find(prompt, "LoRACanvasLoadDataset")["folder"] = str(pictures)
        if not on_gpu():
            make_quick(prompt, tiny, steps)
        display = Display({node_id: node["_meta"]["title"] for node_id, node in prompt.items()})
        prompt_id = client.queue(prompt, {"extra_pnginfo": {"workflow": workflow}})
        try:
            for name, data in client.follow(prompt_id, PATIENCE):
                display(name, data)
        except ConnectionError:
            server.check_alive()
            raise
        finally:
            display.close()
        if name != "execution_success":
            reason = data.get("exception_message", name)
            sys.exit(f"\n{data.get('node_type')}: {reason}\n\nComfyUI's log: {server.log}")
        return client.history(prompt_id)


def main() -> None:
    given = os.environ.get("CHECKPOINT", "").strip()
    comfyui = Path(os.environ.get("COMFYUI_PATH") or ROOT / ".comfyui").expanduser().resolve()
    if not (comfyui / "main.py").is_file():
        sys.exit(f"There is no ComfyUI in {comfyui}: run `make setup`, or set COMFYUI_PATH.")
    steps = int(os.environ.get("STEPS") or (60 if given else 160))
    started = time.monotonic()
    print("Preparing the base model and the pictures", flush=True)
    checkpoint, pictures = place_checkpoint(given), place_pictures()
    print(f"Starting ComfyUI in {comfyui}", flush=True)
    with ComfyServer(comfyui, BASE, ROOT, options=() if on_gpu() else ("--cpu",)) as server:
        print(f"Running “{WORKFLOW.stem}” on {checkpoint} at http://{server.address}", flush=True)
        history = run_workflow(server, checkpoint, pictures, tiny=not given, steps=steps)
    print(f"\nDone in {(time.monotonic() - started) / 60:.1f} minutes.")
    for name, paths in results(newest_run(), history["outputs"]).items():
        for path in paths:
            print(f"  {name + ':':24}{path}")


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        sys.exit("\nStopped.")
    except (ServerFailed, PromptRefused, WorkflowError) as problem:
        sys.exit(f"\n{problem}")
