"""The card's memory as NVIDIA's driver counts it, through nvidia-ml-py where that is installed."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from typing import Any

_SAME_SIZE = 0.1


def used_on(properties: Any) -> Callable[[], int]:
    """What tells the bytes in use, by all programs, on the card of these torch `properties`. The card is known by its own number
    or its place on the bus: torch counts cards otherwise than the driver does, and only those that it may see.

    Raises whatever says that it cannot be told: no library, no driver, no such card.
    """
    library = import_module("pynvml")
    library.nvmlInit()
    handle = _handle(library, properties)
    total = library.nvmlDeviceGetMemoryInfo(handle).total
    if abs(total - properties.total_memory) > _SAME_SIZE * total:  # a slice of a card
        raise LookupError("the driver's card is not as large as torch's")
    return lambda: int(library.nvmlDeviceGetMemoryInfo(handle).used)


def _handle(library: Any, properties: Any) -> Any:
    error: Exception = LookupError("this torch does not say which card it is")
    for ask, name in _names(library, properties):
        try:
            return ask(name)
        except library.NVMLError as refusal:
            error = refusal
    raise error


def _names(library: Any, properties: Any) -> list[tuple[Callable[[str], Any], str]]:
    """In the order of how surely they mean the card; a slice of a card (MIG) has a number of its own."""
    names: list[tuple[Callable[[str], Any], str]] = []
    if number := str(getattr(properties, "uuid", "")):
        names += [(library.nvmlDeviceGetHandleByUUID, f"{kind}-{number}") for kind in ("MIG", "GPU")]
    if hasattr(properties, "pci_bus_id"):
        place = f"{properties.pci_domain_id:08X}:{properties.pci_bus_id:02X}:{properties.pci_device_id:02X}.0"
        names.append((library.nvmlDeviceGetHandleByPciBusId, place))
    return names
