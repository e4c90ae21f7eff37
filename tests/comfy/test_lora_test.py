"""LoRA Test: what stands in its grid is what LoraLoader and KSampler make."""

import pytest
import torch

from pack.tests.comfy.graphs import node, place_pictures, sample_graph, train_graph
from pack.tests.comfy.inprocess import NodeFailed, PromptRefused
from pack.training.drawing.grid import GAP, HEADER, LINE

SIDE = 64


def cell(grid: torch.Tensor, row: int, column: int) -> torch.Tensor:
    top = HEADER + row * (2 * LINE + GAP + SIDE + GAP) + 2 * LINE + GAP
    left = GAP + column * (SIDE + GAP)
    return grid[0, top : top + SIDE, left : left + SIDE]


def test_the_grid(comfy, run_prompt, sd15_checkpoint):
    folder = place_pictures(comfy)
    graph = train_graph(sd15_checkpoint, folder, run_name="tested", steps=8, save_every_n_steps=4)
    graph["save"] = node("LoRACanvasSaveLoRA", lora=["train", 2], filename="tested", dtype="fp32")
    graph["test"] = node("LoRACanvasLoRATest", model=["load", 0], clip=["load", 1], vae=["load", 2], lora=["train", 2], run=["train", 6],
                         prompts="lcfox\na fox at night", strengths="0.5, 1", sampling_steps=3, cfg=4.0, width=SIDE, height=SIDE)
    trained = run_prompt(graph)
    grid = trained.value("test")
    # Rows of each of two prompts: the connected LoRA, which the checkpoint of step 8 and the run's file are too, then that of step 4.
    assert grid.shape == (1, HEADER + 4 * (2 * LINE + GAP + SIDE + GAP), GAP + 3 * (SIDE + GAP), 3)

    loader = {"load": node("CheckpointLoaderSimple", ckpt_name=sd15_checkpoint),
              "lora": node("LoraLoader", model=["load", 0], clip=["load", 1], lora_name="tested.safetensors", strength_model=1.0,
                           strength_clip=1.0)}
    with_lora = run_prompt({**loader, **sample_graph(["lora", 0], ["lora", 1], ["load", 2], side=SIDE)}).value("picture")[0]
    without = run_prompt({**loader, **sample_graph(["load", 0], ["load", 1], ["load", 2], side=SIDE)}).value("picture")[0]
    half_a_level = 0.5 / 255 + 1e-6
    torch.testing.assert_close(cell(grid, 0, 2), with_lora, rtol=0, atol=half_a_level)
    torch.testing.assert_close(cell(grid, 0, 0), without, rtol=0, atol=half_a_level)
    assert not torch.equal(cell(grid, 1, 2), cell(grid, 0, 2))  # the checkpoint of step 4, below it with the same prompt
    assert not torch.equal(cell(grid, 2, 0), cell(grid, 0, 0))  # the next prompt
    assert all(float(cell(grid, row, 0).std(dim=(0, 1)).max()) < 1e-6 for row in (1, 3))  # without the LoRA once a prompt


@pytest.mark.parametrize(("inputs", "said"),
                         [({"strengths": "1, much"}, "'much'"), ({"run": "no such run"}, "no such run"), ({}, "nothing to test")])
def test_what_cannot_be_tested_is_explained(run_prompt, sd15_checkpoint, inputs, said):
    graph = {"load": node("CheckpointLoaderSimple", ckpt_name=sd15_checkpoint)}
    given = {"prompts": "a fox", "strengths": "1", **inputs}
    if "strengths" in inputs:
        given["run"] = ""
    graph["test"] = node("LoRACanvasLoRATest", model=["load", 0], clip=["load", 1], vae=["load", 2], **given)
    with pytest.raises((NodeFailed, PromptRefused)) as caught:
        run_prompt(graph)
    assert said in str(caught.value)
