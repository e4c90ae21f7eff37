"""A run that goes on is made of what it began with; what is not is named as a person set it, before anything is encoded."""

from dataclasses import replace

import pytest
import torch

from pack.tests.training.data.videos_on_disk import save_video, shades
from pack.tests.training.run.fakes import BUCKETS, pictures
from pack.tests.training.run.test_resume import CASES, CUT, STEPS, changed, ground, stop_at
from pack.training.data.clips.timing import ClipSpec
from pack.training.data.dataset import REGULARISATION, VALIDATION
from pack.training.data.folder.scan import scan_folder
from pack.training.data.from_graph.graph_images import TensorPicture
from pack.training.data.items import make_items
from pack.training.data.specs import CaptionSpec
from pack.training.errors import DatasetError, StateError
from pack.training.events import Message
from pack.training.network.spec import NetworkSpec, TargetSpec
from pack.training.objective.loss import Huber
from pack.training.objective.spec import ObjectiveSpec
from pack.training.optim.spec import OptimizerSpec
from pack.training.run.resume import pictures as of_a_run
from pack.training.specs import PreviewSpec, RunSpec, SamplingSpec


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"network": NetworkSpec(rank=3, alpha=2.0, targets=TargetSpec(preset="all linear"))}, "LoRA Network: rank was 2, is now 3"),
        ({"network": NetworkSpec(rank=2, alpha=2.0, targets=TargetSpec(preset="all linear", exclude=("text",)))},
         "LoRA Network: exclude was not set, is now ['text']"),
        ({"samples": pictures(6)}, "1 picture less: picture 6.png"),
        ({"samples": pictures(8)}, "1 picture more: picture 7.png"),
        ({"samples": pictures(7)[::-1]}, "the pictures come in another order"),
        ({"samples": changed(picture=pictures(1)[0].picture)}, "the pixels of 1 picture: picture 1.png"),
        ({"samples": changed(caption="another")}, "the captions of 1 picture: picture 1.png"),
        ({"samples": changed(repeats=2)}, "the repeats of 1 picture: picture 1.png (that of picture 1.png was 1, is now 2)"),
        ({"samples": changed(weight=0.5)}, "the loss weight of 1 picture: picture 1.png (that of picture 1.png was 1.0, is now 0.5)"),
        ({"samples": changed(role=VALIDATION)},
         "the part of 1 picture: picture 1.png (that of picture 1.png was trained, is now held out for validation)"),
        ({"samples": changed(role=REGULARISATION)},
         "the part of 1 picture: picture 1.png (that of picture 1.png was trained, is now a regularisation picture)"),
        ({"samples": changed(references=(pictures(1)[0].picture,))}, "the references of 1 picture: picture 1.png"),
        ({"samples": changed(mask=pictures(1)[0].picture)}, "the masks, or what is done with transparency, of 1 picture: picture 1.png"),
        ({"buckets": replace(BUCKETS, flip=True)}, "Bucket Config: flip was False, is now True"),
        ({"buckets": replace(BUCKETS, resolution=128)}, "Bucket Config: resolution was 64, is now 128"),
        ({"captions": CaptionSpec(shuffle=True, caption_dropout=0.3)}, "Caption Config: caption_dropout was 0.2, is now 0.3"),
        ({"objective": ObjectiveSpec(loss=Huber(c=0.2))},
         "Training Objective: loss was L2, is now Huber\n  - Training Objective: huber_c was 0.1, is now 0.2"),
        ({"run_spec": RunSpec(steps=STEPS, batch_size=3, gradient_checkpointing=False)},
         "Train LoRA: batch_size x gradient_accumulation was 2 x 1, is now 3 x 1: an update would see 3 pictures in place of 2"),
        ({"run_spec": RunSpec(steps=STEPS, batch_size=2, seed=1, gradient_checkpointing=False)}, "Train LoRA: seed was 0, is now 1"),
        ({"optimizer": OptimizerSpec(optimizer="Lion", learning_rate=1e-3)}, "Optimizer: optimizer was AdamW, is now Lion"),
        ({"optimizer": OptimizerSpec(learning_rate=1e-2, weight_decay=0.1)}, "Optimizer: weight_decay was 0.01, is now 0.1"),
        ({"optimizer": OptimizerSpec(learning_rate=1e-2, extra_arguments={"eps": 1e-6})},
         "Optimizer: extra_arguments was not set, is now {'eps': 1e-06}"),
        ({"optimizer": OptimizerSpec(learning_rate=1e-2, text_encoder_lr=1e-3), "train_text": True},
         "Optimizer: text_encoder_lr was 0, is now 0.001: at 0 the text encoders are not trained"),
        ({"precision": "float16"}, "Train LoRA: precision was fp32, is now fp16 ('auto' chose it; set fp32)"),
        ({"vae": "another vae"}, "the VAE, or the precision that it computes in, is another one"),
        ({"clip": "another clip"}, "the CLIP, its CLIP-skip, or what is applied to it, is another one"),
    ],
)
def test_what_was_changed_is_named_before_anything_is_encoded(tmp_path, change, named):
    cut = stop_at(ground(tmp_path, CASES["AdamW"]), CUT)
    cut.run()
    other = ground(tmp_path, CASES["AdamW"])
    for name, value in change.items():
        setattr(other, name, value)
    other.cache_folder = tmp_path / "an empty cache"
    with pytest.raises(StateError) as caught:
        other.run(cut.folder / "state" / "training.state")
    assert str(caught.value).startswith(f"the run 'run' was trained with something else:\n  - {named}\nPut it back as it was, or start")
    assert other.image_encoder.encoded == 0 and not other.cache_folder.exists()


def test_a_mask_whose_pixels_were_edited_is_noticed(tmp_path):
    mask = torch.zeros(64, 64, 3)
    masked = ground(tmp_path, CASES["AdamW"], steps=2)
    masked.samples = changed(mask=TensorPicture(mask, "mask"))
    masked.run()
    edited = ground(tmp_path, CASES["AdamW"], steps=3)
    edited.samples = changed(mask=TensorPicture(mask + (torch.arange(64) == 5).float()[:, None, None], "mask"))
    with pytest.raises(StateError, match=r"  - the masks, or what is done with transparency, of 1 picture: picture 1\.png\n"):
        edited.run(masked.folder / "state" / "training.state")


def test_other_frames_of_a_video_are_noticed(tmp_path):
    def items(**clips):
        return make_items(scan_folder(tmp_path, clips=ClipSpec(**clips)))

    save_video(tmp_path / "a.mkv", shades(20))
    save_video(tmp_path / "short.mkv", shades(4))
    saved = of_a_run.of_pictures(items(frames=5))
    words = ["the frames that are taken of videos (clip_frames and clip_fps on Load Dataset)", "the pixels of 1 picture: a.mkv"]
    assert of_a_run.picture_changes(saved, items(frames=5), []) == []
    assert of_a_run.picture_changes(saved, items(frames=9), []) == words
    assert of_a_run.picture_changes(saved, items(frames=5, fps=0), [])[1] == "the pixels of 2 pictures: a.mkv, short.mkv"
    assert of_a_run.picture_changes(saved, items(frames=5, fps=8), [])[0] == words[0]
    older = {name: value for name, value in of_a_run.of_pictures(items(frames=1)).items() if name != of_a_run.CLIPS}
    assert of_a_run.picture_changes(older, items(frames=1), []) == []


def test_a_large_set_is_compared_as_a_whole(tmp_path, monkeypatch):
    monkeypatch.setattr(of_a_run, "MOST_ROWS", 6)
    cut = stop_at(ground(tmp_path, CASES["AdamW"]), CUT)
    cut.run()
    other = ground(tmp_path, CASES["AdamW"])
    other.samples = changed(caption="another")
    with pytest.raises(StateError, match="else:\n  - captions are not the same\n"):
        other.run(cut.folder / "state" / "training.state")


def test_what_may_change_is_listed_and_the_versions_too(tmp_path):
    cut = stop_at(ground(tmp_path, CASES["AdamW"]), CUT)
    cut.made_with = {"ComfyUI": "0.3.75"}
    cut.run()
    other = ground(tmp_path, OptimizerSpec(learning_rate=3e-3), save_every_n_steps=7, run_name="as one likes", resume="run")
    other.made_with = {"ComfyUI": "0.33.0"}
    other.preview = PreviewSpec(sampling=SamplingSpec(prompts=("a",), width=64, height=64))
    other.run(cut.folder / "state" / "training.state")
    told = [(event.level, event.text) for event in other.recorder.of(Message) if event.topic == "resume"]
    assert told == [
        ("info", "goes on with other settings, which is allowed: Train LoRA: save_every_n_steps was 0, is now 7; "
                 "Optimizer: learning_rate was 0.01, is now 0.003; Sample Preview is connected."),
        ("warning", "goes on with other programs: ComfyUI was 0.3.75, is now 0.33.0. The run is as good as before, but its numbers may "
                    "differ from here on in the last digits from those that it would have had."),
    ]


def test_nothing_is_listed_where_nothing_changed(tmp_path):
    cut = stop_at(ground(tmp_path, CASES["AdamW"]), CUT)
    cut.run()
    same = ground(tmp_path, CASES["AdamW"])
    same.run(cut.folder / "state" / "training.state")
    assert [event for event in same.recorder.of(Message) if event.topic == "resume"] == []


class Broken(TensorPicture):
    """Its header is fine, its pixels are not."""

    def pixels(self):
        raise DatasetError("Train LoRA", ["picture 1.png is cut off"])


def test_what_was_left_out_then_is_left_out_before_the_comparison(tmp_path):
    def bench(samples, **changes):
        made = ground(tmp_path, CASES["AdamW"], skip_bad_pictures=True, **changes)
        made.samples = samples
        return made

    broken = changed(picture=Broken(torch.full((64, 64, 3), 0.3), "picture 1.png"))
    first = bench(broken, steps=2)
    first.run()
    state = first.folder / "state" / "training.state"
    again = bench(broken, steps=3)
    assert again.run(state).step == 3
    assert [event.text for event in again.recorder.of(Message) if event.topic == "pictures"] == ["left out: picture 1.png is cut off"]
    with pytest.raises(StateError, match="the captions of 1 picture: picture 0.png"):
        bench((replace(broken[0], caption="another"), *broken[1:]), steps=4).run(state)


def test_a_picture_that_cannot_be_read_any_more_is_noticed(tmp_path):
    picture = pictures(7)[1].picture
    first = ground(tmp_path, CASES["AdamW"], steps=2)
    first.run()
    again = ground(tmp_path, CASES["AdamW"], steps=3, skip_bad_pictures=True)
    again.cache_folder = None
    again.samples = changed(picture=Broken(torch.from_numpy(picture.pixels()[:, :, :3] / 255), "picture 1.png"))
    with pytest.raises(StateError, match="1 picture less: picture 1.png"):
        again.run(first.folder / "state" / "training.state")


def test_merged_datasets_may_have_a_name_twice(tmp_path):
    twice = (*pictures(7), *(replace(sample, caption="twice") for sample in pictures(2)))
    first = ground(tmp_path, CASES["AdamW"], steps=2)
    first.samples = twice
    first.run()
    other = ground(tmp_path, CASES["AdamW"], steps=3)
    other.samples = (*twice[:8], replace(twice[8], caption="changed"))
    with pytest.raises(StateError, match=r"the captions of 1 picture: picture 1.png \(2\)\n"):
        other.run(first.folder / "state" / "training.state")
