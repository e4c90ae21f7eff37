"""What Windows counts of the cards' memory, by program: the counters that the Task Manager shows.

Since driver 536.40 NVIDIA on Windows moves what does not fit into main memory instead of failing, so what torch holds says nothing
of where it lies. These counters do, for cards of every maker. They are read through pdh.dll by its documented functions; nobody
has tried them on a Windows yet, and where they do not answer the run goes on without them.
"""

from __future__ import annotations

import ctypes
import re
from collections.abc import Mapping
from typing import Any

_MORE_DATA, _NO_DATA = 0x800007D2, 0x800007D5
_AS_INTEGERS = 0x400
_SHORT_FOR = {
    "ours": r"\GPU Process Memory(*)\Dedicated Usage",
    "shared": r"\GPU Process Memory(*)\Shared Usage",
    "all": r"\GPU Adapter Memory(*)\Dedicated Usage",
}
_PROGRAM = re.compile(r"pid_(\d+)_(luid_0x[0-9A-F]+_0x[0-9A-F]+)", re.I)
_CARD = re.compile(r"luid_0x[0-9A-F]+_0x[0-9A-F]+", re.I)


def by_card(rows: Mapping[str, int], pid: int | None = None) -> dict[str, int]:
    """Card -> bytes, of counters by their instances' names: 'luid_0x00000000_0x0000D3A2_phys_0' for a whole card,
    'pid_1234_luid_…' for a program's part of it, of which only those of `pid` count."""
    found: dict[str, int] = {}
    for name, size in rows.items():
        program = _PROGRAM.match(name)
        if (program is not None and int(program[1]) == pid) if pid is not None else program is None:
            card = _CARD.search(name)
            if card is not None:
                found[card[0].lower()] = found.get(card[0].lower(), 0) + size
    return found


def memory_of(pid: int, ours: Mapping[str, int], shared: Mapping[str, int], everybody: Mapping[str, int]) -> tuple[int, int, int]:
    """(bytes on the card of all programs, of this one, of this one in main memory) from the three counters' rows, on the card
    that holds most of this one. Raises LookupError where it holds nothing."""
    own, own_shared, used = by_card(ours, pid), by_card(shared, pid), by_card(everybody)
    held = {card: size + own_shared.get(card, 0) for card, size in own.items() if card in used}
    if not any(held.values()):
        raise LookupError("Windows knows of no card that this program holds memory on")
    card = max(held, key=lambda name: held[name])
    return used[card], own[card], own_shared.get(card, 0)


class _Value(ctypes.Structure):
    """PDH_FMT_COUNTERVALUE, as integers are given."""

    _fields_ = (("status", ctypes.c_uint32), ("number", ctypes.c_longlong))


class _Row(ctypes.Structure):
    """PDH_FMT_COUNTERVALUE_ITEM_W."""

    _fields_ = (("name", ctypes.c_wchar_p), ("value", _Value))


class Counters:
    """An open query of the three counters. `library` stands in for pdh.dll in tests. Raises OSError where it refuses."""

    def __init__(self, library: Any = None):
        self._pdh = library or ctypes.WinDLL("pdh")  # pyright: ignore[reportAttributeAccessIssue]
        self._query = ctypes.c_void_p()
        self._require(self._pdh.PdhOpenQueryW(None, ctypes.c_size_t(0), ctypes.byref(self._query)))
        self._counters = {short: self._added(path) for short, path in _SHORT_FOR.items()}

    def memory(self, pid: int) -> tuple[int, int, int]:
        """As `memory_of`, now."""
        self._require(self._pdh.PdhCollectQueryData(self._query))
        rows = {short: self._rows(counter) for short, counter in self._counters.items()}
        return memory_of(pid, rows["ours"], rows["shared"], rows["all"])

    def _added(self, path: str) -> ctypes.c_void_p:
        counter = ctypes.c_void_p()  # by its English name, whatever the system speaks
        self._require(self._pdh.PdhAddEnglishCounterW(self._query, ctypes.c_wchar_p(path), ctypes.c_size_t(0), ctypes.byref(counter)))
        return counter

    def _rows(self, counter: ctypes.c_void_p) -> dict[str, int]:
        """Instance -> value. The first call says how much room the second needs; programs come and go between the two."""
        size, count = ctypes.c_uint32(0), ctypes.c_uint32(0)
        room = None
        for _ in range(4):
            status = self._status(self._pdh.PdhGetFormattedCounterArrayW(
                counter, ctypes.c_uint32(_AS_INTEGERS), ctypes.byref(size), ctypes.byref(count), room))
            if status == _NO_DATA:
                return {}
            if status != _MORE_DATA:
                self._require(status)
                break
            room = ctypes.create_string_buffer(size.value)
        if room is None:
            return {}
        rows = ctypes.cast(room, ctypes.POINTER(_Row))
        return {rows[i].name: rows[i].value.number for i in range(count.value)}

    def _require(self, status: int) -> None:
        if self._status(status):
            raise OSError(f"pdh.dll answers {self._status(status):#x}")

    @staticmethod
    def _status(status: int) -> int:
        return status & 0xFFFFFFFF
