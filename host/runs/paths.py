"""Where things lie: the folders that ComfyUI gives us, and those that a graph may name."""

from __future__ import annotations

import os
from pathlib import Path

import folder_paths
from comfy.cli_args import args

from ...training.errors import SettingsError
from ...training.inputs import shown
from .folder_rules import ROOTS_VARIABLE, is_loopback, named_roots, resolve_folder


def dataset_roots() -> list[Path]:
    """input/, the 'datasets' folders that ComfyUI knows of, and those that the server's owner named."""
    known = folder_paths.folder_names_and_paths.get("datasets", ([],))[0]
    roots = [Path(folder_paths.get_input_directory()), *map(Path, known), *named_roots(os.environ.get(ROOTS_VARIABLE, ""))]
    return list(dict.fromkeys(root.resolve() for root in roots))


def dataset_folder(text: str, node: str = "Load Dataset", widget: str = "folder") -> Path:
    """The folder that a widget names. Raises SettingsError when it is missing or not allowed."""
    return resolve_folder(text, dataset_roots(), trusted=is_loopback(args.listen), node=node, widget=widget)


def named_file(text: str, node: str, widget: str) -> Path:
    """The file that a widget names, below the same folders. Raises SettingsError when it is missing or not allowed."""
    named = Path(text.strip().strip("\"'").strip())
    folder = dataset_folder(str(named.parent), node, widget)
    found = (folder / named.name).resolve()
    if not found.is_file() or not (is_loopback(args.listen) or found.is_relative_to(folder)):
        raise SettingsError(node, [f"{widget} '{shown(text)}' is not a file. Put it into ComfyUI's input folder and type its name."])
    return found


def private_folder() -> Path:
    """Ours below the user folder; names that begin with '__' are not served over HTTP."""
    return Path(folder_paths.get_user_directory()) / "__lora_canvas"


def cache_folder() -> Path:
    """Latents and text encodings, shared between runs."""
    return private_folder() / "cache"


def overflow_folder() -> Path:
    """What a run has encoded and main memory has no room for, until the run ends."""
    return private_folder() / "overflow"


def picture_index_file() -> Path:
    """What was learnt of picture files: sizes and content digests."""
    return private_folder() / "pictures.sqlite"


def captions_file() -> Path:
    """What captioners have said of pictures."""
    return private_folder() / "captions.sqlite"
