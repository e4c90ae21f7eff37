"""What the file of a preset holds: our own, that of a run's settings, the JSON of kohya's GUI, or the TOML of sd-scripts."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import PurePosixPath, PureWindowsPath
from typing import Any

from ..errors import MissingLibraryError, SettingsError
from ..inputs import shown
from .kohya import read_kohya
from .record import FORMAT, RUN_FORMAT, WHERE, Preset, settings_of

MOST = 1 << 20
"""Characters of a file."""


def read_preset(name: str, text: str) -> Preset:
    """The preset of a file by its name and content. Raises SettingsError for what is none, MissingLibraryError for TOML on Python 3.10."""
    if len(text) > MOST:
        raise SettingsError(WHERE, [f"the file has {len(text):,} characters but may have {MOST:,}."])
    plain = PurePosixPath(PureWindowsPath(name).name)
    is_toml = plain.suffix.lower() == ".toml"
    content = _toml(text) if is_toml else _json(text)
    if content.get("format") in (FORMAT, RUN_FORMAT):
        title = content.get("name")
        kind = "ours" if content["format"] == FORMAT else "run"
        return Preset(name=shown(title, 80) if isinstance(title, str) else plain.stem, kind=kind, settings=settings_of(content))
    found = read_kohya(content, shown(plain.stem, 80), "sd-scripts (TOML)" if is_toml else "kohya_ss (JSON)")
    if not found.settings:
        raise SettingsError(WHERE, [f"'{shown(plain.name)}' has no setting that is known here. It may be a preset saved here, a kohya_ss "
                                    "configuration (.json), or an sd-scripts configuration (.toml)."])
    return found


def _json(text: str) -> Mapping[str, Any]:
    try:
        content = json.loads(text.removeprefix("\ufeff"), parse_constant=lambda _: None)
    except (ValueError, RecursionError) as error:
        raise SettingsError(WHERE, [f"the file is no JSON: {shown(str(error))}."]) from None
    if not isinstance(content, dict):
        raise SettingsError(WHERE, ["the file's JSON is no object with names and values."])
    return content


def _toml(text: str) -> Mapping[str, Any]:
    try:
        import tomllib
    except ImportError:  # Python 3.10
        try:
            import tomli as tomllib
        except ImportError as error:
            raise MissingLibraryError("tomli", "reading TOML files on a Python before 3.11") from error
    try:
        return tomllib.loads(text.removeprefix("\ufeff").replace("\r\n", "\n"))
    except (ValueError, RecursionError) as error:
        raise SettingsError(WHERE, [f"the file is no TOML: {shown(str(error))}."]) from None
