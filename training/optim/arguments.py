"""'Extra arguments' of an optimizer: `betas=0.9,0.99 eps=1e-8`, as kohya's users write them."""

from __future__ import annotations

import ast
import inspect
import json
import re
from collections.abc import Mapping
from typing import Any

from ..inputs import SHORT, shown, text_problems
from ..registry import near_names

# Set by widgets of their own, or by the pack.
RESERVED = {
    "params": "it is set by the pack",
    "lr": "set learning_rate",
    "weight_decay": "set the weight_decay widget",
    "maximize": "give a negative learning_rate instead",
    "is_paged": "choose the optimizer whose name starts with Paged",
    "optim_bits": "choose the optimizer whose name ends with 8bit",
    "args": "it is not a setting",
}
# Read by pytorch-optimizer out of its **kwargs, so no signature shows them.
HIDDEN = {"cautious", "stable_adamw", "adanorm", "adam_debias", "use_gc"}
_ARGUMENT = re.compile(r"([A-Za-z_]\w*)\s*=\s*(.*?)(?=[\s,;]+[A-Za-z_]\w*\s*=|[\s,;]*$)", re.DOTALL)
_WORDS = {"true": True, "false": False, "none": None, "null": None}


def parse_arguments(text: str) -> tuple[dict[str, Any], list[str]]:
    """`name=value` pairs, parted by blanks, commas or lines -> (arguments, problems).

    Values are Python literals that JSON can hold, since run.json tells them; `0.9,0.99` is a tuple; `true`, `false` and
    `none` may be written small; anything else is text. A text that is too long is not read at all.
    """
    if too_long := text_problems("extra_arguments", text, SHORT):
        return {}, too_long
    arguments: dict[str, Any] = {}
    problems = []
    end = 0
    for match in _ARGUMENT.finditer(text):
        problems += _stray(text[end : match.start()])
        end = match.end()
        name, value = match.group(1), match.group(2).strip()
        if name in arguments:
            problems.append(f"extra_arguments gives '{name}' twice.")
        if not value:
            problems.append(f"extra_arguments gives '{name}' no value. Write {name}=value.")
        arguments[name] = _literal(value)
    return arguments, problems + _stray(text[end:])


def argument_problems(optimizer: str, constructor: Any, arguments: Mapping[str, Any]) -> list[str]:
    """What is wrong with `arguments` for this class: unknown names (with near ones), reserved names, wrong types."""
    parameters = inspect.signature(constructor.__init__).parameters
    known = [name for name, parameter in parameters.items() if _is_setting(name, parameter)]
    if any(parameter.kind is parameter.VAR_KEYWORD for parameter in parameters.values()):
        hidden = HIDDEN
    else:
        hidden = set()
    problems = []
    for name, value in arguments.items():
        if name in RESERVED:
            problems.append(f"extra_arguments cannot set '{name}': {RESERVED[name]}.")
        elif name in hidden:
            if not isinstance(value, bool):
                problems.append(f"extra_arguments: {name} must be True or False, got {value!r}.")
        elif name not in known:
            problems.append(f"{optimizer} has no argument '{name}'. {near_names(name, sorted(known))}")
        elif not _fits(value, parameters[name].default):
            problems.append(f"extra_arguments: {name} must be like {parameters[name].default!r}, got {value!r}.")
    return problems


def _is_setting(name: str, parameter: inspect.Parameter) -> bool:
    return name not in RESERVED and name != "self" and parameter.kind not in (parameter.VAR_KEYWORD, parameter.VAR_POSITIONAL)


def _literal(value: str) -> Any:
    if value.lower() in _WORDS:
        return _WORDS[value.lower()]
    try:
        found = ast.literal_eval(value)
        json.dumps(found, allow_nan=False)
    except (ValueError, TypeError, SyntaxError, MemoryError, RecursionError):
        return value
    return found


def _stray(text: str) -> list[str]:
    left = text.strip(" \t\r\n,;")
    return [f"extra_arguments: '{shown(left)}' is not name=value. Write for example: betas=0.9,0.99 eps=1e-8"] if left else []


def _fits(value: Any, default: Any) -> bool:
    """Whether a value may stand where `default` does; None accepts anything, and stands for 'off' anywhere numbers do."""
    if default is None or default is inspect.Parameter.empty or value is None:
        return True
    if isinstance(default, bool):
        return isinstance(value, bool)
    if isinstance(default, (int, float)):
        return isinstance(value, (int, float)) and not isinstance(value, bool)
    if isinstance(default, tuple):
        return isinstance(value, (tuple, list)) and len(value) == len(default)
    return isinstance(value, type(default))
