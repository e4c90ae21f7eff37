"""A preset: which widgets it sets, to what, and why. Nodes are named by their id, widgets by their name."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from ..errors import SettingsError, raise_problems
from ..inputs import shown

WHERE = "Preset"
FORMAT = "lora_canvas preset"
RUN_FORMAT = "lora_canvas run settings"
Value = str | int | float | bool
_NAME = re.compile(r"\w{1,60}")
MOST_SETTINGS, LONGEST_TEXT = 200, 2000
_MOST_OF_RUN, _LONGEST_OF_RUN = 1000, 50_000

TRAIN, NETWORK, OPTIMIZER, OBJECTIVE = "LoRACanvasTrainLoRA", "LoRACanvasLoRANetwork", "LoRACanvasOptimizer", "LoRACanvasTrainingObjective"
BUCKETS, CAPTIONS, DATASET = "LoRACanvasBucketConfig", "LoRACanvasCaptionConfig", "LoRACanvasLoadDataset"
PREVIEW, SAVE, LOKR, LOADER = "LoRACanvasSamplePreview", "LoRACanvasSaveLoRA", "LoRACanvasLoKrOptions", "UNETLoader"
NODES = (NETWORK, OPTIMIZER, OBJECTIVE, BUCKETS, CAPTIONS, DATASET, PREVIEW, TRAIN, SAVE, LOKR, LOADER)

#: What is one's own or this machine's, and no preset says: names, folders, words, which run goes on.
PERSONAL = frozenset(
    "folder mask_folder regularisation_folder validation_folder reference_folder trigger_word trigger_words run_name filename resume "
    "prompts preservation_trigger preservation_class assistant_name unet_name ckpt_name".split()
)


#: What the file of a run's settings may set: its own names, folders and words too, on any node of ours, and the models that were loaded.
_OF_RUN = re.compile(r"LoRACanvas\w{1,60}|UNETLoader|CheckpointLoaderSimple|(Dual|Triple)?CLIPLoader|VAELoader")


@dataclass(frozen=True, kw_only=True)
class Setting:
    """`why` by language ("en", "zh"), `source`: whose word it is."""

    node: str
    widget: str
    value: Value
    why: Mapping[str, str] = field(default_factory=dict)
    source: str = ""


@dataclass(frozen=True, kw_only=True)
class Unread:
    """A key of a file that sets nothing here, and why."""

    key: str
    value: str
    why: str


@dataclass(frozen=True, kw_only=True)
class Preset:
    """`kind` is what wrote it; `off` are the keys of what the file has switched off, as it is here."""

    name: str
    kind: str
    settings: tuple[Setting, ...]
    unread: tuple[Unread, ...] = ()
    off: tuple[str, ...] = ()

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


def settings_of(content: Mapping[str, Any]) -> tuple[Setting, ...]:
    """Those of a preset's file of ours, or of a run's: {"format", "version", "name", "nodes": {node: {widget: value}}}. Raises
    SettingsError that names all that such a file cannot hold."""
    nodes = content.get("nodes")
    if content.get("version") != 1 or not isinstance(nodes, dict) or not all(isinstance(each, dict) for each in nodes.values()):
        raise SettingsError(WHERE, ["this is no preset of version 1: it must have 'nodes', each with its widgets. Save it anew."])
    pairs = [(str(node), str(widget), value) for node, widgets in nodes.items() for widget, value in widgets.items()]
    of_run = content.get("format") == RUN_FORMAT
    most, problem_of = (_MOST_OF_RUN, _problem_of_run) if of_run else (MOST_SETTINGS, _problem)
    problems = [f"it has {len(pairs):,} settings but may have {most}."] if len(pairs) > most else []
    problems += [problem for node, widget, value in pairs[:most] if (problem := problem_of(node, widget, value))]
    raise_problems(SettingsError, WHERE, problems[:20])
    return tuple(Setting(node=node, widget=widget, value=value) for node, widget, value in pairs)


def _problem(node: str, widget: str, value: Any) -> str | None:
    name = f"{shown(node)}.{shown(widget)}"
    if node not in NODES or not _NAME.fullmatch(widget):
        return f"{name} is no widget that a preset sets."
    if widget in PERSONAL:
        return f"{name} is no setting that a preset may carry: it names something of one machine."
    return _problem_of_value(name, value, LONGEST_TEXT)


def _problem_of_run(node: str, widget: str, value: Any) -> str | None:
    name = f"{shown(node)}.{shown(widget)}"
    if not _OF_RUN.fullmatch(node) or not _NAME.fullmatch(widget) or widget == "resume":
        return f"{name} is no setting of a run."
    return _problem_of_value(name, value, _LONGEST_OF_RUN)


def _problem_of_value(name: str, value: Any, longest: int) -> str | None:
    if isinstance(value, (str, int, float)) and not (isinstance(value, str) and len(value) > longest):
        return None
    return f"{name} is {shown(str(value))} but must be a number, a switch, or a text of at most {longest:,} letters."
