"""What nodes before Train LoRA did to the model, and models of few steps, are named before the run; plain models are not."""

import json
import re
from pathlib import Path

import pytest
import torch

from pack.tests.comfy.graphs import node, place_pictures, train_graph
from pack.tests.comfy.parts import load

WORKFLOWS = sorted((Path(__file__).resolve().parents[2] / "workflows").glob("*.json"))
MODELS = {"ckpt_name", "unet_name"}


@pytest.fixture(scope="module")
def sd15(comfy, sd15_checkpoint):
    return load(comfy, sd15_checkpoint).model


def changed(comfy, model, kind: str, *values):
    """The MODEL behind a node of ComfyUI's."""
    made = comfy.nodes.NODE_CLASS_MAPPINGS[kind]
    with torch.inference_mode():
        if hasattr(made, "define_schema"):
            out = made.execute(model, *values)
            return out[0] if isinstance(out, tuple) else out.result[0]
        return getattr(made(), made.FUNCTION)(model, *values)[0]


def said(model) -> list[str]:
    from pack.host.advice.upstream import upstream_warnings

    return upstream_warnings(model)


@pytest.mark.parametrize(
    ("kind", "values", "message"),
    [
        ("PatchModelAddDownscale", (3, 2.0, 0.0, 0.35, True, "bicubic", "bicubic"), "Kohya Deep Shrink.*so on while training"),
        ("HyperTile", (256, 2, 0, False), "HyperTile.*so on while training"),
        ("FreeU_V2", (1.3, 1.4, 0.9, 0.2), "FreeU.*so on while training"),
        ("ModelSamplingDiscrete", ("lcm", False), "as LCM.*50 noise levels"),
        ("ModelSamplingDiscrete", ("v_prediction", True), "predicts v, but its checkpoint says epsilon"),
        ("ModelSamplingDiscrete", ("eps", True), r"other noise levels, sigma 0.029 to 4.52e\+03 instead of sigma 0.029 to 14.6"),
        ("ModelSamplingSD3", (3.0,), "predicts flow, but its checkpoint says epsilon"),
        ("ModelSamplingContinuousEDM", ("edm", 80.0, 0.002), "predicts EDM, but its checkpoint says epsilon"),
    ],
    ids=lambda value: value if isinstance(value, str) and value.isalnum() else "",
)
def test_each_has_its_word(comfy, sd15, kind, values, message):
    (text,) = said(changed(comfy, sd15, kind, *values))
    assert re.search(message, text), text


def test_what_acts_in_previews_only_is_told_apart(sd15):
    from comfy.patcher_extension import WrappersMP

    def wrapper(run, given):
        return run(given["input"], given["timestep"], **given["c"])

    wrapper.__module__ = "/somewhere/custom_nodes/ComfyUI-Their-Pack.nodes"
    model = sd15.clone()
    model.set_model_unet_function_wrapper(wrapper)
    (text,) = said(model)
    assert text.startswith("a node of ComfyUI-Their-Pack: changes the model while it samples.") and "training goes without it" in text
    model = sd15.clone()
    model.add_wrapper(WrappersMP.DIFFUSION_MODEL, wrapper)
    assert "training goes without it" in said(model)[0]
    model = sd15.clone()
    model.set_model_attn2_patch(wrapper)
    model.add_object_patch("diffusion_model.out", object())
    (text,) = said(model)
    assert text.startswith("a node of ComfyUI-Their-Pack, another diffusion_model.out: applied to the model, and so on while training")


@pytest.mark.parametrize(
    ("kind", "values"),
    [("RescaleCFG", (0.7,)), ("PerturbedAttentionGuidance", (3.0,)), ("EasyCache", (0.2, 0.15, 0.95, False)),
     ("ModelComputeDtype", ("fp32",)), ("ModelSamplingDiscrete", ("eps", False))],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_changes_nothing_that_is_learned_needs_no_word(comfy, sd15, kind, values):
    assert said(changed(comfy, sd15, kind, *values)) == []


def test_another_shift_of_a_flow_model_needs_no_word(comfy, flux_schnell_checkpoint):
    from pack.host.advice.few_steps import few_steps_warning

    model = load(comfy, flux_schnell_checkpoint).model
    assert said(model) == said(changed(comfy, model, "ModelSamplingFlux", 1.15, 0.5, 512, 512)) == []
    assert said(changed(comfy, model, "ModelSamplingSD3", 3.0)) == []
    assert "FLUX.1 schnell by its layers" in few_steps_warning(model, None, "", None)


FEW = ("z_image_turbo_bf16", "zImageTurbo_v10", "sd_xl_turbo_1.0_fp16", "sdxl_lightning_4step", "Hyper-SDXL-8steps-lora", "flux1-schnell",
       "dreamshaperXL_v21TurboDPMSDE", "flux-2-klein-4b-fp8", "dmd2_sdxl", "krea2_turbo_fp8_scaled", "LCM_Dreamshaper_v7", "some-8-step")
MANY = ("sd15", "flux1-dev", "hyperrealism_v5", "z_image_de_turbo_v1", "fluxDedistilled_v2", "v1-5-pruned-emaonly-fp16", "my-run-000020",
        "epoch10_step20", "model_step1000", "sdxl_1000steps", "flux-2-klein-base-4b", "wan2.2_t2v_high_noise_14B_fp16", "krea2_raw_bf16")


def test_few_steps_by_name(comfy):
    from pack.host.advice.few_steps import few_steps_word

    assert [name for name in FEW if not few_steps_word(f"{name}.safetensors")] == []
    assert [name for name in MANY if few_steps_word(f"{name}.safetensors")] == []


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.stem)
def test_no_shipped_workflow_trains_few_steps_unaware(comfy, path):
    """By the files that it names: a Turbo among them comes with an assistant."""
    from pack.host.advice.few_steps import few_steps_word

    nodes = json.loads(path.read_text(encoding="utf-8"))["nodes"]
    files = [value for one in nodes for value in one.get("widgets_values") or () if str(value).endswith(".safetensors")]
    loaders = [one for one in nodes if MODELS & {entry["name"] for entry in one.get("inputs", ())}]
    names = [value for one in loaders for value in one["widgets_values"] if few_steps_word(str(value))]
    assert not names or len(files) > len(loaders)


def test_the_run_begins_with_them(comfy, run_prompt, sd15_checkpoint, checkpoint):
    """Through the graph: a lightning LoRA, Deep Shrink and previews of 4 steps; an assistant silences what it answers."""
    from safetensors.torch import save_file

    from pack.tests.comfy.test_start_from import SD15

    save_file(SD15["kohya"], comfy.base / "models" / "loras" / "sd15_lightning_4step.safetensors")
    folder = place_pictures(comfy)

    def warnings(**train) -> list[str]:
        graph = train_graph(sd15_checkpoint, folder, run_name="upstream", steps=1, **train)
        graph["buckets"]["inputs"]["resolution"] = 320
        graph["buckets"]["inputs"]["max_bucket"] = 512
        graph |= {
            "lora": node("LoraLoaderModelOnly", model=["load", 0], lora_name="sd15_lightning_4step.safetensors", strength_model=1.0),
            "shrunk": node("PatchModelAddDownscale", model=["lora", 0], block_number=3, downscale_factor=2.0, start_percent=0.0,
                           end_percent=0.35, downscale_after_skip=True, downscale_method="bicubic", upscale_method="bicubic"),
            "preview": node("LoRACanvasSamplePreview", prompts="lcfox", every_n_steps=0, sampler_name="euler", scheduler="normal",
                            sampling_steps=4, cfg=1.0, width=64, height=64, seed=42, negative="", at_start=False, at_end=False),
        }
        graph["train"]["inputs"] |= {"model": ["shrunk", 0], "preview": ["preview", 0]}
        result = run_prompt(graph)
        records = [record for data in result.events_named("lora_canvas.run") for record in data["records"]]
        return [record["text"] for record in records if record["event"] == "message" and record["level"] == "warning"]

    shrink, few = warnings()
    assert "Deep Shrink" in shrink
    assert "'lightning' in sd15_lightning_4step.safetensors; Sample Preview takes 4 steps at cfg 1" in few and "as assistant" in few
    assert warnings(assistant_name="sd15_lightning_4step.safetensors") == [shrink]
