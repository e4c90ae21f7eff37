"""Clips on every video model that ComfyUI knows, and their refusal everywhere else."""

import json

import pytest
import torch

from pack.tests.comfy import tiny_models
from pack.tests.comfy.family_walk import condition
from pack.tests.comfy.inprocess import NodeFailed
from pack.tests.comfy.object_info import object_info
from pack.tests.comfy.shipped_prompts import small, workflow
from pack.tests.comfy.tiny_models import TRAINED
from pack.tests.comfy.true_files.loading import true_files
from pack.tests.training.data.videos_on_disk import save_video, shades
from pack.training.data.clips.timing import ClipSpec
from pack.training.data.encoded import encoded_dataset
from pack.training.data.folder.scan import scan_folder
from pack.training.data.from_graph.graph_images import images_dataset
from pack.training.data.items import make_items
from pack.training.objective.objective import Objective
from pack.training.objective.spec import ObjectiveSpec
from pack.training.objective.weights import NoWeighting

VIDEO = ("WAN21_T2V", "WAN22_T2V", "HunyuanVideo", "HunyuanVideo15", "CosmosT2V", "LTXV", "CogVideoX_T2V", "GenmoMochi", "Kandinsky5")
FRAMES = 3


def of_kinds(*kinds):
    return [tiny for tiny in TRAINED if tiny.kind in kinds and not tiny.variant]


def session(comfy, tiny):
    from pack.host.session import Session

    made = Session(tiny_models.patcher(comfy, tiny), precision="fp32")
    made.load()
    return made


class Vae:
    """What is asked of a VAE before work: Wan's."""

    latent_dim, downscale_ratio = 3, (lambda frames: (frames + 3) // 4, 8, 8)


def clip(*lengths):
    return images_dataset([torch.rand(length, 64, 64, 3) for length in lengths], clip_frames=0)


@pytest.mark.parametrize("tiny", of_kinds(*VIDEO), ids=lambda tiny: tiny.name)
def test_the_loss_of_clips(comfy, tiny):
    """Over every frame, as computed by hand from one clip at a time; a batch is the mean of its clips."""
    lent = session(comfy, tiny)
    objective = Objective(ObjectiveSpec(weighting=NoWeighting()), lent.denoiser)
    channels, _, *space = tiny.latent
    x0 = lent.denoiser.to_model_space(torch.randn(2, channels, FRAMES, *space, generator=torch.Generator().manual_seed(5)))
    given = [condition(tiny, seed) for seed in (1, 2)]
    noising = objective.noise(x0, [11, 12])
    by_hand = []
    with lent.training(), torch.no_grad():
        together = objective.losses(lent.denoiser.denoise(noising.x_t, noising.sigma, given), x0, noising)
        for i in (0, 1):
            denoised = lent.denoiser.denoise(noising.x_t[i : i + 1], noising.sigma[i : i + 1], given[i : i + 1])
            sigma = float(noising.sigma[i])
            scale = 1 / sigma if lent.denoiser.parametrisation != "v" else (sigma**2 + 1) ** 0.5 / sigma
            by_hand.append(float((scale * (denoised - x0[i : i + 1])).square().mean()))
    assert together.tolist() == pytest.approx(by_hand, rel=1e-4)
    frames = (denoised - x0[1:]).square().mean((0, 1, 3, 4))
    assert len(frames) == FRAMES and (frames > 0).all()


@pytest.mark.parametrize("tiny", of_kinds(*VIDEO), ids=lambda tiny: tiny.name)
def test_video_models_take_clips(comfy, tiny):
    from pack.host.advice.clips import clip_problems

    assert clip_problems(tiny_models.patcher(comfy, tiny), Vae(), clip(5)) == []


@pytest.mark.parametrize("kind", ["SD15", "Flux", "QwenImage", "CosmosT2IPredict2", "HunyuanImage21", "Kandinsky5Image"])
def test_a_clip_on_an_image_model_is_refused(comfy, kind):
    from pack.host.advice.clips import clip_problems

    tinies = of_kinds(kind)
    if not tinies:
        pytest.skip(f"this ComfyUI has no tiny {kind}")
    model = tiny_models.patcher(comfy, tinies[0])
    (problem,) = clip_problems(model, Vae(), clip(5, 5))
    assert problem.startswith("'clip 1' and 1 more have more than one frame, but ")
    assert "makes pictures, not videos. Switch clips off on Images To Dataset" in problem
    assert clip_problems(model, Vae(), clip(1)) == []


def test_videos_of_a_folder_and_the_speed_that_the_model_makes(comfy, tmp_path):
    from pack.host.advice.clips import clip_notices, clip_problems

    save_video(tmp_path / "walk.mkv", shades(40))
    videos = scan_folder(tmp_path)
    (sd15,), (wan,) = of_kinds("SD15"), of_kinds("WAN21_T2V")
    (problem,) = clip_problems(tiny_models.patcher(comfy, sd15), Vae(), videos)
    assert problem.startswith("'walk.mkv' has more than one frame, but ")
    assert "makes pictures, not videos. Set clip_frames to 1 on Load Dataset: then the first frame of each is a picture" in problem
    assert clip_problems(tiny_models.patcher(comfy, sd15), Vae(), scan_folder(tmp_path, clips=ClipSpec(frames=1))) == []
    patcher = tiny_models.patcher(comfy, wan)
    assert clip_problems(patcher, Vae(), videos) == clip_notices(patcher, Vae(), videos) == []
    short, fast = clip_notices(patcher, Vae(), scan_folder(tmp_path, clips=ClipSpec(frames=7, fps=8)))
    assert short.startswith("clips of 7 frames (1) are trained on their first 5") and "Set clip_frames to 5 on Load Dataset" in short
    assert "clips have 8 a second (1) frames" in fast and "makes 16: movement is learnt 2 times too fast. Set clip_fps to 16" in fast


@pytest.mark.slow
def test_a_folder_of_videos_trains_wan(comfy, run_prompt, monkeypatch):
    """The low noise half of the shipped workflow, on videos; a run that goes on with other frames of them is refused."""
    from pack.host.model.denoiser import ComfyDenoiser

    folder = comfy.base / "input" / "walks"
    for name in ("a.mp4", "b.mkv"):
        save_video(folder / name, shades(20))
        (folder / name).with_suffix(".txt").write_text("a red wall, the light goes on")
    name = "Train Wan 2.2 LoRA on pictures"
    prompt = small(name, object_info(comfy), folder="walks", run_name="walks", clip_frames=5)
    kinds = ("TrainLoRA", "SaveLoRA", "KSamplerAdvanced", "VAEDecode", "SaveImage", "PreviewImage", "SamplePreview")
    train = next(number for number, node in prompt.items() if node["class_type"].endswith("TrainLoRA") and "low" in str(
        prompt[node["inputs"]["model"][0]]["inputs"]))
    graph = {number: node for number, node in prompt.items() if number == train or not node["class_type"].endswith(kinds)}
    del graph[train]["inputs"]["preview"]
    files = {model["name"] for node in workflow(name)["nodes"] for model in node["properties"].get("models", [])}
    with true_files(comfy, lambda file: file in files):
        seen, prepared = [], ComfyDenoiser.prepared
        monkeypatch.setattr(ComfyDenoiser, "prepared", lambda self, x, *rest: seen.append(tuple(x.shape)) or prepared(self, x, *rest))
        result = run_prompt(graph)
        assert set(seen) == {(1, 16, 2, 16, 16)}
        assert result.value(train, 2) and all(value.isfinite().all() for value in result.value(train, 2).values())
        graph[train]["inputs"] |= {"resume": "walks", "steps": 4}
        dataset = next(node for node in graph.values() if node["class_type"].endswith("LoadDataset"))
        dataset["inputs"]["clip_frames"] = 9
        with pytest.raises(NodeFailed, match="the frames that are taken of videos"):
            run_prompt(graph)
        dataset["inputs"]["clip_frames"] = 5
        run_prompt(graph)
        assert json.loads((comfy.base / "output" / "lora_canvas" / "walks" / "run.json").read_text())["step"] == 4


def test_imported_latents_of_videos(comfy):
    from pack.host.advice.clips import clip_problems

    cond = [[torch.zeros(1, 7, 24), {}]]
    dataset = encoded_dataset([{"samples": torch.randn(2, 16, FRAMES, 8, 8), "noise_mask": torch.ones(2 * FRAMES, 64, 64)}], [cond])
    assert [item.shape for item in make_items(dataset)] == [(64, 64, FRAMES)] * 2
    assert [sample.picture.encoded["mask"].shape for sample in dataset.samples] == [(8, 8)] * 2
    (wan,), (sd15,) = of_kinds("WAN21_T2V"), of_kinds("SD15")
    assert clip_problems(tiny_models.patcher(comfy, wan), Vae(), dataset) == []
    (problem,) = clip_problems(tiny_models.patcher(comfy, sd15), Vae(), dataset)
    assert "Leave the latents of videos out on Import Core Dataset" in problem
    stills = encoded_dataset([{"samples": torch.randn(1, 16, 8, 8)}], [cond])
    (problem,) = clip_problems(tiny_models.patcher(comfy, wan), Vae(), stills)
    assert "its shape is not (B, C, T, H, W)" in problem


def test_a_vae_for_single_pictures_is_named(comfy):
    from pack.host.advice.clips import clip_problems

    class Still(Vae):
        latent_dim, downscale_ratio = 2, 8

    (wan,) = of_kinds("WAN21_T2V")
    (problem,) = clip_problems(tiny_models.patcher(comfy, wan), Still(), clip(5))
    assert "the VAE takes single pictures only" in problem
