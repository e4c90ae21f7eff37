"""Windows' counters: rows as that system names them, and a stand-in for its pdh.dll, which fills memory as the real one says it does."""

import ctypes

import pytest

from pack.training.devices.windows import Counters, by_card, memory_of

CARD, OTHER = "luid_0x00000000_0x0000D3A2", "luid_0x00000000_0x0000E111"
OURS = {f"pid_77_{CARD}_phys_0": 600, f"pid_77_{OTHER}_phys_0": 3, f"pid_7_{CARD}_phys_0": 50, f"pid_777_{CARD}_phys_0": 20}
SHARED = {f"pid_77_{CARD}_phys_0": 90, f"pid_77_{OTHER}_phys_0": 1}
ALL = {f"{CARD}_phys_0": 700, f"{OTHER}_phys_0": 9}


def test_rows_of_a_program_and_of_whole_cards():
    assert by_card(OURS, 77) == {CARD.lower(): 600, OTHER.lower(): 3}
    assert by_card(ALL) == {CARD.lower(): 700, OTHER.lower(): 9}
    assert by_card({**OURS, "_Total": 5}) == {}


def test_several_parts_of_one_card_are_added():
    assert by_card({f"{CARD}_phys_0": 2, f"{CARD}_phys_1": 3}) == {CARD.lower(): 5}


def test_the_card_that_holds_most_of_the_program():
    assert memory_of(77, OURS, SHARED, ALL) == (700, 600, 90)


@pytest.mark.parametrize("ours", [{}, {f"pid_77_{CARD}_phys_0": 0}, {f"pid_7_{CARD}_phys_0": 5}])
def test_a_program_that_holds_nothing_yet(ours):
    with pytest.raises(LookupError, match="no card"):
        memory_of(77, ours, {}, ALL)


class Pdh:
    """pdh.dll with these rows a counter. It wants a second call, with room for all rows and their names behind them."""

    def __init__(self, rows: dict[str, dict[str, int]], refuses: str = ""):
        self._rows, self._refuses = rows, refuses
        self._paths: list[str] = []
        self._collected = 0

    def PdhOpenQueryW(self, source, user, query):
        query._obj.value = 1
        return 0 if self._refuses != "open" else -1073738824

    def PdhAddEnglishCounterW(self, query, path, user, counter):
        assert query.value == 1
        self._paths.append(path.value)
        counter._obj.value = len(self._paths)
        return 0

    def PdhCollectQueryData(self, query):
        self._collected += 1
        return 0

    def PdhGetFormattedCounterArrayW(self, counter, kind, size, count, room):
        assert self._collected and kind.value == 0x400
        rows = self._rows[self._paths[counter.value - 1]]
        if not rows:
            return -2147481643  # PDH_NO_DATA, as a signed number
        needed = 24 * len(rows) + sum(2 * len(name) + 2 for name in rows)
        if size._obj.value < needed:
            size._obj.value = needed
            return -2147481646  # PDH_MORE_DATA
        start, behind = ctypes.addressof(room), ctypes.addressof(room) + 24 * len(rows)
        self._names = [ctypes.create_unicode_buffer(name) for name in rows]
        for i, value in enumerate(rows.values()):
            ctypes.c_void_p.from_address(start + 24 * i).value = ctypes.addressof(self._names[i])
            ctypes.c_uint32.from_address(start + 24 * i + 8).value = 0
            ctypes.c_longlong.from_address(start + 24 * i + 16).value = value
        assert behind <= start + needed
        count._obj.value = len(rows)
        return 0


PATHS = {r"\GPU Process Memory(*)\Dedicated Usage": OURS, r"\GPU Process Memory(*)\Shared Usage": SHARED,
         r"\GPU Adapter Memory(*)\Dedicated Usage": ALL}


def test_the_counters_are_read_through_pdh():
    counters = Counters(Pdh(PATHS))
    assert counters.memory(77) == (700, 600, 90)
    assert counters.memory(777) == (700, 20, 0)


def test_a_system_without_these_counters_holds_nothing():
    with pytest.raises(LookupError):
        Counters(Pdh(dict.fromkeys(PATHS, {}))).memory(77)


def test_a_refusal_is_named_by_its_number():
    with pytest.raises(OSError, match="0xc0000bb8"):
        Counters(Pdh(PATHS, refuses="open"))
