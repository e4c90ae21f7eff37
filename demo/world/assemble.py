"""Put the world's checkpoint together, a file that ComfyUI loads as any SD1.5: `python -m demo.world.assemble FILE.safetensors [FOLDER]`.

Without FOLDER from the committed pack, with it from the parts that `demo.world.train` left there.
"""

import os
import sys
from pathlib import Path

from safetensors.torch import save_file

from .files import PACK, checkpoint, read_pack, read_parts


def assemble(target: Path, folder: Path | None = None) -> Path:
    """Write the checkpoint, unless it is there and newer than what it is made of; returns its path."""
    if folder is None and target.exists() and target.stat().st_mtime >= PACK.stat().st_mtime:
        return target
    weights = read_pack(PACK) if folder is None else read_parts(folder, "world")
    target.parent.mkdir(parents=True, exist_ok=True)
    unfinished = target.with_suffix(f".{os.getpid()}.part")
    save_file(checkpoint(weights), unfinished)
    os.replace(unfinished, target)
    return target


def main(target: str, folder: str | None = None) -> None:
    path = assemble(Path(target), Path(folder) if folder else None)
    print(f"{path}  {path.stat().st_size / 1e6:.0f} MB")


if __name__ == "__main__":
    if not 2 <= len(sys.argv) <= 3:
        sys.exit(__doc__)
    main(*sys.argv[1:])
