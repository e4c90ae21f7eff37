"""Edit models: what a run shows them of references is what ComfyUI's own nodes would, and it counts."""

import pytest
import torch

from pack.tests.comfy import tiny_edit
from pack.tests.comfy.tiny_edit import Clip, Vae, picture
from pack.tests.comfy.tiny_models import TRAINED, patcher
from pack.tests.training.run.fakes import pictures as coloured
from pack.training.data.dataset import Dataset, Sample
from pack.training.data.from_graph.graph_images import TensorPicture
from pack.training.data.specs import BucketSpec
from pack.training.events import Emitter, Message, PreviewReady, StepDone
from pack.training.network.spec import NetworkSpec
from pack.training.objective.spec import ObjectiveSpec
from pack.training.optim.schedules import Constant, Schedule
from pack.training.optim.spec import OptimizerSpec
from pack.training.order import Order
from pack.training.protocols import Condition, PixelGeometry
from pack.training.recipe import Recipe
from pack.training.run.carry_out import carry_out
from pack.training.run.control import Control
from pack.training.specs import PreviewSpec, RunSpec, SamplingSpec

PROMPT = "make it (blue)"
SHOWN = (picture(96, 64, 1), picture(64, 80, 2))
families = pytest.mark.parametrize("tiny", tiny_edit.FAMILIES, ids=lambda tiny: tiny.name)


@pytest.fixture
def family(comfy, tiny):
    """(patcher, CLIP, VAE, way) of a tiny model."""
    from pack.host.edit.ways import way_of

    if not hasattr(comfy.module("comfy.supported_models"), tiny.kind):
        pytest.skip(f"this ComfyUI has no {tiny.kind}")
    model = patcher(comfy, tiny)
    return model, Clip(comfy, tiny), Vae(comfy, tiny), way_of(model.model)


#: What FluxKontextMultiReferenceLatentMethod is set to in the family's workflow.
METHODS = {"LongCatImage": "index", "Krea2": "index_timestep_zero"}


def by_nodes(comfy, tiny, clip, vae, texts: tuple[str, str], shown) -> list:
    """Positive and negative CONDITIONING as a graph of ComfyUI's nodes makes them, written down here once more."""
    extras, numbered = (lambda name: comfy.module(f"comfy_extras.nodes_{name}")), {f"image_{i}": image for i, image in enumerate(shown, 1)}
    with torch.inference_mode():
        if tiny.kind == "Boogu":
            return list(extras("boogu").TextEncodeBooguEdit.execute(clip, *texts, vae, numbered).args)
        if tiny.kind == "MageFlow":
            return list(extras("mage").TextEncodeMageFlowEdit.execute(clip, *texts, vae, numbered, 64, 64).args[:2])
        made = [one_by_nodes(extras, comfy, tiny, clip, vae, text, shown) for text in texts]
        method = METHODS.get(tiny.kind)
        return [extras("flux").FluxKontextMultiReferenceLatentMethod.execute(one, method)[0] for one in made] if method else made


def one_by_nodes(extras, comfy, tiny, clip, vae, text: str, shown) -> list:
    if tiny.kind in ("QwenImage", "Krea2"):
        return extras("qwen").TextEncodeQwenImageEditPlus.execute(clip, text, vae, *shown)[0]
    if tiny.kind == "LongCatImage":
        return extras("qwen").TextEncodeQwenImageEdit.execute(clip, text, vae, *shown)[0]
    if tiny.kind == "JoyImage":
        return extras("joyimage").TextEncodeJoyImageEdit.execute(clip, text, vae, {f"image{i}": image for i, image in enumerate(shown)})[0]
    condition = clip.encode_from_tokens_scheduled(clip.tokenize(text))
    for image in shown:
        latent = {"samples": vae.encode(scaled(comfy, tiny, image))}
        condition = extras("edit_model").ReferenceLatent.execute(condition, latent)[0]
    return condition


def scaled(comfy, tiny, image):
    if tiny.kind == "Flux":
        return comfy.module("comfy_extras.nodes_flux").FluxKontextImageScale.execute(image)[0]
    side = (2**20 / (image.shape[1] * image.shape[2])) ** 0.5
    size = round(image.shape[2] * side), round(image.shape[1] * side)
    method = "area" if tiny.kind == "Omnigen2" else "lanczos"
    return comfy.module("comfy.utils").common_upscale(image.movedim(-1, 1), *size, method, "disabled").movedim(1, -1)


@families
def test_the_condition_is_that_of_comfyui_s_nodes(comfy, tiny, family):
    from pack.host.edit.encoders import ComfyReferenceEncoder, IllustratedTextEncoder
    from pack.host.edit.ways import conditioning
    from pack.host.model.images import ComfyImageEncoder
    from pack.host.model.text import ComfyTextEncoder

    _, clip, vae, way = family
    shown = SHOWN[: way.most]
    ((wanted, options),), negatives = by_nodes(comfy, tiny, clip, vae, (PROMPT, "ugly"), shown)
    references = ComfyReferenceEncoder(way, vae, ComfyImageEncoder(vae))
    latents = [references.encode(image, (64, 64)) for image in shown]
    assert len(latents) == len(options["reference_latents"]) == len(shown)
    assert dict(references.extras) == ({"reference_latents_method": METHODS[tiny.kind]} if tiny.kind in METHODS else {})
    assert all(torch.equal(mine, theirs) for mine, theirs in zip(latents, options["reference_latents"], strict=True))
    captions = IllustratedTextEncoder(clip, way).encode(PROMPT, shown) if way.looks else ComfyTextEncoder(clip).encode(PROMPT)
    assert torch.equal(captions.tensors["cond"], wanted)
    with torch.inference_mode():
        positive, negative = conditioning(way, clip, vae, PROMPT, "ugly", shown, (64, 64))
    assert torch.equal(positive[0][0], wanted) and torch.equal(negative[0][0], negatives[0][0])
    for mine, theirs in ((positive, options), (negative, negatives[0][1])):
        assert mine[0][1].keys() == theirs.keys()
        assert all(torch.equal(*pair) for pair in zip(mine[0][1]["reference_latents"], latents, strict=True))


def denoised(family, tiny, shown: list[list[torch.Tensor]]):
    """What the model makes of the same noise with these references, one list a sample: together, and one by one."""
    from pack.host.model.text import ComfyTextEncoder
    from pack.host.session import Session

    model, clip, _, way = family
    session = Session(model, precision="fp32")
    geometry = PixelGeometry(original=(64, 64), crop=(0, 0), target=(64, 64))
    caption = ComfyTextEncoder(clip).encode("a")
    extras = [{"reference_latents": latents, **way.extras} if latents else {} for latents in shown]
    conditions = [Condition(text=caption, geometry=geometry, extras=given) for given in extras]
    noise = torch.randn(1, *tiny.latent, generator=torch.Generator().manual_seed(3)).repeat(len(shown), *[1] * len(tiny.latent))
    sigma = torch.full((len(shown),), 0.5)
    with session.training(), torch.no_grad():
        together = session.denoiser.denoise(noise, sigma, conditions)
        alone = [session.denoiser.denoise(noise[i : i + 1], sigma[i : i + 1], conditions[i : i + 1]) for i in range(len(shown))]
    return together, torch.cat(alone)


def latent(tiny, side: int, seed: int) -> torch.Tensor:
    return torch.randn(1, *tiny.latent[:-2], side, side, generator=torch.Generator().manual_seed(seed))


@families
def test_a_batch_is_its_items_one_by_one_with_references_of_any_size(comfy, tiny, family):
    one, other, small = latent(tiny, 8, 5), latent(tiny, 8, 6), latent(tiny, 4, 7)
    together, alone = denoised(family, tiny, [[one], [other], [small], [one, small], []])
    torch.testing.assert_close(together, alone, rtol=1e-5, atol=1e-5)
    differ = [(alone[i] - alone[j]).abs().max().item() for i in range(5) for j in range(i)]
    assert min(differ) > 1e-4, "every reference counts"
    same_size, singly = denoised(family, tiny, [[one], [other]])
    torch.testing.assert_close(same_size, singly, rtol=1e-5, atol=1e-5)


def order_of(family, folder, *, shown=True, seed=11, cache=None):
    from pack.host.edit.encoders import ComfyReferenceEncoder, IllustratedTextEncoder
    from pack.host.edit.ways import conditioning
    from pack.host.model.images import ComfyImageEncoder
    from pack.host.model.sampler import ComfySampler
    from pack.host.model.text import ComfyTextEncoder
    from pack.host.session import Session

    model, clip, vae, way = family
    samples = [
        Sample(name=sample.name, picture=sample.picture, caption=sample.caption,
               references=(TensorPicture(picture(96, 64, seed + i)[0], "r"),) if shown else ())
        for i, sample in enumerate(coloured(2))
    ]
    dataset = Dataset(samples=tuple(samples)).with_buckets(BucketSpec(resolution=64, min_bucket=64, max_bucket=128, bucket_step=64))
    sampling = SamplingSpec(prompts=("blue", "red"), sampling_steps=2, cfg=2.0, width=64, height=64, scheduler="simple")
    recipe = Recipe(
        dataset=dataset, network=NetworkSpec(rank=2, alpha=2.0),
        optimizer=OptimizerSpec(learning_rate=1e-3, schedule=Schedule(Constant())), objective=ObjectiveSpec(),
        run=RunSpec(steps=2, batch_size=2), preview=PreviewSpec(sampling=sampling, every_n_steps=0, at_start=True, at_end=False),
    )
    session, images = Session(model, precision="fp32"), ComfyImageEncoder(vae)
    folder.mkdir()
    return Order(
        recipe=recipe, folder=folder, cache_folder=cache, denoiser=session.denoiser, parts=session.parts(), image_encoder=images,
        reference_encoder=ComfyReferenceEncoder(way, vae, images) if shown else None,
        text_encoder=IllustratedTextEncoder(clip, way) if shown and way.looks else ComfyTextEncoder(clip),
        sampler=ComfySampler(model, clip, vae, lambda *given: conditioning(way, *given)),
        training=session.training, returned=session.returned, reserve=session.reserve, model_identity="tiny",
    )


def carried_out(order):
    heard = []

    class Listener:
        critical = True

        def __call__(self, event) -> None:
            heard.append(event)

    with torch.inference_mode():
        result = carry_out(order, Control(), Emitter([Listener()]))
    assert result.reason == "finished", [event.text for event in heard if isinstance(event, Message)]
    return heard


def losses(heard) -> list[float]:
    return [event.loss for event in heard if isinstance(event, StepDone)]


@pytest.fixture
def small_references(comfy, monkeypatch):
    tiny_edit.shrink(comfy, monkeypatch)


@families
def test_a_run_learns_from_its_references_and_its_previews_start_from_them(comfy, tiny, family, small_references, tmp_path):
    heard = carried_out(order_of(family, tmp_path / "a", cache=tmp_path / "cache"))
    others = carried_out(order_of(family, tmp_path / "b", seed=40))
    plain = carried_out(order_of(family, tmp_path / "c", shown=False))
    assert len({losses(run)[0] for run in (heard, others, plain)}) == 3
    vae, clip = family[2], family[1]
    made = next(event.images for event in heard if isinstance(event, PreviewReady))
    for i, prompt in enumerate(("blue", "red")):
        wanted = sampled(comfy, tiny, family, prompt, [picture(96, 64, 11 + i)], seed=42 + i)
        torch.testing.assert_close(made[i], wanted[0], rtol=0, atol=2e-6)
    vae.encoded.clear(), clip.seen.clear()
    again = order_of(family, tmp_path / "d", cache=tmp_path / "cache")
    assert losses(carried_out(again)) == losses(heard)
    assert len(vae.encoded) == 2 and len(clip.seen) == 4, "only the previews encode: the run finds all of it in the cache"


def sampled(comfy, tiny, family, prompt, shown, seed) -> torch.Tensor:
    """The picture that KSampler makes of the nodes' conditions."""
    model, clip, vae, _ = family
    channels, *time = tiny.latent[:-2]
    side = 64 // vae.spacial_compression_encode()
    empty = torch.zeros(1, channels, *time, side, side)
    positive, negative = by_nodes(comfy, tiny, clip, vae, (prompt, ""), shown)
    with torch.inference_mode():
        noise = comfy.module("comfy.sample").prepare_noise(empty, seed)
        made = comfy.module("comfy.sample").sample(model, noise, 2, 2.0, "euler", "simple", positive, negative, empty, seed=seed)
        return vae.decode(made).clamp(0, 1)


def model_of(comfy, name: str):
    return patcher(comfy, next(tiny for tiny in TRAINED if tiny.name == name)).model


def test_models_that_do_not_look_at_references_are_told_before_any_work(comfy):
    from pack.host.advice.references import reference_problems
    from pack.host.edit.ways import way_of

    shown = Dataset(samples=tuple(Sample(name="a", picture=TensorPicture(picture(8, 8, 1)[0], "a"), caption="c",
                                         references=(TensorPicture(picture(8, 8, 2)[0], "r"),) * 4) for _ in "x"))
    for name in ("SD15", "SDXL", "Chroma", "Lumina2", "ZImage", "WAN21_T2V"):
        assert way_of(model_of(comfy, name)) is None, name
        (problem,) = reference_problems(model_of(comfy, name), "", shown, None)
        assert "does not look at any" in problem
    (problem,) = reference_problems(model_of(comfy, "QwenImage"), "", shown, None)
    assert "at most 3 pictures" in problem and "TextEncodeQwenImageEditPlus" in problem
    (problem,) = reference_problems(model_of(comfy, "QwenImage"), "qwen_image_edit_fp8.safetensors", shown, None)
    assert "TextEncodeQwenImageEdit takes at most 1 picture" in problem
    assert reference_problems(model_of(comfy, "Flux"), "", shown, None) == []


def test_edit_models_are_told_from_their_siblings(comfy):
    from pack.host.advice.references import kind_of

    flux, qwen = model_of(comfy, "Flux"), model_of(comfy, "QwenImage")
    assert kind_of(flux, "flux1-dev-kontext_fp8_scaled.safetensors") == "edit"
    assert kind_of(flux, "flux1-dev.safetensors") == "text" and kind_of(flux, "") == "unknown"
    assert kind_of(qwen, "Qwen-Image-Edit-2511.safetensors") == "edit" and kind_of(qwen, "qwen_image_2512.safetensors") == "text"
    qwen.model_config.unet_config["default_ref_method"] = "index_timestep_zero"
    assert kind_of(qwen, "renamed.safetensors") == "edit"
    assert kind_of(model_of(comfy, "Flux2"), "flux-2-klein-4b.safetensors") == "both"
    assert kind_of(model_of(comfy, "SD15"), "edit.safetensors") == ""


def test_what_training_without_references_means_is_said(comfy):
    from pack.host.advice import references as advice

    def notices(*given) -> list[str]:
        return [message.text for message in advice.reference_notices(*given)]

    plain = Dataset(samples=coloured(2))
    one = Sample(name="pair", picture=coloured(1)[0].picture, caption="c", references=(coloured(1)[0].picture,))
    flux = model_of(comfy, "Flux")
    (said,) = notices(flux, "flux1-kontext.safetensors", plain)
    assert "from their captions alone" in said and "reference_folder" in said
    (said,) = notices(model_of(comfy, "Omnigen2"), "omnigen2.safetensors", plain)
    assert "also changes pictures" in said
    assert notices(flux, "flux1-dev.safetensors", plain) == notices(model_of(comfy, "SD15"), "", plain) == []
    said = notices(flux, "flux1-dev.safetensors", Dataset(samples=(one, *plain.samples)))
    assert ["FluxKontextImageScale" in said[0], "sibling" in said[1], "2 pictures without a reference" in said[2]] == [True] * 3
