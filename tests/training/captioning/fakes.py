"""Tiny captioners with the file layout of the published ones, and datasets to caption."""

import csv
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from pack.training.captioning.captioner import Captioner
from pack.training.data.dataset import Dataset, Sample
from pack.training.data.from_graph.graph_images import TensorPicture
from pack.training.data.pictures import FilePicture

TAGS = [("general", 9), ("explicit", 9), ("red_tint", 0), ("green_tint", 0), ("blue_tint", 0), ("o_o", 0), ("hero_(series)", 4)]


def make_wd14(folder: Path, side: int = 448, *, logits: bool = False, rows: int | None = None, layout: str = "NHWC") -> Path:
    """A tagger of the published layout that can be worked out by hand.

    With b, g, r the means of the three channels of what it is given (0..255): general 0.9, explicit 0.1,
    red_tint r/255, green_tint g/255, blue_tint b/255, o_o 0.5, hero_(series) 0.86.
    """
    from onnx import TensorProto, helper, numpy_helper, save

    mix = np.zeros((3, len(TAGS)), np.float32)
    for channel, tag in ((2, 2), (1, 3), (0, 4)):  # blue, green, red in; red, green, blue tags out
        mix[channel, tag] = 1 / 255
    bias = np.array([0.9, 0.1, 0, 0, 0, 0.5, 0.86], np.float32)
    shape = ["batch_size", side, side, 3] if layout == "NHWC" else ["batch_size", 3, side, side]
    axes = [1, 2] if layout == "NHWC" else [2, 3]
    nodes = [
        helper.make_node("ReduceMean", ["input"], ["mean"], axes=axes, keepdims=0),
        helper.make_node("MatMul", ["mean", "mix"], ["mixed"]),
        helper.make_node("Add", ["mixed", "bias"], ["output"] if not logits else ["p"]),
    ]
    if logits:  # log(p / (1 - p)), with p kept inside 0.001..0.999
        nodes += [
            helper.make_node("Clip", ["p", "low", "high"], ["c"]), helper.make_node("Sub", ["one", "c"], ["rest"]),
            helper.make_node("Div", ["c", "rest"], ["odds"]), helper.make_node("Log", ["odds"], ["output"]),
        ]
    constants = {"mix": mix, "bias": bias, "low": np.float32(0.001), "high": np.float32(0.999), "one": np.float32(1)}
    graph = helper.make_graph(
        nodes, "tagger", [helper.make_tensor_value_info("input", TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info("output", TensorProto.FLOAT, ["batch_size", len(TAGS)])],
        [numpy_helper.from_array(np.asarray(value), name) for name, value in constants.items()],
    )
    folder.mkdir(parents=True, exist_ok=True)
    save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8), folder / "model.onnx")
    with (folder / "selected_tags.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["tag_id", "name", "category", "count"])
        writer.writerows([index, name, category, 100] for index, (name, category) in enumerate(TAGS[:rows]))
    return folder


def colour_dataset(folder: Path, colours: dict[str, tuple], captions: dict[str, str] | None = None, size=(64, 64)) -> Dataset:
    """Pictures of one colour each, in files; captions by name, which are also written beside them."""
    folder.mkdir(parents=True, exist_ok=True)
    samples = []
    for name, colour in colours.items():
        Image.new("RGBA" if len(colour) == 4 else "RGB", size, colour).save(folder / name)
        caption = (captions or {}).get(name, "")
        if caption:
            (folder / name).with_suffix(".txt").write_text(caption)
        samples.append(Sample(name=name, picture=FilePicture(folder / name, name), caption=caption))
    return as_dataset(samples)


def as_dataset(samples) -> Dataset:
    return Dataset(samples=tuple(samples))


def graph_sample(name: str = "image 1", value: float = 1.0, **fields) -> Sample:
    return Sample(name=name, picture=TensorPicture(torch.full((32, 32, 3), value), name), **{"caption": "", **fields})


class Talker:
    """A captioner that says the mean colour; counts how often it was loaded and asked."""

    def __init__(self, words=None, tags: bool = True):
        self.loads = self.asked = self.open = 0
        self.words = words or (lambda answer: (answer, "seen"))
        self.captioner = Captioner(name="talker", identity="talker 1", loaded=self._loaded, wording=self.words, speaks_tags=tags)

    @contextmanager
    def _loaded(self):
        self.loads += 1
        self.open += 1

        def ask(pixels):
            self.asked += 1
            return "colour " + "-".join(str(round(value)) for value in pixels.reshape(-1, 3).mean(0))

        try:
            yield ask
        finally:
            self.open -= 1
