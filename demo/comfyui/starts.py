"""Starts ComfyUI once, on the CPU and with the pack, before anything relies on it: `python -m demo.comfyui.starts COMFYUI`.

Says what is missing and the one line that helps; installs nothing.
"""

import re
import sys
import tempfile
from pathlib import Path

from .imports import distribution, missing, own_modules
from .server import ComfyServer, ServerFailed

PACK = Path(__file__).resolve().parents[2]
ABSENT = re.compile(r"^ModuleNotFoundError: No module named '([^'.]+)", re.MULTILINE)


def trouble(comfyui: Path) -> str | None:
    """Why ComfyUI does not start here and what to do, or None where it does."""
    with tempfile.TemporaryDirectory() as base:
        try:
            with ComfyServer(comfyui, Path(base), PACK):
                return None
        except ServerFailed as failure:
            return explain(comfyui, str(failure), list(missing(comfyui)))


def explain(comfyui: Path, failure: str, absent: list[str]) -> str:
    """`failure`: what the server said, with its log's end. `absent`: modules that its files import and that are not here."""
    if named := [name for name in ABSENT.findall(failure) if name not in own_modules(comfyui)]:
        absent = [*dict.fromkeys([*absent, named[-1]])]
        what, install = f"this Python lacks {', '.join(absent)}", " ".join(map(distribution, absent))
    else:
        what, install = "no module is missing", f'-r "{comfyui / "requirements.txt"}"'
    return (
        f"{failure}\n\nComfyUI in {comfyui} does not start with {sys.executable}: {what}.\n"
        f"What helps most often:  {sys.executable} -m pip install {install}"
    )


def main(comfyui: Path) -> None:
    if problem := trouble(comfyui):
        sys.exit(problem)
    absent = missing(comfyui)
    print(f"ComfyUI in {comfyui} starts.")
    for module, place in absent.items():
        print(f"Its nodes that need {module} are not there ({place}); LoRA Canvas does without.")


if __name__ == "__main__":
    main(Path(sys.argv[1]).resolve())
