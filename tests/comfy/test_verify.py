"""A saved file against what was trained: one that is damaged in any of these ways is found, however it came to be so."""

import pytest
import torch

from pack.tests.comfy import tiny_models
from pack.tests.comfy.graphs import node, place_pictures, train_graph
from pack.tests.comfy.inprocess import PromptInterrupted
from pack.tests.comfy.tiny_models import UNETS
from pack.training.errors import FileError
from pack.training.lora_file.file import write_lora
from pack.training.network.build import build_network
from pack.training.network.files import to_tensors
from pack.training.network.kinds.menu import ALGORITHMS, adapters
from pack.training.network.spec import NetworkSpec, TargetSpec
from pack.training.record.history import read_log


@pytest.fixture(scope="module")
def patcher(comfy):
    return tiny_models.patcher(comfy, UNETS[0])


def network_of(patcher, algorithm="lora"):
    """Over linears and convolutions, away from where it began."""
    from pack.host.model.family import family_of
    from pack.host.model.parts import trainable_parts
    from pack.training.network.build import prepare

    parts = trainable_parts(patcher, None, family_of(patcher), torch.float32)
    spec = NetworkSpec(algorithm=algorithm, rank=4, alpha=2.0, targets=TargetSpec(preset="all linear + convolution"), train_norms=True)
    network = build_network(spec, parts, seed=0)
    prepare(network, parts)
    generator = torch.Generator().manual_seed(7)
    for _, parameter in network.named_parameters():
        parameter.data += 0.05 * torch.randn(parameter.shape, generator=generator)
    return network


@pytest.fixture(scope="module")
def network(patcher):
    return network_of(patcher)


@pytest.fixture
def look(comfy, patcher, tmp_path):
    """`read_back` of such tensors."""
    from pack.host.lora.verify import read_back

    def look(network, tensors, dtype=torch.float32, watch=lambda done, total: None):
        path = tmp_path / "lora.safetensors"
        write_lora(path, tensors, {}, dtype)
        return read_back(path, network, patcher, None, watch)

    return look


def last(tensors, ending: str) -> str:
    """The last module's, which no module before it is like any more by its sort alone."""
    return [name for name in tensors if name.endswith(ending)][-1]


def alpha(tensors):
    tensors[last(tensors, ".alpha")] *= 2


def one_bit(tensors):
    flat = tensors[last(tensors, ".lora_down.weight")].view(-1)
    flat[-1] = torch.nextafter(flat[-1], torch.tensor(torch.inf))


def turned_round(tensors):
    """Of a square matrix: the product is another, its shapes are not."""
    name = next(name.removesuffix("up.weight") for name, up in tensors.items() if name.endswith("lora_up.weight")
                and up.ndim == 2 and up.shape == tensors[name.replace("_up", "_down")].t().shape)
    up, down = f"{name}up.weight", f"{name}down.weight"
    tensors[up], tensors[down] = tensors[down].t().contiguous(), tensors[up].t().contiguous()


def exchanged(tensors):
    """Two modules' of one shape."""
    ups = [name for name in tensors if name.endswith("lora_up.weight")]
    one = ups[0]
    other = next(name for name in ups[::-1] if tensors[name].shape == tensors[one].shape)
    assert one != other
    tensors[one], tensors[other] = tensors[other], tensors[one]


def a_norm(tensors):
    tensors[last(tensors, ".w_norm")] += 1e-3


@pytest.mark.parametrize("spoil", [alpha, one_bit, turned_round, exchanged, a_norm])
def test_what_is_not_as_it_was_trained(network, look, spoil):
    tensors = to_tensors(network)
    spoil(tensors)
    with pytest.raises(FileError, match="is not what was trained"):
        look(network, tensors)


def test_another_dtype(network, look):
    with pytest.raises(FileError, match="is not what was trained"):
        look(network, to_tensors(network), torch.float16)


@pytest.mark.parametrize("change", [
    lambda tensors, name: tensors.pop(name),
    lambda tensors, name: tensors.update({f"lora_unet_made_up.{name.rpartition('.lora')[2]}": tensors.pop(name)}),
    lambda tensors, name: tensors.update({"lora_unet_made_up.alpha": torch.ones(())}),
], ids=["missing", "renamed", "more"])
def test_a_key_that_is_not_loaded(network, look, change):
    tensors = to_tensors(network)
    change(tensors, last(tensors, ".lora_up.weight"))
    with pytest.raises(FileError, match="ComfyUI would not load .* keys of it, the first is"):
        look(network, tensors)


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_a_kind_that_writes_another_change_than_it_trains(patcher, look, monkeypatch, algorithm):
    """The numbers of file and memory are the same then: what ComfyUI makes of them is not."""
    network = network_of(patcher, algorithm)
    read = look(network, to_tensors(network))
    assert read.modules == len(network) and read.unmapped == () and read.largest_error < 1e-4 and 3 < read.sorts < len(network) / 2
    kind = adapters.get(algorithm)
    whole = kind.file_tensors
    monkeypatch.setattr(kind, "file_tensors", lambda own: {name: 1.2 * tensor for name, tensor in whole(own).items()})
    with pytest.raises(FileError, match="is not what was trained"):
        look(network, to_tensors(network))


def test_few_weights_are_computed(comfy, network, look, monkeypatch):
    from pack.host.lora import verify

    seen, made, merged = [], [], verify.merged
    monkeypatch.setattr(verify, "merged", lambda patch, weight: made.append(weight.shape) or merged(patch, weight))
    read = look(network, to_tensors(network), watch=lambda done, total: seen.append((done, total)))
    assert len(set(made)) <= len(made) == read.sorts < len(network) / 4 and seen[0][0] == 0 and seen[-1][0] == seen[-1][1] >= len(network)


def test_cancelled_while_it_reads_back(comfy, sd15_checkpoint, monkeypatch):
    """The run is finished and its file there; the nodes after it are not run."""
    from pack.host import train

    def pressed(path, network, *given):
        comfy.interrupt()
        return read_back(path, network, *given)

    read_back = train.read_back
    monkeypatch.setattr(train, "read_back", pressed)
    graph = train_graph(sd15_checkpoint, place_pictures(comfy), run_name="cut short", steps=1)
    graph["save"] = node("LoRACanvasSaveLoRA", lora=["train", 2], filename="never saved", dtype="bf16")
    with pytest.raises(PromptInterrupted) as interrupted:
        comfy.run(graph)
    assert interrupted.value.node_id == "save"
    records = read_log(comfy.base / "output" / "lora_canvas" / "cut short")
    assert [record["reason"] for record in records if record["event"] == "ended"] == ["finished"]
    assert any("0 of" in record.get("text", "") and "Cancel was pressed" in record["text"] for record in records)
