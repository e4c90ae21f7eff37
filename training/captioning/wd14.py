"""WD14 taggers, v2 and v3, as published: model.onnx beside selected_tags.csv.

The model is given a square of (1, side, side, 3) float32, BGR, 0..255, side 448: the picture in the middle of white,
resized bicubically. It answers one probability a line of selected_tags.csv.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import numpy as np
from PIL import Image

from ..errors import MissingLibraryError, ModelError
from .captioner import WHERE, Ask, Captioner, files_identity
from .tag_rules import LEAST_THRESHOLD, Seen, TagRules, caption_tags

MODEL_FILE, TAGS_FILE = "model.onnx", "selected_tags.csv"
SIDE = 448
_PADDING = 255


def wd14_captioner(folder: Path, rules: TagRules, *, use_gpu: bool = True) -> Captioner:
    """The tagger in `folder`. Raises ModelError when its tag list cannot be read."""
    tags = read_tags(folder / TAGS_FILE)

    def wording(answer: str) -> tuple[str, ...]:
        seen = (Seen(*tags[int(index)], confidence) for index, confidence in json.loads(answer).items())
        return caption_tags(seen, rules)

    return Captioner(
        name=folder.name, identity=f"wd14 1 {files_identity([folder / MODEL_FILE, folder / TAGS_FILE])}",
        loaded=partial(_loaded, folder, len(tags), use_gpu), wording=wording, speaks_tags=True,
    )


def read_tags(path: Path) -> list[tuple[str, int]]:
    """(name, category) a line of selected_tags.csv, in the model's order. Raises ModelError naming the file."""
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            tags = [(row["name"].strip(), int(row["category"])) for row in csv.DictReader(file)]
    except (OSError, UnicodeDecodeError, csv.Error, KeyError, ValueError, TypeError, AttributeError) as error:
        raise _broken(path, f"is no tag list with the columns 'name' and 'category' ({type(error).__name__}: {error})") from error
    if not tags:
        raise _broken(path, "holds no tag")
    return tags


@contextmanager
def _loaded(folder: Path, tag_count: int, use_gpu: bool) -> Iterator[Ask]:
    session = _session(folder / MODEL_FILE, use_gpu)
    (entry, *more) = session.get_inputs()
    side = _side(entry.shape)
    if more or side is None:
        shapes = [given.shape for given in session.get_inputs()]
        raise _broken(folder / MODEL_FILE, f"takes {shapes}, not one picture of [batch, {SIDE}, {SIDE}, 3] as WD14 taggers v2 and v3 do")
    output = session.get_outputs()[0].name

    def ask(pixels: np.ndarray) -> str:
        try:
            (answers,) = session.run([output], {entry.name: model_input(pixels, side)})
        except Exception as error:  # onnxruntime has no common base class
            raise _broken(folder / MODEL_FILE, f"failed on a picture ({error})") from error
        return _answer(np.asarray(answers, np.float64).reshape(-1), tag_count, folder)

    yield ask


def _session(path: Path, use_gpu: bool):
    try:
        import onnxruntime
    except ImportError as error:
        raise MissingLibraryError("onnxruntime", "A WD14 tagger (Auto Caption)") from error
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3  # its warnings about graph details help nobody here
    try:
        return onnxruntime.InferenceSession(str(path), options, providers=providers(onnxruntime.get_available_providers(), use_gpu))
    except Exception as error:  # onnxruntime has no common base class
        raise _broken(path, f"cannot be loaded ({error})") from error


def providers(available: Sequence[str], use_gpu: bool) -> list[str]:
    """The execution providers to try, fastest first; the processor is always the last resort."""
    wanted = ["CUDAExecutionProvider", "ROCMExecutionProvider", "DmlExecutionProvider"] if use_gpu else []
    return [name for name in wanted if name in available] + ["CPUExecutionProvider"]


def _side(shape: Sequence) -> int | None:
    """The side of the square that an input of this shape takes; None unless it is [batch, side, side, 3]."""
    if len(shape) != 4 or shape[3] != 3 or shape[1] != shape[2] and isinstance(shape[1], int) and isinstance(shape[2], int):
        return None
    sides = [side for side in shape[1:3] if isinstance(side, int) and side > 0]
    return sides[0] if sides else SIDE


def model_input(pixels: np.ndarray, side: int = SIDE) -> np.ndarray:
    """(h, w, 3) uint8 RGB -> (1, side, side, 3) float32 BGR in 0..255, white around the picture."""
    height, width = pixels.shape[:2]
    longest = max(height, width)
    square = np.full((longest, longest, 3), _PADDING, np.uint8)
    top, left = (longest - height) // 2, (longest - width) // 2
    square[top : top + height, left : left + width] = pixels
    if longest != side:
        square = np.asarray(Image.fromarray(square).resize((side, side), Image.Resampling.BICUBIC))
    return np.ascontiguousarray(square[None, :, :, ::-1], dtype=np.float32)


def _answer(values: np.ndarray, tag_count: int, folder: Path) -> str:
    """The confidences that any threshold could ask for, by line of the tag list, as JSON."""
    if len(values) != tag_count:
        said = f"answers {len(values)} tags, but {TAGS_FILE} beside it has {tag_count}. They belong to different models"
        raise _broken(folder / MODEL_FILE, said)
    if not np.isfinite(values).all():
        raise _broken(folder / MODEL_FILE, "answers NaN or infinite values")
    if values.min() < -0.01 or values.max() > 1.01:
        values = 1 / (1 + np.exp(-np.clip(values, -60, 60)))  # exported without its last sigmoid
    return json.dumps({str(i): round(min(float(values[i]), 1.0), 5) for i in np.flatnonzero(values >= LEAST_THRESHOLD)})


def _broken(path: Path, what: str) -> ModelError:
    return ModelError(WHERE, [f"{path.parent.name}/{path.name} {what}. Remove the folder {path.parent} and get the model again."])
