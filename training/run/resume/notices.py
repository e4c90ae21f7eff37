"""What a run that goes on says at its start: what is another one and may be."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from ...events import Message
from ...order import Order
from .identity import allowed_changes, version_changes

TOPIC = "resume"


def notices(saved: Mapping[str, Any], order: Order) -> Iterator[Message]:
    """`saved` is the identity in the state."""
    if changed := allowed_changes(saved, order):
        yield Message(level="info", topic=TOPIC, text=f"goes on with other settings, which is allowed: {'; '.join(changed)}.")
    if changed := version_changes(saved, order):
        text = (f"goes on with other programs: {'; '.join(changed)}. The run is as good as before, but its numbers may differ from "
                "here on in the last digits from those that it would have had.")
        yield Message(level="warning", topic=TOPIC, text=text)
