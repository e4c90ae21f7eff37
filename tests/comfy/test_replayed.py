"""Steps of ComfyUI's models, recorded and replayed: bit for bit the gradients of the plain ones."""

import pytest

from pack.tests.comfy.family_walk import condition
from pack.tests.comfy.graphs import place_pictures, train_graph
from pack.tests.comfy.replaying import Steps, are_same
from pack.tests.comfy.tiny_models import TRAINED, patcher
from pack.training.network.spec import NetworkSpec

TINY = {tiny.name: tiny for tiny in TRAINED}
DROPPING = NetworkSpec(rank=4, alpha=2.0, dropout=0.2, rank_dropout=0.2)


@pytest.mark.parametrize(("name", "spec", "checkpointing"), [
    ("SDXL", DROPPING, True), ("Flux", None, False), ("ZImage", NetworkSpec(algorithm="lokr", rank=4, alpha=2.0), True),
])
def test_a_replay_is_the_step(comfy, name, spec, checkpointing):
    from pack.host.session import Session

    model = patcher(comfy, TINY[name])
    steps = [Steps(Session(model, precision="fp32"), TINY[name].latent, lambda seed: condition(TINY[name], seed), spec, checkpointing)
             for _ in range(2)]
    assert are_same(steps[0].made(replayed=False), steps[1].made(replayed=True))
    (said,) = steps[1].said
    assert "replayed from now on" in said and "bit for bit" in said


def test_the_node_s_run_ends_in_the_same_file(comfy, sd15_checkpoint):
    """Previews give the model back in the middle, so that it is recorded anew afterwards."""
    files = []
    for way in ("off", "graph"):
        graph = train_graph(sd15_checkpoint, place_pictures(comfy), run_name=f"replayed_{way}", steps=4, compile=way)
        comfy.run(graph, only=["train"])
        folder = comfy.base / "output" / "lora_canvas" / f"replayed_{way}"
        files.append(_tensors(folder / f"replayed_{way}.safetensors"))
    assert files[0].keys() == files[1].keys() and all(files[0][key].equal(files[1][key]) for key in files[0])
    assert "replayed from now on" in (folder / "log.jsonl").read_text(encoding="utf-8")


def _tensors(path):
    from safetensors.torch import load_file

    return load_file(path)
