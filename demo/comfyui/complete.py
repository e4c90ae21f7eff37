"""Installs what ComfyUI imports but its requirements file forgot: `python -m demo.comfyui.complete COMFYUI`.

Only for the environment that the demo makes; in a user's own nothing is changed (see starts.py). torchaudio comes this way too: its
builds may ask for another torch, and ComfyUI can do without it.
"""

import subprocess
import sys
from pathlib import Path

from .imports import distribution, missing

#: torch stays what it is, whatever the builds of other packages ask for.
PINNED = Path(__file__).with_name("requirements-torch.txt")


def complete(comfyui: Path) -> list[str]:
    """Install every missing module that has a working build, say which have none, and return these."""
    return [module for module, place in missing(comfyui).items() if not _add(module, place)]


def _add(module: str, place: str) -> bool:
    name = distribution(module)
    print(f"ComfyUI's {place} imports {module}, which is not here: installing {name}", flush=True)
    if not _python("-m", "pip", "--disable-pip-version-check", "install", "-c", str(PINNED), name):
        print(f"There is no {name} that fits this Python and torch: going on without it.", flush=True)
        return False
    if not _python("-c", f"import {module}"):
        # ComfyUI is prepared for an absent package, not for one that breaks.
        _python("-m", "pip", "--disable-pip-version-check", "uninstall", "--yes", name)
        print(f"The {name} that pip found cannot be imported here: it was taken out again, going on without it.", flush=True)
        return False
    return True


def _python(*arguments: str) -> bool:
    return subprocess.run([sys.executable, *arguments]).returncode == 0


if __name__ == "__main__":
    complete(Path(sys.argv[1]))
