"""Which folders a graph may name. A graph may come from the network, so not every folder of the machine.

Pure rules, no ComfyUI: `paths` knows the actual folders.
"""

from __future__ import annotations

import ipaddress
import os
from collections.abc import Sequence
from pathlib import Path

from ...training.errors import SettingsError
from ...training.registry import near_names

ROOTS_VARIABLE = "LORA_CANVAS_DATASET_ROOTS"
#: What ComfyUI itself makes in its input folder: nobody's pictures to train on, so it is not among the names that are told.
COMFYUIS_OWN = frozenset({"3d", "clipspace", "painter", "pasted", "webcam"})


def is_loopback(listen: str) -> bool:
    """Whether every address of ComfyUI's --listen (comma-separated) is reached from this machine only."""
    addresses = [part.strip() for part in listen.split(",") if part.strip()]
    return bool(addresses) and all(_is_local(address) for address in addresses)


def _is_local(address: str) -> bool:
    try:
        return ipaddress.ip_address(address.strip("[]")).is_loopback
    except ValueError:
        return address.lower() == "localhost"


def named_roots(variable: str) -> list[Path]:
    """The absolute folders in the environment variable's value, split as PATH is."""
    parts = (Path(part).expanduser() for part in variable.split(os.pathsep) if part.strip())
    return [path.resolve() for path in parts if path.is_absolute()]


def resolve_folder(text: str, roots: Sequence[Path], *, trusted: bool, node: str, widget: str) -> Path:
    """The existing folder that `text` names, real path.

    A relative name is looked up below each root in turn; an absolute one must lie below a root, unless `trusted`
    (ComfyUI can be reached from this machine only). Raises SettingsError that says where to put the folder.
    """
    text = text.strip().strip("\"'").strip()
    if not text:
        raise SettingsError(node, [f"{widget} is empty. Type the name of a folder in ComfyUI's input folder.{_known(roots)}"])
    if "\0" in text:
        raise SettingsError(node, [f"{widget} holds a character that no folder name can have. Type it again."])
    try:
        path = Path(text).expanduser()
        if path.is_absolute() or path.drive:
            return _absolute(path, text, roots, trusted=trusted, node=node, widget=widget)
        for root in roots:
            found = (root / path).resolve()
            if found.is_dir() and (trusted or found.is_relative_to(root.resolve())) and ".." not in path.parts:
                return found
    except (OSError, RuntimeError, ValueError) as error:
        raise SettingsError(node, [f"{widget} '{text}' cannot be used ({error}). Type another name."]) from error
    raise SettingsError(node, [f"{widget} '{text}' is not a folder below {_names(roots)}.{_known(roots, text)}"])


def _absolute(path: Path, text: str, roots: Sequence[Path], *, trusted: bool, node: str, widget: str) -> Path:
    if not (trusted or _inside(path, roots)):
        raise SettingsError(
            node,
            [f"{widget} '{text}' lies outside {_names(roots)}, and this ComfyUI can be reached from the network. "
             f"Move the folder into ComfyUI's input folder, or start ComfyUI with {ROOTS_VARIABLE} set to its parent."],
        )
    if not path.is_dir():
        raise SettingsError(node, [f"{widget} '{text}' is not a folder on the machine that ComfyUI runs on. Check its name."])
    return path.resolve()


def _inside(path: Path, roots: Sequence[Path]) -> bool:
    """Whether the path lies below a root, by its text first: a stranger's path is not looked up on the disk at all,
    which would tell whether it exists, or on Windows connect to a share."""
    plain = Path(os.path.normpath(path))
    return any(plain.is_relative_to(root) and plain.resolve().is_relative_to(root.resolve()) for root in roots)


def _names(roots: Sequence[Path]) -> str:
    return " or ".join(f"'{root.name}'" for root in roots)


def _may_be_meant(entry: os.DirEntry[str]) -> bool:
    return entry.is_dir() and not entry.name.startswith(".") and entry.name.lower() not in COMFYUIS_OWN


def _known(roots: Sequence[Path], text: str = "") -> str:
    names = []
    for root in roots:
        try:
            names += sorted(entry.name for entry in os.scandir(root) if _may_be_meant(entry))
        except OSError:
            continue
    return " " + near_names(text, names[:30]) if names else " Make a folder there and put the pictures into it."
