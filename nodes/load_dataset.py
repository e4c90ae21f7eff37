"""Load Dataset: a folder of pictures or videos, and captions."""

from __future__ import annotations

from pathlib import Path

from comfy_api.latest import io

from ..host.progress import node_progress
from ..host.runs.paths import dataset_folder, picture_index_file
from ..host.wired import Wired
from ..training.data.advice.report import dataset_report
from ..training.data.clips.timing import MAX_FPS, MAX_FRAMES, ClipSpec
from ..training.data.folder.index import FileIndex
from ..training.data.folder.scan import CAPTIONS_FROM, MASKS, WHERE, scan_folder
from ..training.data.folder.walk import folder_fingerprint
from ..training.data.specs import CaptionSpec
from ..training.drawing.contact_sheet import dataset_sheet
from ..training.errors import SettingsError, raise_problems
from .early import refusal
from .sockets import Dataset
from .widgets import CATEGORY, advanced, extra, folded

_WIRED = Wired(lambda *folders: folder_fingerprint(map(Path, folders)))
FOLDER_WIDGETS = ("folder", "mask_folder", "regularisation_folder", "validation_folder", "reference_folder")
TRANSPARENCY = {
    "white background": {"background": (255, 255, 255)},
    "grey background": {"background": (128, 128, 128)},
    "black background": {"background": (0, 0, 0)},
    "ignore": {"alpha": "ignore"},
}


class LoadDataset(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="LoRACanvasLoadDataset",
            display_name="Load Dataset",
            category=CATEGORY,
            description=(
                "Reads a folder of pictures, or of videos, and their captions. Sub-folders called '10_sks dog' give 10 repeats and the "
                "class words 'sks dog', as in kohya's trainer. Editing any picture or caption makes this node run again."
            ),
            inputs=[
                io.String.Input("folder", default="", tooltip=(
                    "The folder of your pictures, by its name in ComfyUI's input folder: my_dog for input/my_dog. While "
                    "ComfyUI can be reached from this machine only, a full path works too. 15 to 80 pictures are usual: "
                    "varied and sharp beats many.")),
                folded(io.Int.Input("repeats", default=1, min=1, max=1000, tooltip=(
                    "How often each picture is seen in an epoch; folders called N_name multiply it by N. 1 to 10 is usual. "
                    "Only the balance between folders and the length of an epoch change, not what a step does."))),
                folded(io.Combo.Input("caption_extension", options=[".txt", ".caption", ".tags", ".cap"], default=".txt", tooltip=(
                    "The ending of the caption files: dog1.txt beside dog1.png."))),
                extra(io.String.Input("trigger_word", default="", tooltip=(
                    "The rare word that will call up what you train, such as ohwx. It replaces [trigger] in captions, and "
                    "is put in front of every caption that does not hold it; it replaces [trigger] in the prompts of Sample Preview, in "
                    "those behind Train LoRA's clip, and in the file's name. Empty: captions stay as they are."))),
                advanced(io.Combo.Input("captions_from", options=list(CAPTIONS_FROM), default="auto", tooltip=(
                    "files: text files beside the pictures. metadata: metadata.jsonl or metadata.csv. class words: the "
                    "words of N_words folders. auto: the first of these that a picture has."))),
                advanced(io.Combo.Input("transparency", options=list(TRANSPARENCY), default="white background", tooltip=(
                    "What transparent parts of pictures become. Choose a background that your pictures never have if it "
                    "shows up in results. ignore: hidden colours show, often black or noise; kohya's trainer does that."))),
                advanced(io.Combo.Input("masks", options=list(MASKS), default="none", tooltip=(
                    "Train only parts of the pictures. alpha: the opaque part. files: dog1-mask.png beside dog1.png, white "
                    "is trained. How much the rest counts is set on the Training Objective node."))),
                advanced(io.String.Input("mask_folder", default="", tooltip=(
                    "A folder with masks that have the same names as the pictures. Set masks to 'files'. Empty: none."))),
                advanced(io.String.Input("regularisation_folder", default="", tooltip=(
                    "Ordinary pictures of the same class (dogs that are not yours) that keep the model from forgetting "
                    "what other dogs look like. They double the steps of an epoch. Empty: none."))),
                advanced(io.Float.Input("prior_loss_weight", default=1.0, min=0.0, max=10.0, step=0.05, tooltip=(
                    "How much regularisation pictures count. 1 is usual; lower learns your subject faster and forgets more."))),
                advanced(io.Float.Input("validation_fraction", default=0.0, min=0.0, max=0.5, step=0.01, tooltip=(
                    "The part of the pictures that is never trained on, to see when the LoRA starts to copy the others. "
                    "0.1 with 20 pictures or more; 0 with few, where every picture counts."))),
                advanced(io.String.Input("validation_folder", default="", tooltip=(
                    "A folder of pictures for the same purpose, instead of a fraction. Empty: none."))),
                advanced(io.Boolean.Input("sub_folders", default=True, tooltip="Also read the pictures in sub-folders.")),
                advanced(io.String.Input("reference_folder", default="", tooltip=(
                    "For edit models (FLUX Kontext, FLUX.2, Qwen-Image-Edit, OmniGen2, ...): the pictures before the change, by the "
                    "same names; your folder holds those after it, and the captions say what changes. dog1.png here belongs to "
                    "dog1.png there; further ones are dog1_1.png, dog1_2.png. 20 to 100 pairs are usual. Empty: none."))),
                advanced(io.Int.Input("clip_frames", default=17, min=0, max=MAX_FRAMES, tooltip=(
                    "For video models: how many frames are taken of each video (mp4, mov, webm, mkv, avi) and animated GIF or WebP, "
                    "from its beginning. 17 is about a second of Wan; 5 teaches a look, 33 and more movement. Memory and time grow with "
                    "it: Train LoRA says how much. Too high: out of memory. 1: the first frame as a picture, for image models too. 0: "
                    "all frames."))),
                advanced(io.Float.Input("clip_fps", default=16.0, min=0.0, max=MAX_FPS, step=1.0, tooltip=(
                    "How many frames a second are taken of videos: as many as the model makes, 16 for Wan, 24 for Wan 2.2 5B, Hunyuan "
                    "Video and LTX. Too low: movement is learnt too fast; too high: too slow. 0: every frame of the file."))),
            ],
            outputs=[
                Dataset.Output(display_name="dataset", tooltip="To Bucket Config, Auto Caption or Train LoRA."),
                io.String.Output(display_name="report", tooltip="What was found, and what is wrong with it."),
                io.Image.Output(display_name="preview", tooltip="Up to 48 of the pictures; what masks leave out is red."),
            ],
        )

    @classmethod
    def fingerprint_inputs(cls, **widgets) -> str:
        if any(name in widgets and widgets[name] is None for name in FOLDER_WIDGETS):
            return _WIRED.fingerprint()
        try:
            return folder_fingerprint(_folders(widgets).values())
        except SettingsError as error:
            return str(error)

    @classmethod
    def validate_inputs(cls, folder="", mask_folder="", regularisation_folder="", validation_folder="", reference_folder="") -> bool | str:
        others = {"mask_folder": mask_folder, "regularisation_folder": regularisation_folder, "validation_folder": validation_folder,
                  "reference_folder": reference_folder}
        return refusal(lambda: _require_folders(folder=folder, **others))

    @classmethod
    def execute(cls, **widgets) -> io.NodeOutput:
        _WIRED.came(*map(str, _folders(widgets).values()))
        dataset = cls.foreseen(**widgets, on_progress=node_progress())
        return io.NodeOutput(dataset, dataset_report(dataset), dataset_sheet(dataset))

    @classmethod
    def foreseen(cls, repeats, caption_extension, trigger_word="", captions_from="auto", transparency="white background",
                 masks="none", prior_loss_weight=1.0, validation_fraction=0.0, sub_folders=True, clip_frames=17, clip_fps=16.0,
                 on_progress=None, with_left_out=False, **widgets):
        """The data set, without a look at it: before Run too (host/panel/estimate.py); with pictures that are left out, to be edited."""
        folders = _folders(widgets)
        return scan_folder(
            folders.pop("folder"), repeats=repeats, caption_extension=caption_extension, captions_from=captions_from,
            masks=masks, prior_loss_weight=prior_loss_weight, validation_fraction=validation_fraction,
            recursive=sub_folders, index=FileIndex(picture_index_file()), on_progress=on_progress,
            captions=CaptionSpec(trigger=trigger_word), clips=ClipSpec(frames=clip_frames, fps=clip_fps),
            with_left_out=with_left_out, **_transparency(transparency), **folders,
        )


def _require_folders(**widgets: str | None) -> None:
    """Raises SettingsError that names every folder that is not there. Those that are wired are not known yet."""
    problems = []
    for name, text in widgets.items():
        if text is None or (name != "folder" and not text.strip()):
            continue
        try:
            dataset_folder(text, WHERE, name)
        except SettingsError as error:
            problems += error.problems
    raise_problems(SettingsError, WHERE, problems)


def _folders(widgets: dict) -> dict:
    """The folders that the widgets name, real paths; optional ones that are empty are left out."""
    named = {name: widgets.get(name) or "" for name in FOLDER_WIDGETS}
    return {name: dataset_folder(text, WHERE, name) for name, text in named.items() if name == "folder" or text.strip()}


def _transparency(choice: str) -> dict:
    if choice not in TRANSPARENCY:
        raise SettingsError(WHERE, [f"transparency is '{choice}' but must be one of {', '.join(TRANSPARENCY)}."])
    return TRANSPARENCY[choice]
