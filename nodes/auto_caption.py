"""Auto Caption: captions by taggers and by models that write sentences."""

from __future__ import annotations

from comfy_api.latest import io, ui

from ..host.captioning.captioning import DEVICES, captioner_for, captioning_progress
from ..host.captioning.models import captioner_names, find_model, model_stamp
from ..host.runs.paths import captions_file
from ..host.wired import Wired
from ..training.captioning.answers import AnswerStore
from ..training.captioning.captioner import WHERE
from ..training.captioning.existing import EXISTING
from ..training.captioning.files import EXTENSIONS, WRITE
from ..training.captioning.generator import GenerationSpec
from ..training.captioning.prompts import TEMPLATES
from ..training.captioning.report import captioning_report
from ..training.captioning.run import CaptioningSpec, caption_dataset
from ..training.captioning.tag_rules import RATINGS, TagRules, parse_replacements, parse_tags
from ..training.errors import SettingsError
from .early import refusal, typed
from .sockets import Dataset
from .widgets import CATEGORY, advanced, extra, lines

_WIRED = Wired(model_stamp)


class AutoCaption(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="LoRACanvasAutoCaption",
            display_name=WHERE,
            category=CATEGORY,
            description=(
                "Writes captions for the pictures of a dataset: tags (the wd- models, for anime models such as Illustrious or "
                "Pony) or sentences (Qwen3-VL, JoyCaption, Florence-2, BLIP and others, for FLUX and photographs). Captions appear as "
                "they are made; Cancel keeps them, and running again goes on from there."
            ),
            is_output_node=True,
            inputs=[
                Dataset.Input("dataset", tooltip="From Load Dataset, Images To Dataset or Merge Datasets."),
                io.Combo.Input("captioner", options=captioner_names(), default="wd-eva02-large-tagger-v3", tooltip=(
                    "Who writes. wd-…: tags; wd-eva02-large-tagger-v3 is the best and largest (1.26 GB), wd-swinv2-tagger-v3 nearly "
                    "as good (467 MB). Florence-2 and blip: sentences, small and quick; Qwen3-VL and JoyCaption: sentences or tags as "
                    "you ask, 4 to 17 GB. Models lie in ComfyUI's models/lora_canvas_captioners "
                    "folder; your own appear in this list.")),
                advanced(io.Combo.Input("existing_captions", options=list(EXISTING), default="keep", tooltip=(
                    "What happens to pictures that have a caption. keep: they are left alone. append, prepend: the new words go "
                    "behind or in front. replace: the old caption is forgotten."))),
                extra(io.Combo.Input("write_files", options=list(WRITE), default="no", tooltip=(
                    "no: captions are only passed on to the next node. new files: a text file beside each picture that has none. "
                    "new and changed files: existing ones are replaced too; what you had written is kept beside them."))),
                extra(io.Boolean.Input("download_model", default=False, tooltip=(
                    "Fetch the captioner from the model hub if it is not on this machine yet. Off: the run stops and tells the "
                    "size, and where to put the files."))),
                advanced(io.String.Input("trigger_word", default="", tooltip=(
                    "A word such as ohwx that leads every caption made here, unless it is already in it. Empty is fine when Load "
                    "Dataset has the trigger word: it is added at training."))),
                advanced(io.Float.Input("general_threshold", default=0.35, min=0.01, max=1.0, step=0.01, tooltip=(
                    "Taggers: how sure the model must be of a tag. 0.35 is usual; lower finds more and guesses more, above 0.6 "
                    "only the obvious remains."))),
                advanced(io.Float.Input("character_threshold", default=0.85, min=0.01, max=1.0, step=0.01, tooltip=(
                    "Taggers: the same for names of characters. 0.85 is usual; 1 switches them off, which is right for a "
                    "character that the model cannot know."))),
                advanced(io.String.Input("undesired_tags", default="", multiline=True, tooltip=(
                    "Taggers: tags that are never used, with commas between. Leave out what should belong to the trigger word, "
                    "such as your character's hair colour."))),
                advanced(io.String.Input("prompt", default="", multiline=True, tooltip=(
                    "Models that write sentences: what they are asked. Empty: their usual question. Florence-2 takes <CAPTION>, "
                    "<DETAILED_CAPTION> or <MORE_DETAILED_CAPTION>; BLIP goes on with your words, as in 'a photo of'."))),
                advanced(io.Combo.Input("rating_tag", options=list(RATINGS), default="off", tooltip=(
                    "Taggers: also say how explicit the picture is (general, sensitive, questionable, explicit), at the front or "
                    "the end. off is usual."))),
                advanced(io.Boolean.Input("character_tags_first", default=True, tooltip=(
                    "Taggers: names of characters in front of the other tags, so that shuffling with keep_tokens spares them."))),
                advanced(io.String.Input("always_first_tags", default="", tooltip=(
                    "Taggers: tags that lead when they are seen, in this order, such as 1girl, 1boy."))),
                advanced(io.String.Input("replace_tags", default="", multiline=True, tooltip=(
                    "Taggers: 'tag: other tag; next: another'. Nothing behind the colon removes the tag; write \\; and \\: for the "
                    "characters themselves."))),
                advanced(io.Boolean.Input("underscores_to_spaces", default=True, tooltip=(
                    "Taggers: long hair instead of long_hair, as most models were trained. Faces such as o_o stay."))),
                advanced(io.Int.Input("max_tags", default=0, min=0, max=1000, tooltip=(
                    "Taggers: keep only this many of the surest general tags. 0: all. 30 fits into the 75 tokens of SD1.5."))),
                advanced(io.Int.Input("max_new_tokens", default=128, min=1, max=4096, tooltip=(
                    "Models that write sentences: how long a text may get; about 3 tokens make 2 words. 128 is usual; too few cut "
                    "it off in the middle."))),
                advanced(io.Int.Input("beams", default=1, min=1, max=16, tooltip=(
                    "Models that write sentences: how many texts are tried at once. 1 is quick; 3 is often a little better and "
                    "three times as slow."))),
                advanced(io.String.Input("hub_model", default="", tooltip=(
                    "For captioner 'other (hub_model)': the id of any image-text-to-text model, such as "
                    "florence-community/Florence-2-large. Only models that transformers knows itself; no foreign code is run."))),
                advanced(io.Combo.Input("caption_extension", options=list(EXTENSIONS), default=".txt", tooltip=(
                    "The ending of files that are written: the same as on Load Dataset."))),
                advanced(io.Combo.Input("device", options=list(DEVICES), default="auto", tooltip=(
                    "auto: the graphics card, as ComfyUI uses it. cpu: slower, but leaves the card alone."))),
                advanced(io.String.Input("only_pictures", default="", multiline=True, tooltip=(
                    "The names of the pictures that are captioned, one a line, as reports name them: 10_dog/a.png. Empty: all. The "
                    "grid of Load Dataset fills it with those that are chosen there."))),
                advanced(io.Combo.Input("prompt_template", options=list(TEMPLATES), default=TEMPLATES[0], tooltip=(
                    "Models that write sentences: a question that fits the model. one sentence, detailed description: for FLUX, Qwen-Image "
                    "and photographs. tags: for anime models, by Qwen3-VL and JoyCaption; a wd- tagger is quicker and surer. as prompt "
                    "says: what stands in prompt, or the model's usual question."))),
                advanced(io.Boolean.Input("character_tag_expand", default=False, tooltip=(
                    "Taggers: the series in a character's tag becomes a tag of its own: 'name (series)' is written as 'name, series', as "
                    "kohya's tagger does. On when you train several characters of one series; off is usual."))),
            ],
            outputs=[
                Dataset.Output(display_name="dataset", tooltip="To Caption Config, Bucket Config or Train LoRA."),
                io.String.Output(display_name="report", tooltip="What was captioned and written, as shown on the node."),
            ],
        )

    @classmethod
    def fingerprint_inputs(cls, captioner="", hub_model="", **widgets) -> str:
        return _WIRED.fingerprint() if captioner is None or hub_model is None else model_stamp(captioner, hub_model)

    @classmethod
    def validate_inputs(cls, undesired_tags=None, always_first_tags=None, replace_tags=None, prompt=None,
                        prompt_template=None) -> bool | str:
        def check() -> None:
            _tag_rules(**typed(undesired_tags=undesired_tags, always_first_tags=always_first_tags, replace_tags=replace_tags))
            GenerationSpec(**typed(prompt=prompt, template=prompt_template))

        return refusal(check)

    @classmethod
    def foreseen(cls, dataset, **_captions):
        """The pictures, whatever is said of them: before Run too (host/panel/estimate.py)."""
        return dataset

    @classmethod
    def execute(cls, dataset, captioner, existing_captions="keep", write_files="no", download_model=False, trigger_word="",
                hub_model="", caption_extension=".txt", device="auto", prompt="", max_new_tokens=128, beams=1,
                only_pictures="", prompt_template=TEMPLATES[0], **tag_widgets) -> io.NodeOutput:
        if device not in DEVICES:
            raise SettingsError(WHERE, [f"device is '{device}' but must be one of {', '.join(DEVICES)}."])
        spec = CaptioningSpec(existing=existing_captions, write_files=write_files, extension=caption_extension, trigger=trigger_word,
                              only=lines(only_pictures))
        rules = _tag_rules(**tag_widgets)
        generation = GenerationSpec(prompt=prompt, max_new_tokens=max_new_tokens, beams=beams, template=prompt_template)
        progress = captioning_progress()
        _WIRED.came(captioner, hub_model)
        model = find_model(captioner, hub_model, download_model, progress)
        writer = captioner_for(model, rules, generation, device)
        captioned, outcome = caption_dataset(dataset, writer, spec, answers=AnswerStore(captions_file()), on_progress=progress)
        report = captioning_report(writer, outcome)
        told = ui.PreviewText(report).as_dict()
        # The grid of Load Dataset asks for some pictures, and shows what is suggested for each.
        return io.NodeOutput(captioned, report, ui={**told, "captions": [outcome.captions]} if spec.only else told)


def _tag_rules(general_threshold=0.35, character_threshold=0.85, undesired_tags="", rating_tag="off", character_tags_first=True,
               always_first_tags="", replace_tags="", underscores_to_spaces=True, max_tags=0, character_tag_expand=False) -> TagRules:
    return TagRules(
        general_threshold=general_threshold, character_threshold=character_threshold, rating=rating_tag,
        characters_first=character_tags_first, always_first=parse_tags(always_first_tags), undesired=parse_tags(undesired_tags),
        replacements=parse_replacements(replace_tags), spaces=underscores_to_spaces, max_tags=max_tags,
        expand_characters=character_tag_expand,
    )
