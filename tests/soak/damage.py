"""Files of a paused run that a disk damages or a stranger writes: the run goes on exactly, or says in a sentence that it cannot.

A refused resume leaves everything, so with the old file in its place again the run still ends in the file of an undisturbed one.
"""

from __future__ import annotations

import random
from collections import Counter
from pathlib import Path

from pack.tests.mutations import Mutation, of_bytes, of_json, of_lines, of_state
from pack.tests.training.run.test_resume import STEPS

from .children import in_child
from .controls import pressed
from .runs import Ground, Wholes
from .tally import Lost, Raw

#: What is damaged: its file, and how.
WAYS = {
    "state": ("state/training.state", of_bytes), "state's facts": ("state/training.state", of_state),
    "log": ("log.jsonl", of_lines), "log's bytes": ("log.jsonl", of_bytes), "run.json": ("run.json", of_json),
}


def attempt(draw: random.Random, folder: Path, wholes: Wholes) -> Counter[str]:
    ground = Ground.drawn(folder / "ground", draw)
    whole = wholes.of(ground)
    in_child(lambda: pressed(ground, "pause", draw.randint(1, STEPS - 1), []), folder / "answer.json").require_ours()
    (precious := folder / "precious.safetensors").write_text("mine")
    name = draw.choice(list(WAYS))
    relative, mutate = WAYS[name]
    path = ground.run_folder / relative
    before = path.read_bytes()
    mutation = draw.choice(list(mutate(before, draw.randrange(10**6), 5)))
    path.write_bytes(mutation.content)
    ending = ground.go_on()
    if not precious.is_file():
        raise Lost(f"{name}, {mutation.told}: a file outside of the run is gone")
    if ending.kind == "failed" and not name.startswith("state"):
        raise Raw(f"{name}, {mutation.told}: it keeps the run from going on: {ending.text}")
    came = _refused(ground, path, before) if ending.kind == "failed" else _went_on(name, mutation, before)
    if came != "went on as told" and ground.file() != whole:
        raise Lost(f"{name}, {mutation.told}: {came}, but the final file is another one")
    return Counter({f"{name} {came}": 1})


def _refused(ground: Ground, path: Path, before: bytes) -> str:
    path.write_bytes(before)
    ground.go_on()
    return "refused"


def _went_on(name: str, mutation: Mutation, before: bytes) -> str:
    if name == "state" and mutation.content != before:
        raise Lost(f"{mutation.told}: nothing noticed it")
    return "went on as told" if name == "state's facts" else "went on"
