"""Caption Config: how captions become the text that is trained."""

from __future__ import annotations

from comfy_api.latest import io

from ..training.data.specs import LINES, CaptionSpec
from .early import refusal, typed
from .sockets import Dataset
from .widgets import CATEGORY, advanced, folded


class CaptionConfig(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="LoRACanvasCaptionConfig",
            display_name="Caption Config",
            category=CATEGORY,
            description=(
                "Sets how captions become the text that is trained: trigger word, prefix, shuffling, dropout. Wire the result "
                "into Caption Preview to read the final texts. All of it works with cached text encodings."
            ),
            inputs=[
                Dataset.Input("dataset", tooltip="From Load Dataset, Images To Dataset or Merge Datasets."),
                io.String.Input("trigger_word", default="", tooltip=(
                    "The rare word that will call up what you train, such as ohwx. It replaces [trigger], and leads every "
                    "caption that does not hold it. Empty: what the dataset already has.")),
                folded(io.String.Input("prefix", default="", tooltip=(
                    "Put in front of every caption, with a comma between; end it with a space to glue it on, as in "
                    "'photo of '. It is never shuffled or dropped. Regularisation pictures don't get it."))),
                folded(io.String.Input("suffix", default="", tooltip="Put behind every caption, in the same way.")),
                io.Boolean.Input("shuffle", default=False, tooltip=(
                    "Mix the order of tags, so that none matters by its place. On for tags with commas; off for sentences.")),
                folded(io.Int.Input("keep_tokens", default=0, min=0, max=255, tooltip=(
                    "How many tags at the front stay in place when shuffling or dropping. 1 or 2 when the subject's tags lead; "
                    "the trigger word and the prefix stay anyway."))),
                folded(io.Float.Input("caption_dropout", default=0.0, min=0.0, max=1.0, step=0.01, tooltip=(
                    "How often the whole caption is left out. 0.05 to 0.1 makes the LoRA act without its trigger, good for styles; "
                    "more weakens the trigger."))),
                folded(io.Float.Input("tag_dropout", default=0.0, min=0.0, max=1.0, step=0.01, tooltip=(
                    "How often each tag is left out, so that the LoRA doesn't lean on any. 0.1 is usual; above 0.3 captions lose "
                    "their sense. Kept tags and the trigger word are spared."))),
                advanced(io.Int.Input("caption_dropout_every_n_epochs", default=0, min=0, max=1000, tooltip=(
                    "Leave all captions out in every n-th epoch. 0: never."))),
                advanced(io.Combo.Input("lines", options=list(LINES), default=LINES[0], tooltip=(
                    "When a caption has several lines. random: each is a caption of its own, one is drawn. first: the others are "
                    "ignored. all: they are one text."))),
                advanced(io.Boolean.Input("wildcards", default=False, tooltip=(
                    "Read {red|blue} in captions as a choice, drawn anew. Write {{ and }} for real braces."))),
                advanced(io.String.Input("keep_tokens_separator", default="|||", tooltip=(
                    "In 'fixed ||| mixed ||| fixed' only the middle is shuffled and dropped. It is never trained as text."))),
                advanced(io.String.Input("secondary_separator", default=";;;", tooltip=(
                    "In 'red;;;big, dog' the tags 'red' and 'big' stay together; it becomes a comma in the end."))),
                advanced(io.String.Input("separator", default=",", tooltip="What stands between tags. A comma is usual.")),
                advanced(io.Int.Input("variants", default=10, min=1, max=1000, tooltip=(
                    "How many different texts a picture can get by shuffling, dropping and choosing. Each is encoded once, ahead. "
                    "10 is plenty; more takes longer to prepare and more memory."))),
                advanced(io.Boolean.Input("allow_empty", default=False, tooltip=(
                    "Train pictures that have no text at all. Off: the run does not start, and names them."))),
                advanced(io.Int.Input("token_warmup_step", default=0, min=0, max=1000000, tooltip=(
                    "Captions begin with few tags and have all of them after so many steps, so that the leading tags are learned first. "
                    "0: all from the start. A third of the run is usual; each length is one more text to encode. For tags with commas."))),
                advanced(io.Int.Input("token_warmup_min", default=1, min=0, max=255, tooltip=(
                    "With token_warmup_step: how many tags there are at first, behind those that keep_tokens keeps."))),
            ],
            outputs=[Dataset.Output(display_name="dataset", tooltip="To Caption Preview, Bucket Config or Train LoRA.")],
        )

    @classmethod
    def validate_inputs(cls, separator=None, prefix=None, suffix=None, trigger_word=None) -> bool | str:
        return refusal(lambda: CaptionSpec(**typed(separator=separator, prefix=prefix, suffix=suffix, trigger=trigger_word)))

    @classmethod
    def execute(cls, dataset, trigger_word, **settings) -> io.NodeOutput:
        return io.NodeOutput(dataset.with_captions(CaptionSpec(trigger=trigger_word, **settings)))

    @classmethod
    def foreseen(cls, dataset, **_captions):
        """The pictures, whatever is said of them: before Run too (host/panel/estimate.py)."""
        return dataset
