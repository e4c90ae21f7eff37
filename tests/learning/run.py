"""Teaches the fox and counts what was learnt and what was kept: `make learning`.

    python tests/learning/run.py [--pictures 24] [--seeds 1] [--steps 160]

COMFYUI_PATH says which ComfyUI. Prompts and noise are fixed; every picture of the old world is drawn with the base and with the LoRA, from
the same noise. A limit is so low that a LoRA as good as the target misses it less than once in 1,000 runs.
"""

import argparse
import os
import sys
from pathlib import Path

import torch

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import conftest  # noqa: F401  registers `pack`

from pack.demo.comfyui.client import ComfyClient
from pack.demo.comfyui.server import ComfyServer
from pack.demo.comfyui.workflow import find
from pack.demo.stage import ROOT, fit_to_world, load_workflow, place_checkpoint, place_pictures, prompt_of
from pack.demo.world.drawn.captions import WHERE, caption
from pack.demo.world.drawn.cards import POSES
from pack.demo.world.drawn.places import UNSEEN
from pack.demo.world.judge import NAMES, Judge
from pack.demo.world.score import Source, asked, pictures
from pack.demo.world.train import judge_on
from pack.tests.learning.shares import Share, least

BASE = ROOT / ".cache" / "learning"
RISK = 0.001 / 3  # three checks a run
LEARNT, FOLLOWED, LOST = 0.95, 0.9, 0.02
PATIENCE, NOISE = 3600.0, 1000
NOT_NEEDED = ("KSampler", "VAEDecode", "SaveImage", "CLIPTextEncode", "EmptyLatentImage")


def teach(client: ComfyClient, base: Path, steps: int, seed: int) -> Source:
    """Run the demo's training without its pictures; what draws with the LoRA."""
    checkpoint, name = place_checkpoint(base, None), f"fox_{seed}"
    prompt = prompt_of(load_workflow(), client.get("/object_info"), checkpoint, place_pictures(base))
    fit_to_world(prompt, steps)
    find(prompt, "LoRACanvasTrainLoRA").update(seed=seed, run_name=name, save_every_n_steps=0)
    find(prompt, "LoRACanvasTrainLoRA").pop("preview")
    find(prompt, "LoRACanvasSaveLoRA")["filename"] = name
    kept = {key: node for key, node in prompt.items() if node["class_type"] not in NOT_NEEDED}
    prompt_id = client.queue(kept)
    how, data = client.wait(prompt_id, PATIENCE)
    if how != "execution_success":
        raise RuntimeError(f"ComfyUI: {data.get('exception_message', how)}")
    (saved,) = (base / "models" / "loras").glob(f"{name}*.safetensors")
    return Source(checkpoint, saved.name)


def foxes(count: int, places: list[str]) -> list[tuple[str, str]]:
    """Prompts for the fox, and their places: every place and pose in turn."""
    asked_for = [(f"lcfox, a fox {pose} {WHERE[place]}", place) for pose in POSES for place in places]
    return [asked_for[number % len(asked_for)] for number in range(count)]


def foxes_seen(client: ComfyClient, base: Path, judge: Judge, source: Source, prompts: list[tuple[str, str]]) -> list[dict[str, str]]:
    return judge.says(pictures(client, base, source, [text for text, _ in prompts], NOISE))


def kept(client: ComfyClient, base: Path, judge: Judge, source: Source, count: int) -> Share:
    """Unseen combinations of the world, without the trigger: how many are right in subject, colour and place."""
    cards = asked(count)
    said = judge.says(pictures(client, base, source, [caption(card) for card in cards], NOISE))
    return Share(sum(all(getattr(card, name) == answer[name] for name in NAMES) for card, answer in zip(cards, said)), count)


def checks(client: ComfyClient, base: Path, judge: Judge, seed: int, asked_for: argparse.Namespace) -> list[tuple[str, Share, int]]:
    """One LoRA: what was counted, and the least that will do."""
    count, source = asked_for.pictures, teach(client, base, asked_for.steps, seed)
    shown = [place for place in WHERE if place not in UNSEEN]
    learnt = [said["subject"] == "fox" for said in foxes_seen(client, base, judge, source, foxes(count, shown))]
    unseen = foxes(count, list(UNSEEN))
    answers = foxes_seen(client, base, judge, source, unseen)
    followed = [said["subject"] == "fox" and said["place"] == place for said, (_, place) in zip(answers, unseen)]
    before, after = (kept(client, base, judge, each, count) for each in (Source(source.checkpoint), source))
    print(f"seed {seed}: the old world without the LoRA: {before}", flush=True)
    return [
        (f"seed {seed}: the fox where its pictures show it", Share(sum(learnt), count), least(count, LEARNT, RISK)),
        (f"seed {seed}: the fox in unseen places", Share(sum(followed), count), least(count, FOLLOWED, RISK)),
        (f"seed {seed}: the old world with the LoRA", after, least(count, max(0.0, before.share - LOST), RISK)),
    ]


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pictures", type=int, default=24, help="of each kind")
    parser.add_argument("--seeds", type=int, default=1, help="LoRAs, each with training noise of its own")
    parser.add_argument("--steps", type=int, default=160)
    asked_for = parser.parse_args(arguments)
    comfyui = Path(os.environ.get("COMFYUI_PATH") or ROOT / ".comfyui").expanduser().resolve()
    judge, bad = judge_on(torch.device("cpu")), False
    with ComfyServer(comfyui, BASE, ROOT) as server, ComfyClient(server.address) as client:
        for old in (BASE / "models" / "loras").glob("fox_*.safetensors"):
            old.unlink()
        for seed in range(asked_for.seeds):
            for what, share, limit in checks(client, BASE, judge, seed, asked_for):
                bad |= share.right < limit
                print(f"{what}: {share}; at least {limit}{'' if share.right >= limit else ': TOO FEW'}", flush=True)
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
