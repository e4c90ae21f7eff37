"""Text encoders in scaled fp8: a T5 laid out like t5xxl_fp8_e4m3fn_scaled, which most FLUX users have, with CLIP-L beside it; and a
CLIP-L of SD1.5, whose layers ComfyUI reads so where a loader asks it to (its own loaders do not yet)."""

import pytest
import torch
from safetensors.torch import load_file, save_file

from pack.demo.tiny.checkpoints import SEED, SHORT_LAYERS, SHORT_TEXT_OPTIONS
from pack.demo.tiny.clip import LAYERS_L, WIDTH_L, clip_l_weights
from pack.demo.tiny.t5 import t5_weights
from pack.tests.comfy import tiny_models
from pack.tests.comfy.graphs import node, place_pictures, train_graph
from pack.tests.comfy.parts import network_for
from pack.tests.comfy.quantised import dequantised, old_scaled, quantised
from pack.tests.comfy.test_quantised import cosine
from pack.tests.comfy.tiny_models import TRAINED
from pack.training.network.attach import attached
from pack.training.network.spec import NetworkSpec, TargetSpec

T5 = "text_encoders.t5xxl.transformer."
#: What ComfyUI knows FLUX by; the diffusion model itself is not made.
FLUX = {"double_blocks.0.img_attn.norm.key_norm.scale": (128,), "img_in.weight": (3072, 64), "txt_in.weight": (3072, 64),
        "vector_in.in_layer.weight": (3072, 768), "guidance_in.in_layer.weight": (3072, 256), "guidance_in.in_layer.bias": (3072,)}


def is_matrix(key: str) -> bool:
    return ".block." in key and "relative_attention_bias" not in key and "norm" not in key


@pytest.fixture(scope="module")
def clip_of(comfy):
    """The CLIP of a FLUX checkpoint, its T5 in scaled fp8 or as it is."""

    def load(scaled: bool):
        t5 = {f"{T5}{key}": weight for key, weight in t5_weights(SEED + 4).items()}
        state = old_scaled(t5, is_matrix, T5) if scaled else t5
        state |= {f"text_encoders.clip_l.transformer.{key}": weight for key, weight in clip_l_weights(SEED + 1, SHORT_LAYERS).items()}
        state |= {f"model.diffusion_model.{key}": torch.empty(shape, dtype=torch.bfloat16, device="meta") for key, shape in FLUX.items()}
        with torch.inference_mode():
            loaded = comfy.module("comfy.sd").load_state_dict_guess_config(
                state, output_vae=False, output_model=False, te_model_options=dict(SHORT_TEXT_OPTIONS))
        return loaded[1]

    return load


def gradient(comfy, clip) -> torch.Tensor:
    """Of adapters on T5 alone, through a caption's condition."""
    from pack.host.model.text import ComfyTextEncoder
    from pack.host.session import Session

    tiny = next(tiny for tiny in TRAINED if tiny.name == "Flux")
    session = Session(tiny_models.patcher(comfy, tiny), clip=clip, precision="fp32")
    parts = [part for part in session.parts() if part.name == "t5xxl"]
    network = network_for(parts, NetworkSpec(rank=4, alpha=2.0, targets=TargetSpec(include=("t5xxl",))))
    with session.training(), attached(network, parts, checkpointing=False):
        condition = ComfyTextEncoder(clip).encode_trainable("a fox in the snow")
        condition.tensors["cond"].float().square().mean().backward()
    return torch.cat([parameter.grad.flatten() for _, parameter in network.named_parameters()])


def test_t5_in_scaled_fp8_has_the_dequantised_one_s_gradient(comfy, clip_of):
    clip, plain = clip_of(scaled=True), clip_of(scaled=True)
    dequantised(comfy, plain.cond_stage_model, torch.float32)
    assert cosine(gradient(comfy, clip), gradient(comfy, plain)) > 0.999


def test_identity(comfy, clip_of):
    """It can be asked, it is the same each time, and another one's than the plain encoder's."""
    from pack.host.model.text import ComfyTextEncoder

    identities = [ComfyTextEncoder(clip_of(scaled)).identity for scaled in (True, True, False)]
    assert identities[0] == identities[1] != identities[2]


def is_clip_matrix(key: str) -> bool:
    return ".layers." in key and "norm" not in key


@pytest.fixture(scope="module")
def clip_l(comfy):
    """A CLIP-L in scaled fp8, in models/text_encoders; CLIPLoader is told to read it so while the module's tests run."""
    weights = clip_l_weights(SEED + 1) | {"text_projection.weight": torch.eye(WIDTH_L, dtype=torch.float16)}
    tensors, metadata = quantised(comfy, weights, "fp8 scaled", is_clip_matrix)
    folder = comfy.base / "models" / "text_encoders"
    folder.mkdir(parents=True, exist_ok=True)
    save_file({key: tensor.contiguous() for key, tensor in tensors.items()}, folder / "clip_l_fp8_scaled.safetensors", metadata)
    sd = comfy.module("comfy.sd")
    options = {"quantization_metadata": metadata["_quantization_metadata"]}
    with pytest.MonkeyPatch.context() as patch:
        load = sd.load_clip
        patch.setattr(sd, "load_clip", lambda **named: load(**{**named, "model_options": options}))
        yield node("CLIPLoader", clip_name="clip_l_fp8_scaled.safetensors", type="stable_diffusion", device="default")


def layers_of(clip) -> list[torch.nn.Module]:
    return [layer for name, layer in clip.cond_stage_model.named_modules() if is_clip_matrix(name) and hasattr(layer, "in_features")]


def test_captions_by_a_quantised_clip_l(comfy, clip_l):
    """As the dequantised one reads them."""
    from pack.host.model.text import ComfyTextEncoder

    with torch.inference_mode():
        clip, plain = (comfy.module("nodes").CLIPLoader().load_clip("clip_l_fp8_scaled.safetensors")[0] for _ in range(2))
    kind = comfy.module("comfy.quant_ops").QuantizedTensor
    assert len(layers_of(clip)) == LAYERS_L * 6 and all(isinstance(layer.weight, kind) for layer in layers_of(clip))
    dequantised(comfy, plain.cond_stage_model, torch.float32)
    read, expected = (ComfyTextEncoder(each).encode("a fox in the snow").tensors["cond"].flatten() for each in (clip, plain))
    assert cosine(read.float(), expected.float()) > 0.9999


@pytest.fixture(scope="module")
def executor(comfy):
    """One for both: the models are loaded once."""
    return comfy.new_executor()


@pytest.mark.parametrize("rate", [0.0, 1e-3])
def test_through_the_graph(comfy, run_prompt, sd15_checkpoint, clip_l, executor, rate):
    """Trained beside it, and trained itself."""
    graph = train_graph(sd15_checkpoint, place_pictures(comfy), run_name="narrow_text", steps=1) | {"clip": clip_l}
    graph["train"]["inputs"]["clip"] = ["clip", 0]
    graph["optimizer"]["inputs"]["text_encoder_lr"] = rate
    graph["save"] = node("LoRACanvasSaveLoRA", lora=["train", 2], filename="narrow_text", dtype="fp32")
    tensors = load_file(run_prompt(graph, executor=executor).value("save"))
    learnt = {key.split("_")[1] for key, tensor in tensors.items() if key.endswith("lora_up.weight") and bool(tensor.abs().max() > 0)}
    assert learnt == ({"unet", "te"} if rate else {"unet"})
