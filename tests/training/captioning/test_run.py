"""Captioning a dataset: what is kept, what is asked, what is written, and when."""

import json
from dataclasses import replace

import pytest

from pack.tests.training.captioning.fakes import Talker, as_dataset, colour_dataset, graph_sample, make_wd14
from pack.training.captioning.answers import AnswerStore
from pack.training.captioning.report import captioning_report
from pack.training.captioning.run import CaptioningSpec, caption_dataset
from pack.training.captioning.tag_rules import TagRules
from pack.training.captioning.wd14 import wd14_captioner
from pack.training.data.dataset import REGULARISATION
from pack.training.errors import FileError, SettingsError

COLOURS = {"a.png": (255, 0, 0), "b.png": (0, 255, 0), "c.png": (0, 0, 255)}


@pytest.fixture
def answers(tmp_path):
    return AnswerStore(tmp_path / "user" / "captions.sqlite")


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "pictures"


def captions(dataset) -> list[str]:
    return [sample.caption for sample in dataset.samples]


def run(dataset, answers, talker=None, **spec):
    talker = talker or Talker()
    return caption_dataset(dataset, talker.captioner, CaptioningSpec(**spec), answers=answers)


def test_existing_captions(answers, folder):
    dataset = colour_dataset(folder, COLOURS, {"a.png": "my dog, seen"})
    told = {
        "keep": "my dog, seen", "append": "my dog, seen, colour 255-0-0", "prepend": "colour 255-0-0, my dog, seen",
        "replace": "colour 255-0-0, seen",
    }  # fmt: skip
    for existing, expected in told.items():
        result, outcome = run(dataset, answers, existing=existing)
        assert captions(result) == [expected, "colour 0-255-0, seen", "colour 0-0-255, seen"]
        assert outcome.kept == (["a.png"] if existing == "keep" else [])
    assert captions(dataset) == ["my dog, seen", "", ""]
    assert sorted(path.name for path in folder.iterdir()) == ["a.png", "a.txt", "b.png", "c.png"]


def test_the_trigger_leads_what_is_made(answers, folder):
    dataset = colour_dataset(folder, COLOURS, {"a.png": "my dog", "b.png": "a big ohwx dog"})
    result, _ = run(dataset, answers, existing="append", trigger="ohwx")
    assert captions(result) == ["ohwx, my dog, colour 255-0-0, seen", "a big ohwx dog, colour 0-255-0, seen", "ohwx, colour 0-0-255, seen"]
    assert captions(run(dataset, answers, trigger="ohwx")[0])[:2] == ["my dog", "a big ohwx dog"]


def test_lines_are_captions_of_their_own_and_nothing_is_said_twice(answers, folder):
    dataset = colour_dataset(folder, {"a.png": (255, 0, 0)}, {"a.png": "one\n\ntwo, SEEN"})
    result, _ = run(dataset, answers, existing="append")
    assert captions(result) == ["one, colour 255-0-0, seen\ntwo, SEEN, colour 255-0-0"]
    assert captions(run(result, answers, existing="append")[0]) == captions(result)


def test_sentences(answers, folder):
    dataset = colour_dataset(folder, {"a.png": (0, 0, 0), "b.png": (1, 1, 1)}, {"a.png": "It is a dog.", "b.png": "dog"})
    talker = Talker(words=lambda answer: ("A dark, dull field.",), tags=False)
    result, _ = run(dataset, answers, talker, existing="append")
    assert captions(result) == ["It is a dog. A dark, dull field.", "dog, A dark, dull field."]
    assert captions(run(result, answers, talker, existing="append")[0]) == captions(result)
    assert captions(run(dataset, answers, talker, existing="prepend")[0]) == ["A dark, dull field. It is a dog.", "A dark, dull field. dog"]


def test_class_words(answers):
    plain, regular = graph_sample(class_words="ohwx dog"), graph_sample("image 2", class_words="dog", role=REGULARISATION)
    captioned = replace(regular, name="image 3", caption="a dog", class_words="dog")
    dataset = as_dataset([plain, regular, captioned])
    result, outcome = run(dataset, answers, existing="append", trigger="zz")
    assert captions(result) == ["zz, ohwx dog, colour 255-255-255, seen", "", "a dog, colour 255-255-255, seen"]
    assert outcome.class_words == ["image 2"] and not outcome.words_lost
    result, outcome = run(dataset, answers, existing="keep")
    assert captions(result)[0] == "colour 255-255-255, seen" and outcome.words_lost == ["image 1 ('ohwx dog')"]
    assert "'append'" in captioning_report(Talker().captioner, outcome)


def test_the_model_is_loaded_only_when_it_is_needed_and_let_go(answers, folder):
    talker = Talker()
    run(colour_dataset(folder, COLOURS, dict.fromkeys(COLOURS, "there")), answers, talker)
    assert (talker.loads, talker.asked) == (0, 0)
    dataset = colour_dataset(folder, COLOURS)
    run(dataset, answers, talker)
    assert (talker.loads, talker.asked, talker.open) == (1, 3, 0)
    result, outcome = run(dataset, AnswerStore(answers._path), talker)
    assert (talker.loads, talker.asked, outcome.remembered) == (1, 3, 3) and captions(result)[0] == "colour 255-0-0, seen"
    colour_dataset(folder, {"a.png": (9, 9, 9)})
    assert captions(run(dataset, answers, talker)[0])[0] == "colour 9-9-9, seen" and talker.asked == 4


def test_another_background_is_another_picture(answers, folder):
    dataset = colour_dataset(folder, {"a.png": (0, 0, 0, 0)})
    black = replace(dataset.samples[0], background=(0, 0, 0))
    assert captions(run(dataset, answers)[0]) == ["colour 255-255-255, seen"]
    assert captions(run(as_dataset([black]), answers)[0]) == ["colour 0-0-0, seen"]


def test_files_are_never_replaced_unless_offered(answers, folder):
    dataset = colour_dataset(folder, COLOURS, {"a.png": "by hand"})
    _, outcome = run(dataset, answers, existing="replace", write_files="new files", trigger="ohwx")
    assert (folder / "a.txt").read_text() == "by hand" and (folder / "b.txt").read_text() == "ohwx, colour 0-255-0, seen\n"
    assert (outcome.files.written, outcome.files.left) == (2, 1)
    _, outcome = run(dataset, answers, existing="replace", write_files="new and changed files")
    assert (folder / "a.txt").read_text() == "colour 255-0-0, seen\n" and (outcome.files.written, outcome.files.replaced) == (3, 3)
    assert (folder / "a.txt.before_auto_caption").read_text() == "by hand"
    run(dataset, answers, existing="replace", write_files="new and changed files", trigger="zz")
    assert (folder / "a.txt.before_auto_caption").read_text() == "by hand" and (folder / "a.txt").read_text().startswith("zz, ")
    assert not [path for path in folder.iterdir() if path.suffix == ".tmp"]


def test_keep_never_touches_a_caption_file(answers, folder):
    dataset = colour_dataset(folder, COLOURS, {"a.png": "by hand"})
    run(dataset, answers, existing="keep", write_files="new and changed files")
    assert (folder / "a.txt").read_text() == "by hand" and (folder / "c.txt").is_file()


def test_a_file_that_says_the_same_is_not_touched(answers, folder):
    dataset = colour_dataset(folder, COLOURS)
    run(dataset, answers, write_files="new files")
    stamp = (folder / "a.txt").stat().st_mtime_ns
    outcome = run(dataset, answers, existing="replace", write_files="new and changed files")[1]
    assert (outcome.files.written, (folder / "a.txt").stat().st_mtime_ns) == (0, stamp)


def test_a_file_that_differs_in_case_is_the_same_file(answers, folder):
    dataset = colour_dataset(folder, {"Été.png": (1, 1, 1)})
    (folder / "E\u0301TÉ.TXT").write_text("by hand")
    run(dataset, answers, write_files="new files")
    assert sorted(path.name for path in folder.iterdir()) == sorted(["E\u0301TÉ.TXT", "Été.png"])


def test_links_are_replaced_not_followed(answers, folder, tmp_path):
    dataset = colour_dataset(folder, COLOURS)
    (tmp_path / "outside.txt").write_text("not yours")
    (folder / "a.txt").symlink_to(tmp_path / "outside.txt")
    run(dataset, answers, existing="replace", write_files="new and changed files")
    assert (tmp_path / "outside.txt").read_text() == "not yours" and not (folder / "a.txt").is_symlink()


def test_two_pictures_with_one_caption_file(answers, folder):
    dataset = colour_dataset(folder, {"a.png": (1, 1, 1), "a.bmp": (2, 2, 2)})
    _, outcome = run(dataset, answers, write_files="new and changed files")
    assert outcome.files.clashes == ["a.bmp and a.png"] and (folder / "a.txt").read_text() == "colour 1-1-1, seen\n"


def test_cancel_keeps_what_is_done(answers, folder):
    dataset, talker = colour_dataset(folder, COLOURS), Talker()

    class Cancelled(Exception):
        pass

    def progress(done, total):
        if done == 2:
            raise Cancelled

    spec = CaptioningSpec(write_files="new files")
    with pytest.raises(Cancelled):
        caption_dataset(dataset, talker.captioner, spec, answers=answers, on_progress=progress)
    assert sorted(path.name for path in folder.glob("*.txt")) == ["a.txt", "b.txt"] and talker.open == 0
    calls = []
    caption_dataset(dataset, talker.captioner, spec, answers=answers, on_progress=lambda *call: calls.append(call))
    assert talker.asked == 3 and calls == [(0, 3), (1, 3), (2, 3), (3, 3)]


def test_pictures_of_the_graph_are_only_passed_on(answers):
    result, outcome = run(as_dataset([graph_sample(value=0.2)]), answers, write_files="new files")
    assert captions(result) == ["colour 51-51-51, seen"] and outcome.files.written == 0


def test_a_broken_picture_is_named_and_the_others_go_on(answers, folder):
    dataset = colour_dataset(folder, COLOURS, {"b.png": "old"})
    (folder / "b.png").write_bytes((folder / "b.png").read_bytes()[:60])
    result, outcome = run(dataset, answers, existing="replace")
    assert captions(result)[1] == "old" and captions(result)[2] == "colour 0-0-255, seen"
    assert len(result.problems) == 1 and "b.png" in result.problems[0] and outcome.problems == list(result.problems)


def test_what_is_already_encoded_is_left(answers):
    sample = graph_sample(condition=object())
    result, outcome = run(as_dataset([sample]), answers, existing="replace")
    assert result.samples[0] is sample and outcome.encoded == ["image 1"]


def test_silence(answers, folder):
    dataset = colour_dataset(folder, COLOURS, {"a.png": "old"})
    silent = Talker(words=lambda answer: ())
    result, outcome = run(dataset, answers, silent, existing="replace", write_files="new and changed files", trigger="zz")
    assert captions(result) == ["old", "", ""] and outcome.silent == list(COLOURS) and not list(folder.glob("b.*t*t"))


def test_a_disk_that_refuses_is_explained(answers, folder, monkeypatch):
    dataset = colour_dataset(folder, COLOURS)
    monkeypatch.setattr("os.replace", lambda *_: (_ for _ in ()).throw(OSError(28, "No space left on device")))
    with pytest.raises(FileError, match="a.txt beside a.png could not be written .No space left.*only pass"):
        run(dataset, answers, write_files="new files")
    assert not list(folder.glob(".*"))


def test_a_damaged_store_costs_only_time(tmp_path, folder):
    path = tmp_path / "captions.sqlite"
    path.write_bytes(b"not a database" * 100)
    talker, dataset = Talker(), colour_dataset(folder, COLOURS)
    assert captions(run(dataset, AnswerStore(path), talker)[0])[0] == "colour 255-0-0, seen"
    assert run(dataset, AnswerStore(path), talker)[1].remembered == 3


def test_settings_are_checked_together():
    says = "(?s)3 problems.*existing_captions is 'kep'. Did you mean 'keep'.*write_files.*caption_extension is '.py'"
    with pytest.raises(SettingsError, match=says):
        CaptioningSpec(existing="kep", write_files="yes", extension=".py")


def test_a_tagger_from_end_to_end(answers, folder, tmp_path):
    model = make_wd14(tmp_path / "wd-tiny-tagger-v3")
    dataset = colour_dataset(folder, COLOURS, size=(40, 20))
    spec = CaptioningSpec(write_files="new files", trigger="ohwx")
    result, outcome = caption_dataset(dataset, wd14_captioner(model, TagRules(rating="last"), use_gpu=False), spec, answers=answers)
    # A wide picture between white stripes: half of the square is white, so every channel is at least half on.
    assert captions(result)[0] == "ohwx, hero (series), red tint, green tint, blue tint, o_o, general"
    report = captioning_report(wd14_captioner(model, TagRules()), outcome)
    assert "wd-tiny-tagger-v3: 3 pictures captioned" in report and "3 .txt files written" in report and "hero (series) (3)" in report
    stricter = wd14_captioner(model, TagRules(general_threshold=0.9), use_gpu=False)
    (model / "model.onnx").rename(model / "gone.onnx")
    again = replace(stricter, identity=wd14_identity(answers))
    result, outcome = caption_dataset(dataset, again, CaptioningSpec(), answers=answers)
    assert captions(result)[0] == "hero (series), red tint" and outcome.remembered == 3


def wd14_identity(answers) -> str:
    """The one identity in the store."""
    (identity,) = {row[0] for row in answers._run(lambda db: db.execute("SELECT identity FROM answers").fetchall())}
    assert json.loads(answers._run(lambda db: db.execute("SELECT answer FROM answers").fetchone())[0])
    return identity


def test_only_the_pictures_that_are_named(answers, folder):
    result, outcome = run(colour_dataset(folder, COLOURS, {"a.png": "my dog"}), answers, existing="replace", only=("a.png", "c.png"))
    assert captions(result) == ["colour 255-0-0, seen", "", "colour 0-0-255, seen"] and list(outcome.captions) == ["a.png", "c.png"]
    with pytest.raises(SettingsError, match="only_pictures names d.png"):
        run(colour_dataset(folder, COLOURS, {}), answers, only=("a.png", "d.png"))
