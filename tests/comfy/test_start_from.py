"""Training goes on from a LoRA in whatever format ComfyUI loads: the started network is the model with that file applied."""

from dataclasses import replace

import pytest
import torch

from pack.tests.comfy.parts import condition, load, network_for, session_of
from pack.training.errors import SettingsError
from pack.training.network.attach import attached
from pack.training.network.build import build_network, prepare
from pack.training.network.files import to_tensors
from pack.training.network.kinds.menu import ALGORITHMS, KINDS
from pack.training.network.spec import NetworkSpec, TargetSpec
from pack.training.network.start_from import apply_start


@pytest.fixture(scope="module")
def sd15(comfy, sd15_checkpoint):
    return load(comfy, sd15_checkpoint)


@pytest.fixture(scope="module")
def flux(comfy, flux_checkpoint):
    return load(comfy, flux_checkpoint)


def normal(*shape, seed=0):
    return 0.05 * torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def pair(key: str, out: int, fan_in: int, *, rank=4, up="lora_up.weight", down="lora_down.weight", alpha=None, seed=0, kernel=()):
    ones = [1] * len(kernel)
    tensors = {f"{key}.{up}": normal(out, rank, *ones, seed=seed), f"{key}.{down}": normal(rank, fan_in, *kernel, seed=seed + 1)}
    return tensors | ({f"{key}.alpha": torch.tensor(float(alpha))} if alpha is not None else {})


BLOCK = "output_blocks.0.1.transformer_blocks.0"
UP = "up_blocks_0_attentions_0"
Q, FF = "attn1.to_q", "ff.net.2"

#: Formats of SD1.5 LoRAs in the wild; each changes to_q and the second feed-forward linear of one block.
SD15 = {
    "kohya": {**pair(f"lora_unet_{UP}_transformer_blocks_0_attn1_to_q", 320, 320, alpha=2),
              **pair(f"lora_unet_{UP}_transformer_blocks_0_ff_net_2", 320, 1280, seed=5)},
    "native": {**pair(f"diffusion_model.{BLOCK}.{Q}", 320, 320, alpha=2),
               **pair(f"diffusion_model.{BLOCK}.{FF}", 320, 1280, seed=5, alpha=1)},
    "peft": {**pair("unet.up_blocks.0.attentions.0.transformer_blocks.0.attn1.processor.to_q", 320, 320,
                    up="lora_B.weight", down="lora_A.weight"),
             **pair(f"diffusion_model.{BLOCK}.{FF}", 320, 1280, up="lora_B.weight", down="lora_A.weight", seed=5)},
    "processor": {**pair("unet.up_blocks.0.attentions.0.transformer_blocks.0.attn1.processor.to_q", 320, 320,
                         up="_lora.up.weight", down="_lora.down.weight")},
    "lycoris": pair(f"lycoris_{UP}_transformer_blocks_0_attn1_to_q", 320, 320, alpha=1),
}
SD15["processor"] = {key.replace("to_q._lora", "to_q_lora"): tensor for key, tensor in SD15["processor"].items()}
TUCKER = {"lora_mid.weight": normal(4, 4, 3, 3), "lora_up.weight": normal(320, 4, 1, 1, seed=1),
          "lora_down.weight": normal(4, 320, 1, 1, seed=2), "alpha": torch.tensor(2.0)}
SD15["tucker"] = {f"lora_unet_up_blocks_0_resnets_0_conv2.{key}": tensor for key, tensor in TUCKER.items()}
OTHER_KINDS = {
    "loha": {f"lora_unet_{UP}_transformer_blocks_0_attn1_to_q.{name}": tensor for name, tensor in {
        "hada_w1_a": normal(320, 4), "hada_w1_b": normal(4, 320, seed=1), "hada_w2_a": normal(320, 4, seed=2),
        "hada_w2_b": normal(4, 320, seed=3),
        "alpha": torch.tensor(400.0)}.items()},
    "dora": {**pair(f"lora_unet_{UP}_transformer_blocks_0_attn1_to_q", 320, 320, alpha=2),
             f"lora_unet_{UP}_transformer_blocks_0_attn1_to_q.dora_scale": 1 + normal(1, 320, seed=9).abs()},
}


def read(tensors, loaded, parts, **options):
    from pack.host.lora.start_from import module_starts, start_from

    start = start_from("none", tensors, **{"rank_from_file": True, "drop_others": False, **options})
    return start, module_starts(start, loaded.model, loaded.clip, parts)


def started(loaded, tensors, algorithm="lora", clip=None, **options):
    session = session_of(loaded, clip=clip)
    session.load()
    parts = session.parts()
    start, starts = read(tensors, loaded, parts, **options)
    spec = NetworkSpec(algorithm=algorithm, rank=8, start_from=start, targets=TargetSpec(preset="all linear + convolution"))
    network = build_network(spec, parts, seed=0, starts=starts)
    with session.training():
        prepare(network, parts, starts)
    return session, parts, network


def outputs(session, inputs, parts=(), network=None):
    x, sigma, given = inputs
    with session.training(), torch.no_grad():
        if network is None:
            return session.denoiser.denoise(x, sigma, [given])
        with attached(network, list(parts), checkpointing=False):
            return session.denoiser.denoise(x, sigma, [given])


def applied(comfy, loaded, tensors):
    """The model with the file applied by ComfyUI's own loader, at strength 1."""
    model, clip = comfy.module("comfy.sd").load_lora_for_models(loaded.model, loaded.clip, dict(tensors), 1.0, 1.0)
    return type(loaded)(model, clip, loaded.vae)


SD_INPUTS = (torch.randn(1, 4, 8, 8, generator=torch.Generator().manual_seed(3)), torch.tensor([1.0]), condition())


def check(comfy, loaded, inputs, tensors, algorithm="lora", **options):
    base = outputs(session_of(loaded), inputs)
    theirs = outputs(session_of(applied(comfy, loaded, tensors)), inputs)
    ours = outputs(*_first(started(loaded, tensors, algorithm, **options), inputs))
    assert (theirs - base).abs().max() > 1e-4
    assert (ours - theirs).abs().max() < 0.01 * (theirs - base).abs().max()


def _first(made, inputs):
    session, parts, network = made
    return session, inputs, parts, network


@pytest.mark.parametrize("name", SD15)
def test_sd15_formats(comfy, sd15, name):
    check(comfy, sd15, SD_INPUTS, SD15[name])


@pytest.mark.parametrize("name", OTHER_KINDS)
def test_other_kinds(comfy, sd15, name):
    check(comfy, sd15, SD_INPUTS, OTHER_KINDS[name], name)
    with pytest.raises(SettingsError, match=f"holds {name}, but algorithm on the LoRA Network node is 'lora'"):
        started(sd15, OTHER_KINDS[name])


@pytest.mark.parametrize("kind", KINDS, ids=ALGORITHMS)
def test_what_we_wrote_is_read_as_what_it_is(sd15, kind):
    """Every kind's own file, through ComfyUI's adapters, into another network of the kind: the same file again."""
    parts = session_of(sd15).parts()
    spec = NetworkSpec(algorithm=kind.algorithm, rank=12, alpha=4.0, targets=TargetSpec(preset="attention"))
    written = to_tensors(build_network(spec, parts, seed=1))
    start, starts = read(written, sd15, parts)
    assert {module.algorithm for module in starts.values()} == {"lora" if kind.is_plain_lora else kind.algorithm}
    again = build_network(replace(spec, start_from=start), parts, seed=2, starts=starts)
    apply_start(again.items(), starts)
    tensors = to_tensors(again)
    assert tensors.keys() == written.keys()
    for name, tensor in tensors.items():
        torch.testing.assert_close(tensor, written[name], atol=1e-6, rtol=1e-5)


#: Norms and biases as LyCORIS and as ComfyUI's own trainer call them; and a bias of the norm alone.
OFFSETS = {
    "lycoris": {"norm1.w_norm": normal(320), "norm1.b_norm": normal(320, seed=1), f"{FF}.diff_b": normal(320, seed=2)},
    "core": {"norm1.diff": normal(320), "norm1.diff_b": normal(320, seed=1), f"{FF}.diff_b": normal(320, seed=2)},
    "bias alone": {"norm2.diff_b": 10 * normal(320)},
}


@pytest.mark.parametrize("name", OFFSETS)
def test_norms_and_biases_of_the_file(comfy, sd15, name):
    more = {f"diffusion_model.{BLOCK}.{key}": tensor for key, tensor in OFFSETS[name].items()}
    tensors = {**pair(f"diffusion_model.{BLOCK}.{FF}", 320, 1280), **more}
    check(comfy, sd15, SD_INPUTS, tensors)
    with pytest.raises(SettingsError, match="switch train_norms or train_biases on"):
        started(sd15, tensors, rank_from_file=False)


def test_norms_and_biases_that_we_wrote_are_read_back(sd15):
    parts = session_of(sd15).parts()
    spec = NetworkSpec(rank=4, alpha=4.0, train_norms=True, train_biases=True)
    network = build_network(spec, parts, seed=1)
    for _, own in network.named_parameters():
        own.data.normal_(0, 0.1, generator=torch.Generator().manual_seed(own.numel()))
    written = to_tensors(network)
    for rank_from_file in (True, False):
        start, starts = read(written, sd15, parts, rank_from_file=rank_from_file)
        again = build_network(replace(spec, start_from=start), parts, seed=2, starts=starts)
        apply_start(again.items(), starts)
        tensors = to_tensors(again)
        assert tensors.keys() == written.keys()
        assert all(torch.equal(tensor, written[name]) for name, tensor in tensors.items())


def test_rank_and_alpha_are_the_file_s(sd15):
    _, _, network = started(sd15, SD15["kohya"])
    assert {path.rsplit(".", 2)[-1]: (a.rank, a.alpha) for (_, path), a in network.items()} == {"to_q": (4, 2.0), "2": (4, 4.0)}


FLUX_INPUTS = (torch.randn(1, 16, 8, 8, generator=torch.Generator().manual_seed(3)), torch.tensor([0.7]),
               condition(width=64, tokens=16, pooled=768))


def split_qkv(prefix: str) -> dict:
    """diffusers' FLUX: q, k and v of their own, two of them with other ranks and alphas; the output projection."""
    tensors = {}
    for i, (name, rank, alpha) in enumerate((("to_q", 2, 1), ("to_k", 3, None), ("to_v", 4, 8))):
        tensors |= pair(f"{prefix}transformer_blocks.0.attn.{name}", 3072, 3072, rank=rank, alpha=alpha,
                        up="lora_B.weight", down="lora_A.weight", seed=10 * i)
    tensors |= pair(f"{prefix}single_transformer_blocks.0.proj_mlp", 12288, 3072, up="lora_B.weight", down="lora_A.weight", seed=50)
    return tensors | pair(f"{prefix}transformer_blocks.0.attn.to_out.0", 3072, 3072, up="lora_B.weight", down="lora_A.weight", seed=40)


def test_flux_s_split_qkv_becomes_one_lora(comfy, flux):
    tensors = split_qkv("transformer.")
    check(comfy, flux, FLUX_INPUTS, tensors)
    _, _, network = started(flux, tensors)
    assert {path: adapter.rank for (_, path), adapter in network.items()} == {
        "double_blocks.0.img_attn.qkv": 9, "double_blocks.0.img_attn.proj": 4, "single_blocks.0.linear1": 4,
    }


def test_flux_kohya(comfy, flux):
    check(comfy, flux, FLUX_INPUTS, pair("lora_unet_double_blocks_0_img_attn_qkv", 9216, 3072, alpha=2))


def test_text_encoders_of_the_file(comfy, sd15):
    tensors = {**SD15["kohya"], **pair("lora_te_text_model_encoder_layers_0_mlp_fc1", 3072, 768, seed=70)}
    with pytest.raises(SettingsError, match="changes 1 modules that this run does not train .in clip_l"):
        started(sd15, tensors)
    assert len(started(sd15, tensors, drop_others=True)[2]) == 2
    _, _, network = started(sd15, tensors, clip=sd15.clip)
    assert [path for part, path in dict(network.items()) if part == "clip_l"] == ["transformer.text_model.encoder.layers.0.mlp.fc1"]


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ({"lora_unet_nowhere.lora_up.weight": torch.zeros(2, 2)},
         "1 keys belong to no module of this model, the first is 'lora_unet_nowhere"),
        ({f"diffusion_model.{BLOCK}.attn1.to_v.diff": torch.zeros(320, 320)}, "changes a whole weight"),
        ({f"diffusion_model.{BLOCK}.attn1.to_out.0.diff_b": torch.zeros(320)}, "changes 1 modules that this run does not train"),
        ({f"diffusion_model.{BLOCK}.{Q}.dora_scale": torch.ones(320, 1), **pair(f"diffusion_model.{BLOCK}.{Q}", 320, 320)}, "scales rows"),
    ],
)
def test_what_cannot_be_trained_on_is_named(sd15, more, message):
    tensors = {**pair(f"diffusion_model.{BLOCK}.{FF}", 320, 1280), **more}
    with pytest.raises(SettingsError, match=message):
        started(sd15, tensors)
    assert len(started(sd15, tensors, drop_others=True)[2]) == 1


def test_a_file_for_another_model(sd15):
    with pytest.raises(SettingsError, match="belongs to another kind of model"):
        started(sd15, split_qkv("transformer."), drop_others=True)


def test_on_top_of_an_applied_lora(comfy, sd15):
    """The applied LoRA counts in the forward, and is neither in the saved file nor, after the run, in the base weights."""
    key = f"diffusion_model.{BLOCK}.{Q}.weight"
    base_weight = sd15.model.model.state_dict()[key].clone()
    patched = applied(comfy, sd15, SD15["kohya"])
    session = session_of(patched)
    with session.training():
        network = network_for(session.parts(), random_up=False)
    # `up` is 0, so the network adds nothing: what is left is the applied LoRA.
    ours = outputs(session, SD_INPUTS, session.parts(), network)
    x, sigma, given = SD_INPUTS
    with torch.inference_mode():
        comfy.model_management.load_models_gpu([patched.model])
        theirs = patched.model.model.apply_model(x, sigma, c_crossattn=given.text.tensors["cond"])
    torch.testing.assert_close(ours, theirs, atol=1e-5, rtol=1e-4)
    assert (ours - outputs(session_of(sd15), SD_INPUTS)).abs().max() > 1e-3
    assert all(not tensor.any() for name, tensor in to_tensors(network).items() if name.endswith("lora_up.weight"))
    sd15.model.model.to("cpu")
    patched.model.unpatch_model()
    assert torch.equal(sd15.model.model.state_dict()[key], base_weight)
