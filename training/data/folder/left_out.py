"""Pictures that are left out by hand: a list in their folder names them, a file's name a line. The files themselves stay as they are."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from ...wording import count, some
from .caption_files import read_text
from .walk import Folder, fold

LIST_NAME = "left_out.list"
_ABOUT = "# Pictures of this folder that LoRA Canvas does not train on, a name a line. Delete a line to train on its picture again."


def left_out_of(folder: Folder, problems: list[str], warnings: list[str]) -> frozenset[str]:
    """The folded names of those files of the folder that its list leaves out; a list that cannot be read is a problem."""
    file = folder.find(LIST_NAME)
    return names_in(read_text(file, problems, warnings)) if file else frozenset()


def names_in(text: str) -> frozenset[str]:
    """The names that a list's text holds, folded: they are compared as file systems compare them."""
    lines = (line.strip() for line in text.splitlines())
    return frozenset(fold(line) for line in lines if line and not line.startswith("#"))


def changed_list(text: str, names: Iterable[str], leave_out: bool) -> str | None:
    """The list's text once the files `names` are left out, or are trained on again; None where nobody is left out any more. What else
    stands in it stays."""
    wanted = {fold(name): name for name in names}
    lines = text.splitlines() or [_ABOUT]
    if leave_out:
        there = names_in(text)
        lines += [name for key, name in wanted.items() if key not in there]
    else:
        lines = [line for line in lines if fold(line.strip()) not in wanted]
    return "\n".join(lines) + "\n" if names_in("\n".join(lines)) else None


def told_left_out(names: Sequence[str]) -> str:
    """The line that reports and a run's log have of it."""
    return f"{count(len(names), 'picture')} left out by hand, as {LIST_NAME} in the folder says: {some(names)}."
