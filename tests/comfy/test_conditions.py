"""What a condition of the graph holds reaches the model as ComfyUI's own sampler gives it, or is named."""

from types import SimpleNamespace

import pytest
import torch

from pack.tests.comfy import tiny_models
from pack.tests.comfy.tiny_models import TRAINED
from pack.training.data.encoded import encoded_dataset
from pack.training.protocols import Condition, PixelGeometry

SIZE = {"width": 832, "height": 1216, "crop_w": 8, "crop_h": 16, "target_width": 640, "target_height": 768}


def made(comfy, kind: str):
    tiny = next(tiny for tiny in TRAINED if tiny.kind == kind)
    return tiny, tiny_models.patcher(comfy, tiny)


def entries(tiny, seed: int = 1, **more) -> list:
    tensors = tiny_models.text_tensors(tiny, seed)
    return [tensors.pop("cond"), {**tensors, **more}]


def imported(tiny, prompts: list) -> list:
    latents = [{"samples": torch.rand(1, *tiny.latent)} for _ in prompts]
    return [sample.condition for sample in encoded_dataset(latents, [[prompt] for prompt in prompts]).samples]


def ours(patcher, x, sigma, texts, **extras) -> torch.Tensor:
    from pack.host.session import Session

    geometry = PixelGeometry(original=(96, 80), crop=(2, 0), target=(64, 64))
    session = Session(patcher, precision="fp32")
    with session.training(), torch.no_grad():
        return session.denoiser.denoise(x, sigma, [Condition(text=text, geometry=geometry, extras=extras) for text in texts])


def theirs(comfy, patcher, x, sigma, prompt) -> torch.Tensor:
    """ComfyUI's estimate with the condition as a sampler gets it."""
    samplers, helpers = comfy.module("comfy.samplers"), comfy.module("comfy.sampler_helpers")
    with torch.inference_mode():
        patcher.pre_run()
        conds = samplers.process_conds(patcher.model, x, {"positive": helpers.convert_cond([prompt])}, x.device, torch.zeros_like(x))
        (found,) = samplers.calc_cond_batch(patcher.model, [conds["positive"]], x, sigma, {"transformer_options": {}})
        patcher.cleanup()
    return found


@pytest.mark.parametrize(
    "kind, more",
    [
        ("Flux", {"guidance": 2.5}),
        ("Flux", {"guidance": 2.5, "reference_latents": [torch.full((1, 16, 8, 8), 0.5)]}),
        ("Flux", {"reference_latents": [torch.full((1, 16, 8, 8), 0.5), torch.ones(1, 16, 4, 8)], "reference_latents_method": "offset"}),
        ("QwenImage", {"reference_latents": [torch.full((1, 16, 1, 8, 8), 0.5)]}),
        ("SDXL", SIZE),
    ],
)  # fmt: skip
def test_every_entry_reaches_the_model(comfy, kind, more):
    tiny, patcher = made(comfy, kind)
    x, sigma = torch.randn(1, *tiny.latent, generator=torch.Generator().manual_seed(2)), torch.tensor([0.6])
    prompt = entries(tiny, **({"guidance": 1.0} if kind == "Flux" else {}) | more)
    (text,) = imported(tiny, [prompt])
    found, expected = ours(patcher, x, sigma, [text]), theirs(comfy, patcher, x, sigma, prompt)
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-5)
    (bare,) = imported(tiny, [entries(tiny)])
    assert not torch.allclose(found, ours(patcher, x, sigma, [bare]), rtol=1e-3, atol=1e-4)


def test_a_batch_with_references_of_other_sizes_is_its_items_one_by_one(comfy):
    tiny, patcher = made(comfy, "Flux")
    texts = imported(tiny, [entries(tiny, seed, reference_latents=[torch.full((1, 16, 8, 8 * seed), 0.3 * seed)]) for seed in (1, 2)])
    x, sigma = torch.randn(2, *tiny.latent), torch.tensor([0.6, 0.3])
    together = ours(patcher, x, sigma, texts)
    singles = torch.cat([ours(patcher, x[i : i + 1], sigma[i : i + 1], texts[i : i + 1]) for i in (0, 1)])
    torch.testing.assert_close(together, singles, rtol=1e-4, atol=1e-5)


def test_the_objective_s_guidance_goes_before_the_condition_s(comfy):
    tiny, patcher = made(comfy, "Flux")
    x, sigma = torch.randn(1, *tiny.latent), torch.tensor([0.6])
    own, bare = imported(tiny, [entries(tiny, guidance=3.5), entries(tiny)])
    torch.testing.assert_close(ours(patcher, x, sigma, [own], guidance=2.0), ours(patcher, x, sigma, [bare], guidance=2.0))
    assert not torch.allclose(ours(patcher, x, sigma, [own]), ours(patcher, x, sigma, [bare]))


def test_what_is_not_used_is_named(comfy):
    from pack.host.advice.checks import warnings_about
    from pack.host.model.conditions import unused

    tiny, patcher = made(comfy, "SD15")
    references = [torch.ones(1, 4, 8, 8)]
    latents = [{"samples": torch.rand(1, 4, 64, 64)}]
    dataset = encoded_dataset(latents, [[entries(tiny, reference_latents=references, start_percent=0.2, pooled_output=torch.ones(1, 4))]])
    (text,) = warnings_about(patcher, dataset)
    assert "holds reference_latents, start_percent, which training does not use" in text
    hooked = SimpleNamespace(apply_hooks_to_conds=object())
    assert "the CLIP carries hooks" in warnings_about(patcher, encoded_dataset(latents, [[entries(tiny)]]), hooked)[0]
    _, flux = made(comfy, "Flux")
    assert unused(flux.model, ["cond", "guidance", "reference_latents", "hooks", "mask"]) == ["hooks", "mask"]
    _, xl = made(comfy, "SDXL")
    assert unused(xl.model, [*SIZE, "unclip_conditioning", "concat_latent_image", "guidance"]) == ["guidance"]


def test_another_guidance_than_usual_is_told(comfy):
    from pack.host.advice.checks import warnings_about

    tiny, patcher = made(comfy, "Flux")
    latents = [{"samples": torch.rand(1, 16, 128, 128)}]
    (text,) = warnings_about(patcher, encoded_dataset(latents, [[entries(tiny, guidance=3.5)]]))
    assert "trained at the guidance that it holds (3.5)" in text and "usually trained at 1." in text
    assert warnings_about(patcher, encoded_dataset(latents, [[entries(tiny, guidance=1.0)]])) == []
