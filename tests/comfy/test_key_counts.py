"""Full-size models have the modules that kohya's sd-scripts train, under kohya's names (counted by running its network
classes on meta tensors), and ComfyUI maps every key."""

import pytest
import torch

from pack.tests.comfy import full_size
from pack.training.families import FAMILIES
from pack.training.network.block_weights import BlockRule, BlockWeights
from pack.training.network.slots import slots_for
from pack.training.network.spec import NetworkSpec, TargetSpec

# kohya's own SD2 encoder has 23 layers; ComfyUI keeps the 24th, which the model does not look at.
TEXT = {"sd15": {"clip_l": 72}, "sd2": {"clip_h": 144}, "sdxl": {"clip_l": 72, "clip_g": 192}, "flux": {"clip_l": 72, "t5xxl": 0}}
COUNTS = {"sd15": (192, 278), "sd2": (192, 278), "sdxl": (722, 788), "flux": (304, 304)}

NAMES = {
    "sd15": [
        *(f"lora_unet_down_blocks_0_attentions_0_transformer_blocks_0_{attention}_to_{x}"
          for attention in ("attn1", "attn2") for x in ("q", "k", "v", "out_0")),
        "lora_unet_down_blocks_0_attentions_0_proj_in",
        "lora_unet_down_blocks_0_attentions_0_transformer_blocks_0_ff_net_0_proj",
        "lora_unet_down_blocks_0_attentions_0_transformer_blocks_0_ff_net_2",
        "lora_unet_mid_block_attentions_0_proj_out",
        *(f"lora_te_text_model_encoder_layers_0_{x}"
          for x in ("self_attn_q_proj", "self_attn_k_proj", "self_attn_v_proj", "self_attn_out_proj", "mlp_fc1", "mlp_fc2")),
    ],
    "sd2": ["lora_unet_down_blocks_0_attentions_0_proj_in", "lora_te_text_model_encoder_layers_22_mlp_fc2"],
    "sdxl": [
        "lora_unet_input_blocks_4_1_proj_in", "lora_unet_input_blocks_4_1_transformer_blocks_0_attn1_to_q",
        "lora_unet_middle_block_1_transformer_blocks_0_ff_net_0_proj", "lora_unet_output_blocks_0_1_transformer_blocks_0_attn2_to_v",
        "lora_te1_text_model_encoder_layers_0_mlp_fc1", "lora_te2_text_model_encoder_layers_31_mlp_fc2",
    ],
    "flux": [
        *(f"lora_unet_double_blocks_0_{side}_{x}"
          for side in ("img", "txt") for x in ("attn_qkv", "attn_proj", "mlp_0", "mlp_2", "mod_lin")),
        *(f"lora_unet_single_blocks_37_{x}" for x in ("linear1", "linear2", "modulation_lin")),
        "lora_te1_text_model_encoder_layers_0_mlp_fc1",
    ],
}
CONVOLUTIONS = {
    "sd15": [
        *(f"lora_unet_down_blocks_0_resnets_0_{x}" for x in ("conv1", "conv2", "time_emb_proj")),
        "lora_unet_down_blocks_1_resnets_0_conv_shortcut",
        "lora_unet_down_blocks_0_downsamplers_0_conv", "lora_unet_up_blocks_0_upsamplers_0_conv",
    ],
    "sdxl": [
        *(f"lora_unet_input_blocks_1_0_{x}" for x in ("in_layers_2", "out_layers_3", "emb_layers_1")),
        "lora_unet_input_blocks_4_0_skip_connection", "lora_unet_input_blocks_3_0_op", "lora_unet_output_blocks_2_2_conv",
    ],
}
NEVER = ("conv_in", "conv_out", "time_embedding", "input_blocks_0_", "time_embed", "label_emb", "out_2",
         "text_projection", "img_in", "final_layer")


class Whole:
    """A family's model and text encoders, and what a spec would train on them: file key -> Slot."""

    def __init__(self, comfy, family: str):
        from pack.host.model.family import family_of
        from pack.host.model.parts import trainable_parts

        patcher, clip = full_size.patcher(comfy, family), full_size.clip(comfy, family)
        self.family = family_of(patcher)
        assert self.family is FAMILIES[family]
        self.parts = trainable_parts(patcher, clip, self.family, torch.float32)
        self.keys = {(part.name, path): key for part in self.parts for path, key in part.file_keys.items()}
        lora = comfy.module("comfy.lora")
        self.known = lora.model_lora_keys_clip(clip.cond_stage_model, lora.model_lora_keys_unet(patcher.model, {}))

    def slots(self, **settings) -> dict:
        """Every key under which something is saved must be one that ComfyUI maps to that very weight."""
        found = {}
        for (part, path), slot in slots_for(NetworkSpec(**settings), self.parts).items():
            key = self.keys[part, path]
            assert self.known[key] == f"{part}.{path}.weight"
            assert key not in found
            found[key] = slot
        return found


@pytest.fixture(scope="module", params=COUNTS)
def whole(request, comfy):
    return Whole(comfy, request.param)


def count(slots: dict, prefix: str) -> int:
    return sum(key.startswith(prefix + "_") for key in slots)


def test_counts_are_kohya_s(whole):
    family = whole.family
    plain, with_conv = whole.slots(), whole.slots(conv_rank=8, conv_alpha=8.0)
    assert (count(plain, "lora_unet"), count(with_conv, "lora_unet")) == COUNTS[family.name]
    for name, prefix in family.text_encoder_prefixes:
        assert count(plain, prefix) == count(with_conv, prefix) == TEXT[family.name][name]
    assert len(plain) == COUNTS[family.name][0] + sum(TEXT[family.name].values())


def test_names_are_kohya_s(whole):
    plain, with_conv = whole.slots(), whole.slots(conv_rank=8, conv_alpha=8.0)
    assert set(NAMES[whole.family.name]) <= plain.keys()
    assert set(CONVOLUTIONS.get(whole.family.name, ())) <= with_conv.keys() - plain.keys()
    assert not [key for key in with_conv if any(word in key for word in NEVER)]


def test_conv_rank_is_for_true_convolutions_only(whole):
    slots = whole.slots(rank=4, alpha=4.0, conv_rank=2, conv_alpha=1.0)
    for key, slot in slots.items():
        assert slot.rank == (2 if max(slot.op.kernel, default=1) > 1 else 4), key


def test_presets(whole):
    family = whole.family.name
    everything = whole.slots(targets=TargetSpec(preset="all linear + convolution"))
    linear = whole.slots(targets=TargetSpec(preset="all linear"))
    attention = whole.slots(targets=TargetSpec(preset="attention"))
    assert attention.keys() < whole.slots().keys() < linear.keys() <= everything.keys()
    if family == "flux":
        assert count(attention, "lora_unet") == 19 * 4 + 38
        assert any("img_in" in key for key in linear)
    if family in ("sd15", "sdxl"):
        assert count(attention, "lora_unet") == {"sd15": 16 * 8, "sdxl": 70 * 8}[family]


@pytest.mark.parametrize("rank_0", [range(9, 12), range(22, 25)])
def test_twenty_five_ranks(comfy, rank_0):
    """kohya's block_dims: SD1.5 has modules of its transformers at 1, 2, 4, 5, 7, 8, 12 and 16 to 24."""
    ranks = tuple(float(i not in rank_0) * (i + 1) for i in range(25))
    for family, with_modules in (("sd15", {1, 2, 4, 5, 7, 8, 12, *range(16, 25)}), ("sdxl", {4, 5, 7, 8, 12, *range(13, 19)})):
        slots = Whole(comfy, family).slots(block_weights=BlockWeights(ranks=ranks))
        found = {slot.rank - 1 for key, slot in slots.items() if key.startswith("lora_unet")}
        assert found == with_modules - set(rank_0)


def test_sdxl_takes_kohya_s_21_and_23(comfy):
    """9 down, 3 mid, 9 up; for ranks also the embedding in front and the output behind."""
    whole = Whole(comfy, "sdxl")
    lr = tuple(i / 10 for i in range(1, 22))
    slots = whole.slots(block_weights=BlockWeights(lr=lr, ranks=(99, *range(1, 22), 99)))
    assert slots["lora_unet_input_blocks_4_1_proj_in"].lr == 0.5
    assert slots["lora_unet_input_blocks_4_1_proj_in"].rank == 5
    assert slots["lora_unet_middle_block_1_proj_in"].lr == pytest.approx(1.1)
    assert slots["lora_unet_output_blocks_0_1_proj_in"].rank == 13
    everything = whole.slots(block_weights=BlockWeights(ranks=(99, *range(1, 22), 98)),
                             targets=TargetSpec(preset="all linear + convolution"))
    assert everything["lora_unet_time_embed_0"].rank == 99
    assert everything["lora_te1_text_model_encoder_layers_0_mlp_fc1"].rank == 16


def test_flux_ranges(comfy):
    whole = Whole(comfy, "flux")
    rules = (BlockRule(where="double 0-3,5", lr=0.5), BlockRule(where="single", rank=4), BlockRule(where="single 10-37", lr=0.0))
    slots = whole.slots(block_weights=BlockWeights(rules=rules))
    assert sum(slot.lr == 0.5 for slot in slots.values()) == 5 * 10
    assert sum(slot.rank == 4 for slot in slots.values()) == 10 * 3
    lr = tuple(1 + i / 100 for i in range(57))
    listed = whole.slots(block_weights=BlockWeights(lr=lr))
    assert listed["lora_unet_double_blocks_18_img_mlp_0"].lr == 1.18 and listed["lora_unet_single_blocks_37_linear1"].lr == 1.56


def test_t5_is_an_option(comfy):
    slots = Whole(comfy, "flux").slots(targets=TargetSpec(include=("/^t5xxl\\..*Attention\\.[qkvo]$/",)))
    assert count(slots, "lora_te3") == 24 * 4
    assert "lora_te3_encoder_block_0_layer_0_SelfAttention_q" in slots
