"""Sample prompts from a file: plain lines, kohya's lines with options, or JSON."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..errors import SettingsError, raise_problems
from ..inputs import shown
from ..specs import OwnSettings

WHERE = "Sample Preview"
MOST_BYTES, MOST_PROMPTS = 1_000_000, 200


def _whole(value: Any) -> int:
    """Raises ValueError for a number with a fraction, and for true and false, which Python counts as numbers."""
    number = int(value)
    if isinstance(value, bool) or (isinstance(value, float) and number != value):
        raise ValueError
    return number


#: kohya's option, and its JSON key -> the setting here, and what reads it.
_OPTIONS: Mapping[str, tuple[str, Callable[[Any], Any]]] = {
    "n": ("negative", str), "w": ("width", _whole), "h": ("height", _whole), "d": ("seed", _whole), "l": ("cfg", float),
    "s": ("sampling_steps", _whole),
}
_KEYS = {"negative_prompt": "n", "width": "w", "height": "h", "seed": "d", "scale": "l", "sample_steps": "s"}


@dataclass(frozen=True)
class FilePrompts:
    """One setting of its own for each of `prompts`."""

    prompts: tuple[str, ...]
    own: tuple[OwnSettings, ...]


def read_prompts(path: Path) -> FilePrompts:
    """`path` holds a prompt a line, `a cat --n blurry --w 768 --h 512 --d 7 --l 6.5 --s 30`, where every option may be left out and lines
    with # are remarks; or, called .json, a list of prompts or of {"prompt": ..., "negative_prompt", "width", "height", "seed", "scale",
    "sample_steps"}. Raises SettingsError naming every line that cannot be read."""
    problems: list[str] = []
    text = _text(path)
    entries = _from_json(text, path.name, problems) if path.suffix.lower() == ".json" else _from_lines(text, path.name, problems)
    if not entries and not problems:
        problems.append(f"prompt_file '{path.name}' holds no prompt. Write one a line.")
    if len(entries) > MOST_PROMPTS:
        problems.append(f"prompt_file '{path.name}' holds {len(entries)} prompts, but may hold {MOST_PROMPTS}.")
    raise_problems(SettingsError, WHERE, problems)
    return FilePrompts(tuple(prompt for prompt, _ in entries), tuple(own for _, own in entries))


def _text(path: Path) -> str:
    try:
        if path.stat().st_size > MOST_BYTES:
            raise SettingsError(WHERE, [f"prompt_file '{path.name}' has more than {MOST_BYTES:,} bytes. Is it the right file?"])
        return path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(WHERE, [f"prompt_file '{path.name}' cannot be read as UTF-8 text ({error})."]) from error


def _from_lines(text: str, name: str, problems: list[str]) -> list[tuple[str, OwnSettings]]:
    found = []
    for number, line in enumerate(text.splitlines(), start=1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        prompt, *options = re.split(r"\s--(?=\w)", f" {line}")
        given: list[tuple[str, Any]] = [(name, value) for name, _, value in (option.partition(" ") for option in options)]
        found.append((prompt.strip(), _own(given, f"line {number} of {name}", problems, "--{}".format)))
        if not prompt.strip():
            problems.append(f"line {number} of {name} has no prompt before its options.")
    return found


def _from_json(text: str, name: str, problems: list[str]) -> list[tuple[str, OwnSettings]]:
    try:
        entries = json.loads(text)
    except ValueError as error:
        raise SettingsError(WHERE, [f"prompt_file '{name}' is no JSON: {error}."]) from error
    found, keys = [], {short: key for key, short in _KEYS.items()}
    for number, entry in enumerate(entries if isinstance(entries, list) else [entries], start=1):
        values = {"prompt": entry} if isinstance(entry, str) else entry
        if not isinstance(values, dict) or not isinstance(values.get("prompt"), str):
            problems.append(f"entry {number} of {name} must be a text, or an object with a text called 'prompt'.")
            continue
        given = [(_KEYS.get(key, key), value) for key, value in values.items() if key != "prompt"]
        found.append((values["prompt"].strip(), _own(given, f"entry {number} of {name}", problems, lambda short: keys.get(short, short))))
    return found


def _own(given: list[tuple[str, Any]], where: str, problems: list[str], called: Callable[[str], str]) -> OwnSettings:
    settings: dict[str, Any] = {}
    for short, value in given:
        if short not in _OPTIONS:
            allowed = ", ".join(called(option) for option in _OPTIONS)
            problems.append(f"{where}: {called(short)} is not read here. These are: {allowed}. Take it out.")
            continue
        name, read = _OPTIONS[short]
        try:
            settings[name] = read(value.strip() if isinstance(value, str) else value)
        except (TypeError, ValueError, OverflowError):
            kind = "whole number" if read is _whole else "number"
            problems.append(f"{where}: {called(short)} is '{shown(str(value), 40)}', which is no {kind}.")
    own = OwnSettings(**settings)
    problems += [f"{where}: {problem}" for problem in own.problems()]
    return own
