"""`make demo`: train a LoRA with the shipped workflow in a real ComfyUI, and say where everything lies.

Environment: COMFYUI_PATH (default .comfyui), CHECKPOINT (a real SD1.5 .safetensors; default: the world, which draws),
STEPS (training steps). Everything is written below demo/output.
"""

import os
import sys
import time
from pathlib import Path

import torch

from . import foxes
from .comfyui.client import ComfyClient, PromptRefused
from .comfyui.server import ComfyServer, ServerFailed
from .comfyui.workflow import WorkflowError, find
from .progress import Display
from .stage import (
    BASE,
    ROOT,
    WORKFLOW,
    fit_to_world,
    load_workflow,
    make_quick,
    negative_of,
    place_checkpoint,
    place_pictures,
    prompt_of,
    results,
)  # fmt: skip
from .world.score import Source
from .world.train import judge_on

# ComfyUI may be silent this long (s): loading a real checkpoint, encoding on a slow disk.
PATIENCE = 1800.0
STEPS_WORLD, STEPS_REAL = 160, 60


def on_gpu() -> bool:
    return torch.cuda.is_available() or torch.backends.mps.is_available()


def fit(prompt: dict, given: Path | None) -> None:
    """Fit the workflow to the base that is trained on, and a real one's to a machine without a card."""
    steps = int(os.environ.get("STEPS") or 0)
    if given is None:
        fit_to_world(prompt, steps or STEPS_WORLD)
    elif not on_gpu():
        make_quick(prompt, steps or STEPS_REAL)


def run_workflow(server: ComfyServer, client: ComfyClient, given: Path | None) -> tuple[dict, dict]:
    """Queue the shipped workflow and show its progress; returns the prompt, and what history says of it. Exits when it fails."""
    workflow = load_workflow()
    checkpoint, folder = place_checkpoint(BASE, given), place_pictures(BASE)
    prompt = prompt_of(workflow, client.get("/object_info"), checkpoint, folder)
    fit(prompt, given)
    print(f"Running the workflow “{WORKFLOW.stem}” on {checkpoint} at http://{server.address}", flush=True)
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
    return prompt, client.history(prompt_id)


def look_for_the_fox(client: ComfyClient, prompt: dict, run: Path, lora: Path) -> None:
    """Let ComfyUI draw with the saved LoRA, the judge look at all pictures, and say what it saw."""
    print("  Drawing with the saved LoRA, at strength 0 and 1", flush=True)
    checkpoint = find(prompt, "CheckpointLoaderSimple")["ckpt_name"]
    negative = negative_of(prompt)["text"]
    foxes.draw(client, BASE, run, Source(checkpoint, lora.relative_to(BASE / "models" / "loras").as_posix(), negative=negative))
    print("\nHow many pictures show the fox, where its own pictures do not (in the sea, at the volcano, in a room):")
    for said in foxes.report(run, judge_on(torch.device("cpu"))):
        print(f"  {said}")


def main() -> None:
    text = os.environ.get("CHECKPOINT", "").strip()
    given = Path(text).expanduser().resolve() if text else None
    comfyui = Path(os.environ.get("COMFYUI_PATH") or ROOT / ".comfyui").expanduser().resolve()
    if not (comfyui / "main.py").is_file():
        sys.exit(f"There is no ComfyUI in {comfyui}: run `make setup`, or set COMFYUI_PATH.")
    started = time.monotonic()
    print(f"Starting ComfyUI in {comfyui}", flush=True)
    options = () if on_gpu() else ("--cpu",)
    with ComfyServer(comfyui, BASE, ROOT, options=options) as server, ComfyClient(server.address) as client:
        prompt, history = run_workflow(server, client, given)
        found = results(BASE, history["outputs"])
        if given is None:
            look_for_the_fox(client, prompt, found["The whole run"][0], found["LoRA"][0])
    print(f"\nDone in {(time.monotonic() - started) / 60:.1f} minutes.")
    for name, paths in found.items():
        for path in paths:
            print(f"  {name + ':':24}{path}")
    if given is None:
        print("The base is a small world of drawings (docs/world.md). On a real one: CHECKPOINT=/path/to/an/sd15.safetensors make demo")


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        sys.exit("\nStopped.")
    except (ServerFailed, PromptRefused, WorkflowError, FileNotFoundError) as problem:
        sys.exit(f"\n{problem}")
