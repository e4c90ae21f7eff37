"""A LoRA to go on from is data: what is damaged in it is told in a sentence, never by an error of the loader, nor later of a picture."""

import pytest
import torch
from safetensors.torch import save

from pack.tests.comfy.parts import load, session_of
from pack.tests.comfy.test_start_from import BLOCK, FF, SD15, pair
from pack.tests.mutations import of_bytes, of_lora
from pack.training.errors import SettingsError, TrainingError
from pack.training.network.build import build_network, prepare
from pack.training.network.spec import NetworkSpec

WHOLE = save(SD15["kohya"])


@pytest.fixture(scope="module")
def ground(comfy, sd15_checkpoint):
    loaded = load(comfy, sd15_checkpoint)
    session = session_of(loaded)
    session.load()
    return loaded, session, session.parts()


@pytest.fixture
def goes_on(comfy, ground, tmp_path, monkeypatch):
    """`goes_on(bytes)`: 'goes on', or what is said; whatever else is raised stays."""
    from pack.host.lora.start_from import module_starts, start_from

    loaded, session, parts = ground
    monkeypatch.setitem(comfy.folder_paths.folder_names_and_paths, "loras", ([str(tmp_path)], {".safetensors"}))

    def once(content: bytes) -> str:
        (tmp_path / "old.safetensors").write_bytes(content)
        try:
            start = start_from("old.safetensors", None, rank_from_file=True, drop_others=False)
            starts = module_starts(start, loaded.model, loaded.clip, parts)
            network = build_network(NetworkSpec(start_from=start), parts, seed=0, starts=starts)
            with session.training():
                prepare(network, parts, starts)
        except TrainingError as error:
            assert isinstance(error, SettingsError) and str(tmp_path) not in str(error)
            return str(error)
        assert all(bool(torch.isfinite(own).all()) for _, own in network.named_parameters())
        return "goes on"

    return once


def test_whatever_is_wrong_with_a_file_is_a_sentence(goes_on):
    assert goes_on(WHOLE) == "goes on"
    told = []
    for mutation in [*of_bytes(WHOLE, seed=4, count=25), *of_lora(WHOLE, seed=5, count=50)]:
        try:
            told.append(goes_on(mutation.content))
        except Exception as error:
            raise AssertionError(f"{mutation.told}: {type(error).__name__}: {error}") from error
    assert sum(outcome != "goes on" for outcome in told) > 30


KEY = f"diffusion_model.{BLOCK}.{FF}"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({f"{KEY}.lora_up.weight": None}, "lora_down.weight' is there without its '.lora_up.weight'"),
        ({f"{KEY}.lora_down.weight": None}, "lora_up.weight' is there without its '.lora_down.weight'"),
        ({f"{KEY}.lora_up.weight": torch.full((320, 4), torch.nan)}, "holds NaN, infinity, or numbers beyond 65504"),
        ({f"{KEY}.lora_up.weight": torch.full((320, 4), 1e9)}, "holds NaN, infinity, or numbers beyond 65504"),
        ({f"{KEY}.lora_up.weight": torch.zeros(4, 320)}, "has another shape"),
        ({f"{KEY}.lora_up.weight": torch.zeros(320, 4, dtype=torch.int32)}, "not of floating-point numbers"),
        ({f"{KEY}.alpha": torch.tensor([1.0, 2.0])}, "must be one number"),
        ({f"{KEY}.alpha": torch.tensor(torch.nan)}, "must be one number"),
        ({f"{KEY}.alpha": torch.tensor(0.0)}, "has alpha 0"),
    ],
)
def test_damage_is_named(goes_on, change, message):
    tensors = {**pair(KEY, 320, 1280), **change}
    assert message in goes_on(save({name: tensor for name, tensor in tensors.items() if tensor is not None}))


def test_a_file_that_went_is_told(goes_on, tmp_path):
    from pack.host.lora.start_from import start_from

    with pytest.raises(SettingsError, match="there is no LoRA called 'gone.safetensors' any more"):
        start_from("gone.safetensors", None, rank_from_file=True, drop_others=False)
