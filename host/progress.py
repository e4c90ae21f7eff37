"""The progress bar of the node that is running."""

from __future__ import annotations

from collections.abc import Callable

import comfy.utils


def node_progress() -> Callable[[int, int], None]:
    """A callback (done, total) that moves the node's bar, and raises when the user has pressed Cancel."""
    bar = comfy.utils.ProgressBar(1)
    return lambda done, total: bar.update_absolute(done, total)
