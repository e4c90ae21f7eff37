"""What processes tell one another, and who of them has died: a sheet each, on a board that all of them read.

The board is torch's store, which the launcher's address leads to. A thread of its own writes and reads it, so that no process waits for a
store that does not answer: what is waited for is always a sheet, for as long as its writer lives.
"""

from __future__ import annotations

import atexit
import json
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import Contained, ProcessesError
from ..files.lock import Holder, has_died, here

if TYPE_CHECKING:
    from torch._C._distributed_c10d import Store

BEAT, SILENCE = 2.0, 90.0
"""Seconds between two signs of life; and without one, listened for all the while, until a process counts as gone."""
START = 900.0
"""Seconds for which the first may wait for the last: each starts a ComfyUI."""
_LOOK = 0.25
_WAY_ON = "What was learned so far is saved; resume the run to go on."
_MOST_SAID = 100


@dataclass
class Peer:
    """What was last read of a process. `silent` is in seconds."""

    sheet: dict[str, Any] | None = None
    raw: bytes = b""
    silent: float = 0.0

    def note(self, number: int) -> list[Any] | None:
        """[number, what it is about, what it says]."""
        return next((note for note in self.sheet["notes"] if note[0] == number), None) if self.sheet else None


class Board:
    """This process' hold on it. `reach()` opens the store, which waits for nobody."""

    def __init__(self, reach: Callable[[], Store], rank: int, size: int):
        self._reach, self.rank = reach, rank
        self._turn = threading.Condition()
        self._own: dict[str, Any] = {
            "who": asdict(here()), "boot": _boot(), "beat": 0, "left": None, "notes": [], "said": [], "said before": 0,
        }
        self._peers = [Peer() for _ in range(size)]
        self._number = 0
        self._turned_at = self._looked_at = time.monotonic()
        self._is_written = True
        self._waits_since: float | None = None
        self._lost: str | None = None
        self._is_cut_off = False
        self._is_closed = False
        self._thread = threading.Thread(target=self._exchange, name="LoRA Canvas processes", daemon=True)
        self._thread.start()
        atexit.register(self._close)

    def gathered(self, what: str, note: Any, check: Callable[[], None] = lambda: None, patience: float | None = None) -> list[Any]:
        """Everybody's note (JSON-ready) about `what`, by rank; all ask in the same order. `check` may raise meanwhile. Raises
        ProcessesError where a process has left, has died or is not heard of, or asks for something else."""
        with self._turn:
            self._number += 1
            self._own["notes"] = [*self._own["notes"], [self._number, what, note]][-2:]  # the slowest may still read the one before
            self._write()
            self._waits_since = time.monotonic()
        notes = self._waited_for(self._number, check, patience)
        with self._turn:
            self._waits_since = None
        if strays := [rank for rank, (_, about, _) in enumerate(notes) if about != what]:
            raise ProcessesError(f"the processes of this run have come apart: this one is at {what}, process {strays[0]} at "
                                 f"{notes[strays[0]][1]}. Give every machine the same files and the same LoRA Canvas, and resume the run.")
        return [said for _, _, said in notes]

    def leave(self, word: str) -> None:
        """Tell the others how this process ends; the first word counts."""
        with self._turn:
            if self._own["left"] is None:
                self._own["left"] = word
                self._write()
                self._turn.wait_for(lambda: self._is_written or self._lost is not None, timeout=BEAT)

    def wait_until_left(self, rank: int, patience: float) -> None:
        """Until that process has left or died, for so many seconds at most."""
        peer, ends = self._peers[rank], time.monotonic() + patience
        while time.monotonic() < ends and not (self._is_cut_off or self._lost or peer.sheet and (peer.sheet["left"] or _is_dead(peer))):
            time.sleep(_LOOK)

    def has_died(self, rank: int) -> bool:
        """Whether it ended without a word, or with the machine that it was on: it can do nothing any more, as far as it can be seen."""
        peer = self._peers[rank]
        if peer.sheet is None or peer.sheet["left"]:
            return False
        return _is_dead(peer) or peer.silent > SILENCE or self._is_cut_off and peer.sheet["boot"] != _boot()

    def say(self, words: Any) -> None:
        """Something (JSON-ready) that others may hear when they like."""
        with self._turn:
            self._own["said"].append(words)
            dropped = len(self._own["said"]) - _MOST_SAID
            if dropped > 0:
                self._own["said"], self._own["said before"] = self._own["said"][dropped:], self._own["said before"] + dropped
            self._write()

    def heard(self, rank: int, known: int) -> tuple[int, list[Any]]:
        """What that process has said since it had said `known` things, and how many it has said by now."""
        with self._turn:
            sheet = self._peers[rank].sheet
        if sheet is None:
            return known, []
        before, said = sheet["said before"], sheet["said"]
        return before + len(said), said[max(0, known - before):]

    def _waited_for(self, number: int, check: Callable[[], None], patience: float | None) -> list[list[Any]]:
        started = time.monotonic()
        while True:
            with self._turn:
                if self._turn.wait_for(lambda: self._all_have(number), timeout=_LOOK):
                    return [note for peer in self._peers if (note := peer.note(number)) is not None]
                missing = [rank for rank, peer in enumerate(self._peers) if peer.note(number) is None]
            check()
            for rank in missing:
                if why := self._why_not(rank):
                    raise _ended(rank, why)
            if self._lost or self._stuck() > SILENCE:
                why, self._is_cut_off = self._lost or "it does not answer", True
                raise ProcessesError(f"the machine of this run's main process cannot be reached ({why}): it is off, or what was started "
                                     f"there has ended. {_WAY_ON}")
            if patience is not None and time.monotonic() - started > patience:
                raise _ended(missing[0], f"has not come within {patience / 60:.0f} minutes")

    def _stuck(self) -> float:
        """Seconds since the store answered. Where nobody has looked for a while (long work, or a machine that stood still) it has two
        beats left to do so."""
        now = time.monotonic()
        with self._turn:
            if now - self._looked_at > 2 * BEAT:
                self._turned_at = max(self._turned_at, now - SILENCE + 2 * BEAT)
            self._looked_at = now
            return now - self._turned_at

    def _all_have(self, number: int) -> bool:
        return all(peer.note(number) is not None for peer in self._peers)

    def _why_not(self, rank: int) -> str | None:
        """Why a process will not write any more."""
        peer = self._peers[rank]
        if peer.sheet is None or peer.sheet["left"]:
            return str(peer.sheet["left"]) if peer.sheet else None
        if _is_dead(peer):
            return f"has died ({_who(peer)}): it was killed, or it crashed"
        return f"has not been heard of for {SILENCE:.0f} seconds ({_who(peer)})" if peer.silent > SILENCE else None

    # --- the thread ---

    def _write(self) -> None:
        self._is_written = False
        self._turn.notify_all()

    def _exchange(self) -> None:
        with Contained() as trouble:
            self._exchange_for_ever()
        if trouble.error is None:
            return
        with self._turn:
            self._lost = str(trouble.error).strip().partition("\n")[0][:200] or type(trouble.error).__name__
            self._turn.notify_all()

    def _exchange_for_ever(self) -> None:
        store, beaten, before = self._reach(), 0.0, time.monotonic()
        if store.add(f"place {self.rank}", 1) > 1:
            raise RuntimeError("another job uses this address and port: give each job its own --master_port, or --standalone")
        while not self._is_closed:
            now = time.monotonic()
            if now - beaten >= BEAT or not self._is_written:
                self._send(store)
                beaten = now
            self._read(store, min(now - before, 2 * BEAT))
            before = now
            with self._turn:
                self._turned_at = time.monotonic()
                self._turn.notify_all()
                self._turn.wait_for(lambda: not self._is_written or self._is_closed, timeout=self._rest())

    def _close(self) -> None:
        """At the end of the process: an interpreter that ends while a thread of its own is in torch's code aborts."""
        with self._turn:
            self._is_closed = True
            self._turn.notify_all()
        self._thread.join(timeout=1.0)

    def _send(self, store: Store) -> None:
        with self._turn:
            self._own["beat"] += 1
            sheet, self._is_written = json.dumps(self._own), True
        store.set(f"sheet {self.rank}", sheet)

    def _read(self, store: Store, seconds: float) -> None:
        """Every sheet that is there; `seconds` have gone by since the last look."""
        there = range(len(self._peers))
        if any(peer.sheet is None for peer in self._peers):
            there = [rank for rank in there if store.check([f"sheet {rank}"])]
        for rank, raw in zip(there, store.multi_get([f"sheet {rank}" for rank in there]), strict=True):
            peer = self._peers[rank]
            if raw == peer.raw:
                peer.silent += seconds
            else:
                with self._turn:
                    peer.raw, peer.sheet, peer.silent = raw, json.loads(raw), 0.0

    def _rest(self) -> float:
        """Until the next look: short for what comes soon, and never much against what was waited already."""
        since = self._waits_since
        return BEAT if since is None or self._all_have(self._number) else min(0.02, 3e-4 + (time.monotonic() - since) / 20)


def _is_dead(peer: Peer) -> bool:
    return peer.sheet is not None and peer.sheet["boot"] == _boot() and has_died(Holder(**peer.sheet["who"]))


def _who(peer: Peer) -> str:
    return str(Holder(**peer.sheet["who"])) if peer.sheet else ""


def _ended(rank: int, why: str) -> ProcessesError:
    return ProcessesError(f"process {rank} of this run {why.rstrip('.')}. {_WAY_ON}")


def _boot() -> str:
    """Tells machines of one name apart, where the system has it."""
    with suppress(OSError):
        return Path("/proc/sys/kernel/random/boot_id").read_text()
    return ""
