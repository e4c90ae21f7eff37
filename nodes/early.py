"""Refusing before the prompt is queued: what ComfyUI's own validation asks each node."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..training.errors import DatasetError, MissingLibraryError, SettingsError


def refusal(check: Callable[[], object]) -> bool | str:
    """What `validate_inputs` gives back: True, or the sentences of what `check` raises.

    ComfyUI shows them at every widget that the function names, so it names those that can be wrong by themselves, and each sentence
    says which one it is. A widget that is wired is None then: what comes over the wire is looked at when the node runs.
    """
    try:
        check()
    except (SettingsError, DatasetError) as error:
        return " ".join(error.problems)
    except MissingLibraryError as error:
        return str(error)
    return True


def typed(**widgets: Any) -> dict[str, Any]:
    """The widgets that are not wired."""
    return {name: value for name, value in widgets.items() if value is not None}
