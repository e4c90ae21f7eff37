"""What it takes to see and edit a folder of 10,000 pictures: `python benchmarks/dataset.py [pictures]`, best on an idle machine.

Prints wall and processor seconds: the folder read for the first time and again, the rows of the grid as they are sent, the thumbnails of a
first screen (1024 x 1024 PNGs), a change over all captions, and its undo. What was measured: docs/experiments.md.
"""

from __future__ import annotations

import io
import json
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from PIL import Image

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from training.data.colour import over_background
from training.data.editing.album import Album
from training.data.editing.change import Change
from training.data.editing.files import History
from training.data.folder.index import FileIndex
from training.data.folder.scan import scan_folder

SCREEN = 28


@contextmanager
def timed(what: str) -> Iterator[None]:
    wall, processor = time.perf_counter(), time.process_time()
    yield
    print(f"{what}: {time.perf_counter() - wall:.2f} s, of the processor {time.process_time() - processor:.2f} s", flush=True)


def main(pictures: int = 10_000) -> None:
    with tempfile.TemporaryDirectory() as name:
        folder, index = Path(name) / "set", FileIndex(Path(name) / "index.sqlite")
        folder.mkdir()
        png = io.BytesIO()
        Image.fromarray(np.random.default_rng(0).integers(0, 255, (1024, 1024, 3), np.uint8)).resize((1024, 1024)).save(png, "PNG")
        small = io.BytesIO()
        Image.new("RGB", (64, 48)).save(small, "PNG")
        for number in range(pictures):
            (folder / f"{number:06}.png").write_bytes((png if number < SCREEN else small).getvalue())
            (folder / f"{number:06}.txt").write_text(f"ohwx dog, a picture with the number {number}, sofa", encoding="utf-8")
        for what in ("read for the first time", "read again"):
            with timed(what):
                dataset = scan_folder(folder, index=index, with_left_out=True)
        with timed("rows"):
            album = Album(dataset, extension=".txt", captions_from="auto", history=History())
            sent = json.dumps(album.rows())
        print(f"sent: {len(sent) / 2**20:.1f} MiB")
        with timed(f"{SCREEN} thumbnails"):
            for sample in album.samples[:SCREEN]:
                Image.fromarray(over_background(sample.picture.small_pixels(224), sample.background)).thumbnail((224, 224))
        with timed("a change over all"):
            album.change(range(pictures), Change(kind="replace", what="sofa", to="bed"))
        with timed("its undo"):
            album.undo()


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
