"""The pack is a light guest: importing it is quick and loads no heavy library."""

import json
import statistics
import subprocess
import sys

import pytest

TIMES = 16
"""What importing may take of the time in which this Python makes a hundred dataclasses, the kind of work that importing is: half a second
where that takes 31 ms, as on the machine that the bound was set on. Others are slower, or busy."""
HEAVY = (
    "diffusers", "bitsandbytes", "pytorch_optimizer", "lycoris", "onnxruntime", "matplotlib", "tensorboard", "peft",
    "accelerate", "imagehash",
)  # fmt: skip

# Time of this thread on the processor: what the pack costs, whatever else the machine is doing meanwhile.
# Runs in a process of its own: start ComfyUI's modules, note what is loaded, import the pack as ComfyUI does.
PROBE = """
import asyncio, json, sys, time, types
comfyui, root, base = sys.argv[1:4]
sys.path.insert(0, comfyui)
pack = types.ModuleType("pack"); pack.__path__ = [root]; sys.modules["pack"] = pack
from pathlib import Path
import importlib
inprocess = importlib.import_module("pack.tests.comfy.inprocess")
from dataclasses import field, make_dataclass
def reference():
    start = time.thread_time()
    for number in range(100):
        make_dataclass(f"Row{number}", [(f"field{i}", int, field(default=i)) for i in range(6)], frozen=True, kw_only=True)
    return time.thread_time() - start
seconds = {}
load = inprocess._load_pack
def timed(*args):
    before, alone = set(sys.modules), reference()
    start = time.thread_time()
    module = load(*args)
    seconds["times"] = (time.thread_time() - start) / alone
    seconds["added"] = sorted({name.split(".")[0] for name in set(sys.modules) - before})
    return module
inprocess._load_pack = timed
comfy = inprocess.start(Path(comfyui), Path(base), Path(root))
ids = [name for name in comfy.nodes.NODE_CLASS_MAPPINGS if name.startswith("LoRACanvas")]
print("PROBE " + json.dumps({**seconds, "ids": ids}))
"""


def probe(comfyui_path, repo_root, base) -> dict:
    command = [sys.executable, "-c", PROBE, str(comfyui_path), str(repo_root), str(base)]
    answer = subprocess.run(command, capture_output=True, text=True, timeout=300, cwd=base)
    assert answer.returncode == 0, answer.stderr[-3000:]
    (line,) = [line for line in answer.stdout.splitlines() if line.startswith("PROBE ")]
    return json.loads(line.removeprefix("PROBE "))


@pytest.fixture(scope="module")
def probes(comfyui_path, repo_root, tmp_path_factory) -> list[dict]:
    """Three measurements: the first may have to write byte code, and other work on the machine disturbs any one."""
    return [probe(comfyui_path, repo_root, tmp_path_factory.mktemp("probe")) for _ in range(3)]


def test_the_pack_was_loaded(probes):
    assert "LoRACanvasTrainLoRA" in probes[0]["ids"]


def test_importing_is_quick(probes):
    assert statistics.median(probe["times"] for probe in probes) < TIMES


def test_nothing_heavy_is_loaded(probes):
    """`added` are top-level modules that appeared while the pack was imported, after all of ComfyUI's own."""
    assert set(probes[0]["added"]) & set(HEAVY) == set()
