"""Regular expressions that people write, run by RE2: its time grows with pattern x text, whatever they wrote.

Python's own engine tries every way to split a text: `(\\w+\\.?)+!` takes longer than the universe on a module's name, and holds the
whole process while it does. RE2 knows neither look-around nor back-references; who uses them is told so. One look-ahead is understood,
since runs of before have it: an expression that is nothing but `^(?!...)`, which describes all that does not begin so.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from .errors import MissingLibraryError

MOST_INSTRUCTIONS = 2_000
"""Of the compiled expression. `attn[12]\\.to_[qkv]$` has 30; this many cost some milliseconds on all names of a large model."""
# An escape, a set, or a count without a least: what the two engines spell differently.
_ALL_BUT = "^(?!"
_SPELT = re.compile(r"\\.|\[\^?\]?(?:\\.|[^\]\\])*\]|\{,\d+\}", re.DOTALL)


def searching(expression: str) -> tuple[Callable[[str], bool], str | None]:
    """(whether a text holds what `expression`, in Python's spelling, describes; what is wrong with it as a phrase or None).

    Where something is wrong nothing is ever found. Raises MissingLibraryError without google-re2.
    """
    try:
        re.compile(expression)
    except (re.error, RecursionError, OverflowError) as error:
        return _nothing, f"is not a regular expression: {error}."
    if (unwanted := _all_but(expression)) is not None:
        begins, problem = searching(f"^(?:{unwanted})")
        return _nothing if problem else lambda text: not begins(text), problem
    re2 = _engine()
    options = re2.Options()
    options.log_errors, options.never_capture = False, True
    try:
        compiled = re2.compile(_SPELT.sub(_as_re2, expression), options)
    except re2.error as error:
        return _nothing, _refusal(expression, error)
    if compiled.programsize > MOST_INSTRUCTIONS:
        return _nothing, "is too large a regular expression: use smaller counts in {}, or several patterns."
    return lambda text: compiled.search(text) is not None, None


def _all_but(expression: str) -> str | None:
    """The inside of an expression that is one look-ahead for what must not begin a text; None for every other."""
    inside = expression[len(_ALL_BUT):-1]
    if not (expression.startswith(_ALL_BUT) and expression.endswith(")")):
        return None
    try:
        re.compile(inside)
    except re.error:  # that bracket does not close the first
        return None
    return inside


def _engine() -> Any:
    try:
        import re2
    except ImportError:
        re2 = None
    if not hasattr(re2, "Options"):  # absent, or pyre2, another package that goes by the same name
        raise MissingLibraryError("google-re2", "a regular expression between slashes")
    return re2


def _as_re2(found: re.Match) -> str:
    part = found[0]
    if part.startswith("{"):
        return "{0" + part[1:]
    if part == r"\Z":
        return r"\z"
    return part.replace(r"\_", "_")


def _refusal(expression: str, error: Exception) -> str:
    if re.search(r"\(\?<?[=!]", expression):
        what = "look-around, '(?=', '(?!' or '(?<'"
    elif re.search(r"\\[1-9]|\(\?P=", expression):
        what = "back-references such as '\\1'"
    else:
        reason = error.args[0] if error.args else error
        what = f"something else ({reason.decode(errors='replace') if isinstance(reason, bytes) else reason})"
    return (
        f"is a regular expression with {what} that RE2 does not know, because it cannot be searched in bounded time. "
        "Write it without, for example as two patterns: one that chooses, and one that leaves out."
    )


def _nothing(text: str) -> bool:
    return False
