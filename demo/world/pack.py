"""Pack what `demo.world.train` left in FOLDER into the committed 8-bit file: `python -m demo.world.pack FOLDER`."""

import sys
from pathlib import Path

from .files import PACK, read_parts, write_pack

MOST_BYTES = 30_000_000


def pack(folder: Path, target: Path = PACK) -> Path:
    """Raises ValueError, leaving the old pack, when the new one is larger than may be committed."""
    unfinished = target.with_suffix(".part.npz")
    write_pack(read_parts(folder, "world"), unfinished)
    if (size := unfinished.stat().st_size) > MOST_BYTES:
        unfinished.unlink()
        raise ValueError(f"the pack has {size / 1e6:.1f} MB; {MOST_BYTES / 1e6:.0f} MB may be committed: train a smaller network")
    unfinished.replace(target)
    return target


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    path = pack(Path(sys.argv[1]))
    print(f"{path}  {path.stat().st_size / 1e6:.1f} MB")
