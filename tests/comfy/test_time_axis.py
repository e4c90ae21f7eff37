"""A model and a VAE with a time axis, trained on still pictures and on clips: a run from pixels to a file, with previews."""

import pytest
import torch
from torch import nn

from pack.tests.comfy import tiny_models
from pack.tests.comfy.tiny_models import TRAINED
from pack.tests.training.run.fakes import pictures
from pack.training.data.dataset import Dataset
from pack.training.data.from_graph.graph_images import images_dataset
from pack.training.data.items import make_items
from pack.training.data.latents import LatentCache
from pack.training.data.specs import BucketSpec
from pack.training.events import Emitter, PreviewReady
from pack.training.network.spec import NetworkSpec
from pack.training.objective.mask import MaskedLoss, masked_means
from pack.training.objective.spec import ObjectiveSpec
from pack.training.optim.schedules import Constant, Schedule
from pack.training.optim.spec import OptimizerSpec
from pack.training.order import Order
from pack.training.protocols import TextCondition
from pack.training.recipe import Recipe
from pack.training.run.build import make_plan
from pack.training.run.carry_out import carry_out
from pack.training.run.control import Control
from pack.training.specs import PreviewSpec, RunSpec, SamplingSpec

WAN = next(tiny for tiny in TRAINED if tiny.kind == "WAN21_T2V")


@pytest.fixture(scope="module")
def vae(comfy):
    """Wan's autoencoder, narrow, as ComfyUI detects it from a file."""
    with torch.inference_mode():
        model = comfy.module("comfy.ldm.wan.vae").WanVAE(
            dim=8, z_dim=16, dim_mult=[1, 2, 4, 4], num_res_blocks=2, attn_scales=[], temperal_downsample=[False, True, True], dropout=0.0
        )
        tiny_models.fill(model, 3)
        return comfy.module("comfy.sd").VAE(sd=model.state_dict())


@pytest.fixture(scope="module")
def encoder(vae):
    from pack.host.model.images import ComfyImageEncoder

    return ComfyImageEncoder(vae)


class Clip:
    """What previews ask of a CLIP."""

    def tokenize(self, text: str) -> str:
        return text

    def encode_from_tokens_scheduled(self, text: str) -> list:
        return [[text_of(text), {"pooled_output": None}]]


class TextEncoder(nn.Module):
    identity = "wan text"

    def encode(self, text: str) -> TextCondition:
        return TextCondition(tensors={"cond": text_of(text)})

    def count_tokens(self, text: str) -> int:
        return 1


def text_of(text: str) -> torch.Tensor:
    return torch.randn(1, 5, 24, generator=torch.Generator().manual_seed(len(text)))


BUCKETS = BucketSpec(resolution=64, min_bucket=64, max_bucket=128, bucket_step=64)


def dataset() -> Dataset:
    return Dataset(samples=pictures(3)).with_buckets(BUCKETS)


def clips(*lengths: int) -> Dataset:
    """Clips of 8-bit values, as a video's are."""
    generator = torch.Generator().manual_seed(1)
    made = [torch.randint(0, 256, (length, 64, 64, 3), generator=generator) / 255 for length in lengths]
    return images_dataset(made, ["a cat walks"], clip_frames=0).with_buckets(BUCKETS)


def test_pictures_are_not_the_frames_of_a_video(encoder):
    pixels = torch.rand(3, 64, 64, 3, generator=torch.Generator().manual_seed(1))
    together = encoder.encode(pixels)
    assert together.shape == (3, 16, 1, 8, 8)
    for picture, latent in zip(pixels, together, strict=True):
        torch.testing.assert_close(latent[None], encoder.encode(picture[None]))


def test_latents_are_kept_with_their_time_axis(encoder, tmp_path):
    for folder in (None, tmp_path):
        cache = LatentCache(encoder, folder)
        items = cache.encode_missing(make_items(dataset()))
        assert cache.get(items[0]).shape == (16, 1, 8, 8)


def test_a_mask_covers_every_frame():
    elementwise = torch.ones(2, 16, 3, 8, 8)
    elementwise[:, :, :, :, 4:] = 100.0
    mask = torch.zeros(2, 1, 8, 8)
    mask[..., :4] = 1
    assert masked_means(elementwise, mask, MaskedLoss(), None).tolist() == [1.0, 1.0]


@pytest.mark.parametrize("length", [5, 7])
def test_a_clip_s_latents_are_those_of_vae_encode(comfy, vae, encoder, length):
    """Of all of its frames: what the VAE would pass over is left out before."""
    (item,) = make_items(clips(length))
    cache = LatentCache(encoder)
    cache.encode_missing([item])
    with torch.inference_mode():
        pixels = torch.from_numpy(item.sample.picture.clip().astype("float32") / 255)
        (latent,) = comfy.module("nodes").VAEEncode().encode(vae, pixels)
    assert latent["samples"].shape == (1, 16, 2, 8, 8)
    assert torch.equal(cache.get(item)[None], latent["samples"])


def test_frames_that_the_vae_passes_over_are_told(comfy, vae):
    from pack.host.advice.clips import clip_notices

    (told,) = clip_notices(tiny_models.patcher(comfy, WAN), vae, clips(5, 7, 7))
    assert told.startswith("clips of 7 frames (2) are trained on their first 5")


def test_only_clips_of_one_length_share_a_batch(encoder):
    data = Dataset(samples=(*clips(5, 9, 5).samples, *dataset().samples))
    items = make_items(data)
    assert [item.shape for item in items[:3]] == [(64, 64, 5), (64, 64, 9), (64, 64, 5)] and len(items[3].shape) == 2
    plan = make_plan(RunSpec(batch_size=4), items)
    cache = LatentCache(encoder)
    cache.encode_missing(items)
    for step in range(plan.steps_per_epoch):
        for batch in plan.group(step):
            assert len({cache.get(items[draw.item]).shape for draw in batch}) == 1


@pytest.mark.parametrize("data", [dataset, lambda: clips(5, 5, 9)], ids=["stills", "clips"])
def test_a_run_from_pixels_to_file_and_previews(comfy, vae, encoder, tmp_path, data):
    from pack.host.lora.verify import read_back
    from pack.host.model.sampler import ComfySampler
    from pack.host.session import Session

    patcher = tiny_models.patcher(comfy, WAN)
    session = Session(patcher, precision="fp32")
    said, samples = [], []

    class Listener:
        critical = True

        def __call__(self, event) -> None:
            if isinstance(event, PreviewReady):
                samples.append(event.images)

    def look(path, network, watch) -> str:
        said.append(read_back(path, network, patcher, None, watch))
        return said[-1].summary()

    sampling = SamplingSpec(prompts=("a cat",), sampling_steps=2, cfg=1.0, width=64, height=64)
    recipe = Recipe(
        dataset=data(), network=NetworkSpec(rank=2, alpha=2.0),
        optimizer=OptimizerSpec(learning_rate=1e-3, schedule=Schedule(Constant())),
        objective=ObjectiveSpec(), run=RunSpec(steps=2, batch_size=2),
        preview=PreviewSpec(sampling=sampling, every_n_steps=0, at_start=False),
    )
    order = Order(
        recipe=recipe, folder=tmp_path / "wan", cache_folder=None,
        denoiser=session.denoiser, parts=session.parts(), image_encoder=encoder, text_encoder=TextEncoder(),
        sampler=ComfySampler(patcher, Clip(), vae), training=session.training, returned=session.returned, reserve=session.reserve,
        model_identity="tiny wan", read_back=look,
    )
    order.folder.mkdir()
    with torch.inference_mode():
        result = carry_out(order, Control(), Emitter([Listener()]))
    assert result.reason == "finished" and result.lora_path.is_file()
    assert said[0].unmapped == () and said[0].largest_error < 1e-6
    assert samples[-1].shape == (1, 64, 64, 3)
