"""`make demo`: train a LoRA with the shipped workflow in a real ComfyUI, and say where everything lies.

Environment: COMFYUI_PATH (default .comfyui), CHECKPOINT (a real SD1.5 .safetensors; default: a tiny random one),
STEPS (training steps). Everything is written below demo/output.
"""

import os
import sys
import time
from pathlib import Path

from .comfyui.client import ComfyClient, PromptRefused
from .comfyui.server import ComfyServer, ServerFailed
from .comfyui.workflow import WorkflowError, find
from .progress import Display
from .stage import BASE, ROOT, WORKFLOW, load_workflow, make_quick, place_checkpoint, place_pictures, prompt_of, results

# ComfyUI may be silent this long (s): loading a real checkpoint, encoding on a slow disk.
PATIENCE = 1800.0
STEPS_TINY, STEPS_REAL = 160, 60


def on_gpu() -> bool:
    import torch

    return torch.cuda.is_available() or torch.backends.mps.is_available()


def fit_to_random_base(prompt: dict) -> None:
    """The tiny base was never trained: there is more to learn in fewer steps, and guidance would amplify its noise."""
    find(prompt, "LoRACanvasOptimizer")["learning_rate"] = 1e-3
    find(prompt, "LoRACanvasSamplePreview")["cfg"] = find(prompt, "KSampler")["cfg"] = 1.5


def run_workflow(server: ComfyServer, given: Path | None) -> dict:
    """Queue the shipped workflow, show its progress, and return what history says of it. Exits when it fails."""
    workflow = load_workflow()
    checkpoint, folder = place_checkpoint(BASE, given), place_pictures(BASE)
    with ComfyClient(server.address) as client:
        prompt = prompt_of(workflow, client.get("/object_info"), checkpoint, folder)
        if not on_gpu():
            make_quick(prompt, int(os.environ.get("STEPS") or (STEPS_REAL if given else STEPS_TINY)))
        if given is None:
            fit_to_random_base(prompt)
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
        return client.history(prompt_id)


def main() -> None:
    text = os.environ.get("CHECKPOINT", "").strip()
    given = Path(text).expanduser().resolve() if text else None
    comfyui = Path(os.environ.get("COMFYUI_PATH") or ROOT / ".comfyui").expanduser().resolve()
    if not (comfyui / "main.py").is_file():
        sys.exit(f"There is no ComfyUI in {comfyui}: run `make setup`, or set COMFYUI_PATH.")
    started = time.monotonic()
    print(f"Starting ComfyUI in {comfyui}", flush=True)
    with ComfyServer(comfyui, BASE, ROOT, options=() if on_gpu() else ("--cpu",)) as server:
        history = run_workflow(server, given)
    print(f"\nDone in {(time.monotonic() - started) / 60:.1f} minutes.")
    for name, paths in results(BASE, history["outputs"]).items():
        for path in paths:
            print(f"  {name + ':':24}{path}")
    if given is None:
        print("The base was tiny and random: samples go from its noise towards the pictures' colours, no further.")
        print("For real pictures: CHECKPOINT=/path/to/an/sd15.safetensors make demo")


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        sys.exit("\nStopped.")
    except (ServerFailed, PromptRefused, WorkflowError, FileNotFoundError) as problem:
        sys.exit(f"\n{problem}")
