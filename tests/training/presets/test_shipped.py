"""The presets that ship: every combination, what each says and why, and the table of cards that it is chosen by."""

from itertools import product

import pytest

from pack.training.errors import SettingsError
from pack.training.presets.cards import PAGE, cards, read_cards
from pack.training.presets.record import NODES, PERSONAL
from pack.training.presets.shipped import BEYOND, card_sized, family_of, menu, numbers, shipped

TABLE = """text
| | the model, GiB | 8 GB | 16 GB |
|---|---|---|---|
| Big, bf16 | 22.2 | no | 1.7: 57 % stays, all twice |
| Big, fp8 | 11.1 | 1.8\\*: 44 % stays | 3.2: whole, 9 of 57 twice |
| short | 1 |

| | another table |
"""


def values(preset) -> dict[str, object]:
    return {f"{one.node.removeprefix('LoRACanvas')}.{one.widget}": one.value for one in preset.settings}


def test_the_table_is_read_as_it_is_written():
    table = read_cards(TABLE)
    assert table.sizes == (8, 16) and set(table.rows) == {"Big, bf16", "Big, fp8"}
    assert [table.stays(row, size) for row in table.rows for size in table.sizes] == [0, 57, 44, 100]
    assert table.said("Big, bf16", 24) == table.said("none", 8) == ""
    assert table.best(list(table.rows), 8) == "Big, fp8" == table.best(list(table.rows), 16)


def test_the_more_exact_dtype_is_taken_where_enough_of_it_stays():
    table = read_cards(TABLE.replace("57 %", "90 %"))
    assert table.best(["Big, bf16", "Big, fp8"], 16) == "Big, bf16"


def test_the_page_has_every_row_that_a_family_speaks_of():
    table = cards()
    assert PAGE.is_file() and table.sizes
    assert {row for one in numbers()["families"].values() for row in one.get("rows", {})} <= set(table.rows)


def test_without_the_page_nothing_is_said_of_a_card():
    empty = read_cards("")
    assert menu(empty)["cards"] == [BEYOND] and card_sized(8.0, empty) == BEYOND
    assert "UNETLoader.weight_dtype" in values(shipped("style", "flux", BEYOND, empty))


@pytest.mark.parametrize(("kind", "family"), list(product(numbers()["kinds"], numbers()["families"])))
def test_every_preset_says_why_and_whose_word_it_is(kind, family):
    for card in menu()["cards"]:
        preset = shipped(kind, family, card)
        assert len({(one.node, one.widget) for one in preset.settings}) == len(preset.settings)
        for one in preset.settings:
            assert one.node in NODES and one.widget not in PERSONAL
            assert one.source and one.why["en"] and one.why["zh"], one


def test_every_reason_is_somebodys():
    """None is left over, and none has a place that nobody fills."""
    found = numbers()
    used = {why for part in ("kinds", "families") for one in found[part].values() for sets in (one["sets"], *one.get("for", {}).values())
            for _, why in sets.values()} | {one["alpha"][1] for one in found["families"].values()}
    used |= {why for _, why in found["card"]["sets"].values()}
    assert used | {"table", "told_by_node", "large_card"} == set(found["reasons"])
    assert all("{" not in text for name, one in found["reasons"].items() if name != "table" for text in (one["en"], one["zh"]))


def test_what_is_trained_has_the_last_word_and_alpha_follows_the_rank():
    character, thing = values(shipped("character", "sdxl", 24)), values(shipped("object", "sdxl", 24))
    assert [character[name] for name in ("TrainLoRA.steps", "LoRANetwork.rank", "LoRANetwork.alpha")] == [3000, 32, 16]
    assert [thing[name] for name in ("TrainLoRA.steps", "LoRANetwork.rank", "LoRANetwork.alpha")] == [2500, 16, 8]
    qwen = values(shipped("character", "qwen_image", 24))
    assert [qwen[name] for name in ("LoRANetwork.rank", "LoRANetwork.alpha", "Optimizer.learning_rate", "TrainingObjective.shift")] == [
        16, 16, 5e-5, 2.2]
    assert values(shipped("style", "sd15", 8))["Optimizer.text_encoder_lr"] == 5e-5


def test_the_dtype_to_load_in_follows_the_card():
    rows = {"FLUX.1, 1024, bf16": ("1: 57 % stays", "2: 91 % stays"), "FLUX.1, 1024, fp8": ("3: whole", "4: 99 % stays")}
    table = read_cards("| | x | 16 GB | 24 GB |\n|-|-|-|-|\n" + "".join(f"| {name} | 1 | {a} | {b} |\n" for name, (a, b) in rows.items()))
    dtypes = [values(shipped("style", "flux", card, table))["UNETLoader.weight_dtype"] for card in ("16", "24", BEYOND)]
    assert dtypes == ["fp8_e4m3fn", "default", "default"]
    [memory] = [one for one in shipped("style", "flux", 16, table).settings if one.widget == "memory"]
    assert memory.why["en"] == "FLUX.1, 1024, fp8 on 16 GB: 3 GiB beside the model; whole."
    assert "UNETLoader.weight_dtype" not in values(shipped("style", "sdxl", 16))


@pytest.mark.parametrize(("gib", "card"), [(3.9, 6), (5.8, 6), (7.6, 8), (11.6, 12), (15.5, 16), (14.0, 12), (23.5, 24), (79.0, BEYOND)])
def test_a_card_holds_a_little_less_than_it_is_sold_with(gib, card):
    table = read_cards("| | x | 6 GB | 8 GB | 10 GB | 12 GB | 16 GB | 24 GB |\n|-|\n")
    assert card_sized(gib, table) == card


@pytest.mark.parametrize(("file", "ancestry", "family"), [
    ("a.safetensors", ["SSD1B", "SDXL", "BASE"], "sdxl"), ("flux2-klein.safetensors", ["Flux2", "Flux", "BASE"], "flux2"),
    ("x.safetensors", ["FluxSchnell", "Flux", "BASE"], "flux"), ("z_image_turbo_bf16.safetensors", ["ZImage", "Lumina2"], "z_image_turbo"),
    ("mine.safetensors", ["ZImage", "Lumina2"], "z_image"), ("sdxl.safetensors", ["WAN21_T2V", "BASE"], None),
    ("sd_xl_base_1.0.safetensors", [], "sdxl"), ("v1-5-pruned.ckpt", [], "sd15"), ("flux1-dev.safetensors", [], "flux"),
    ("FLUX-2-Klein-4B.safetensors", [], "flux2"), ("Z-Image-Turbo.gguf", [], "z_image_turbo"), ("who_knows.safetensors", [], None),
])
def test_the_family_by_the_header_else_by_the_name(file, ancestry, family):
    assert family_of(file, ancestry) == family


@pytest.mark.parametrize(("kind", "family", "card", "said"), [
    ("portrait", "sdxl", "8", "unknown kind 'portrait'"),
    ("style", "sdxxl", "8", "Did you mean 'sdxl'"), ("style", "sdxl", "7", "card is '7'")])
def test_what_is_not_there_is_refused(kind, family, card, said):
    with pytest.raises(SettingsError, match=said):
        shipped(kind, family, card)
