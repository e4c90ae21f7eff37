"""A CLIP that stays on the CPU while the model is on a card (--lowvram, `device: cpu` on its loader): both are trained all the same."""


import torch

from pack.tests.comfy.parts import Loaded, condition, network_for, session_of
from pack.tests.training.second_device import ELSEWHERE, HERE, SecondDevice
from pack.training.network import in_place
from pack.training.network.attach import attached
from pack.training.network.spec import NetworkSpec, TargetSpec
from pack.training.protocols import Condition

SPEC = NetworkSpec(rank=2, alpha=2.0, targets=TargetSpec(preset="attention"))


def gradients(comfy, loaded, away: bool) -> dict[str, torch.Tensor]:
    """Of a picture's error, in the adapters of the model, which `away` is on the second device, and of the text encoders."""
    from pack.host.lend import attention
    from pack.host.model.text import ComfyTextEncoder

    loaded.model.load_device = ELSEWHERE if away else HERE
    loaded.model.model.to(loaded.model.load_device)
    session = session_of(loaded, clip=loaded.clip)
    network = network_for(session.parts(), SPEC)
    network.place(session.parts())
    assert {place[0]: next(adapter.parameters()).device.type for place, adapter in network.items()} == {
        "diffusion_model": loaded.model.load_device.type, "clip_l": "cpu", "clip_g": "cpu"}
    x = torch.randn(1, 4, 8, 8, generator=torch.Generator().manual_seed(1)).to(session.device)
    with attention.pinned(), in_place.harmless(set()), attached(network, session.parts(), checkpointing=False):
        text = ComfyTextEncoder(loaded.clip).encode_trainable("a fox")
        given = Condition(text=text, geometry=condition().geometry)
        denoised = session.denoiser.denoise(x, torch.ones(1, device=session.device), [given])
        denoised.square().mean().backward()
    return {name: parameter.grad.cpu() for name, parameter in network.named_parameters() if parameter.grad is not None}


def test_the_gradients_are_those_of_one_device(comfy, checkpoint):
    with torch.inference_mode(False):
        loaded = load_for_autograd(comfy, checkpoint("sdxl-short"))
        expected = gradients(comfy, loaded, False)
        with SecondDevice():
            found = gradients(comfy, loaded, True)
    assert any(name.startswith("lora_te1") for name in found) and any(name.startswith("lora_unet") for name in found)
    assert found.keys() == expected.keys()
    for name, gradient in expected.items():
        torch.testing.assert_close(found[name], gradient, rtol=1e-4, atol=1e-7 + 1e-4 * float(gradient.abs().max()))


def load_for_autograd(comfy, name: str):
    """Loaded outside inference mode, so that nothing needs to be borrowed."""
    path = comfy.folder_paths.get_full_path_or_raise("checkpoints", name)
    model, clip, vae, _ = comfy.module("comfy.sd").load_checkpoint_guess_config(path)
    for module in (model.model, clip.cond_stage_model):
        module.requires_grad_(False)
    return Loaded(model, clip, vae)
