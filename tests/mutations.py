"""Files that a disk has damaged, a program cut off or a stranger made, from a whole one: many ways, told by a seed.

Each mutation says what was done, so that what it brings to light can be told in a line. `state`, `lora`, `document` and `log` are
what to make of the pack's own kinds of file.
"""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any
from zlib import crc32

#: What no field expects: other types, numbers that JSON allows and nothing else does, names that lead elsewhere.
ODD = (
    None, True, -1, 0, 10**400, 2.5, float("nan"), float("inf"), "", "text", "7", "../../outside", "/etc/passwd", "C:\\outside", "a\0b",
    "\ud800", "x" * 5000, [], {}, [[]], [None], {"": None}, {"type": "json"}, {"dtype": "load"}, {"tensor": "nowhere", "on_cpu": False},
)
_CRC = "lora_canvas_crc32"


@dataclass(frozen=True)
class Mutation:
    told: str
    content: bytes


def of_bytes(whole: bytes, seed: int, count: int) -> Iterator[Mutation]:
    """What a disk, a full one, or a broken copy makes of any file."""
    yield Mutation("emptied", b"")
    for number in range(count):
        dice = random.Random(f"bytes {seed} {number}")
        yield dice.choice((_flipped, _flipped, _flipped, _cut, _zeroed, _grown, _noise, _swapped))(whole, dice)


def of_state(whole: bytes, seed: int, count: int, *, header: str = "lora_canvas_state") -> Iterator[Mutation]:
    """States that say something else, whole as files: their checksum is right."""
    for number in range(count):
        dice = random.Random(f"state {seed} {number}")
        head, data = _split(whole)
        if dice.random() < 0.65:
            facts = json.loads(head["__metadata__"][header])
            told = odd_value(facts, dice)
            head["__metadata__"][header] = json.dumps(facts)
        else:
            told, data = _odd_tensor(head, data, dice)
        yield Mutation(told, signed(_joined(head, data)))


def of_lora(whole: bytes, seed: int, count: int) -> Iterator[Mutation]:
    """LoRA files with tensors that are missing, turned, of other types and shapes, or hold what no weight holds."""
    for number in range(count):
        dice = random.Random(f"lora {seed} {number}")
        head, data = _split(whole)
        told, data = _odd_tensor(head, data, dice)
        yield Mutation(told, _joined(head, data))


def of_json(whole: bytes, seed: int, count: int) -> Iterator[Mutation]:
    """JSON documents with a value that nobody expects, or none; and nested deeper than any reader goes."""
    yield Mutation("nested 100,000 deep", b"[" * 100_000)
    yield Mutation("nested 900 deep", b'{"settings":' + b"[" * 900 + b"]" * 900 + b"}")
    yield Mutation("not UTF-8", whole.replace(b'"', b'"\xff', 1))
    for odd in ODD:
        yield Mutation(f"is {odd!r:.40}", json.dumps(odd).encode())
    for number in range(count):
        dice = random.Random(f"json {seed} {number}")
        document = json.loads(whole)
        yield Mutation(odd_value(document, dice), json.dumps(document).encode())


def of_lines(whole: bytes, seed: int, count: int) -> Iterator[Mutation]:
    """Logs with lines that are damaged, or are records of something else."""
    lines = whole.splitlines(keepends=True)
    for number in range(count):
        dice = random.Random(f"lines {seed} {number}")
        place = dice.randrange(len(lines))
        if dice.random() < 0.2:
            made = _cut(lines[place], dice)
        else:
            entry = json.loads(lines[place])
            told = odd_value(entry, dice)
            made = Mutation(told, json.dumps(entry).encode() + b"\n")
        yield Mutation(f"line {place}: {made.told}", b"".join([*lines[:place], made.content, *lines[place + 1 :]]))


def odd_value(document: Any, dice: random.Random) -> str:
    """Give a random place of `document` a value that nobody expects there, or take it away; what was done."""
    places = list(_places(document, ()))
    holder, key, path = dice.choice(places)
    if isinstance(holder, dict) and dice.random() < 0.3:
        del holder[key]
        return f"{path} is missing"
    holder[key] = dice.choice(ODD)
    return f"{path} is {holder[key]!r:.40}"


def signed(whole: bytes) -> bytes:
    """The same with the checksum that fits, where it has one."""
    head, _ = _split(whole)
    return whole[:-4] + crc32(whole[:-4]).to_bytes(4, "little") if _CRC in head else whole


def unsigned(whole: bytes) -> bytes:
    """As it was written before files had a checksum."""
    head, data = _split(whole)
    head.pop(_CRC)
    return _joined(head, data[:-4])


def _places(document: Any, path: tuple) -> Iterator[tuple[Any, Any, str]]:
    items = document.items() if isinstance(document, dict) else enumerate(document) if isinstance(document, list) else ()
    for key, value in list(items):
        yield document, key, ".".join(map(str, (*path, key)))
        yield from _places(value, (*path, key))


def _flipped(whole: bytes, dice: random.Random) -> Mutation:
    place, bit = dice.randrange(len(whole)), dice.randrange(8)
    return Mutation(f"bit {bit} of byte {place} flipped", whole[:place] + bytes([whole[place] ^ 1 << bit]) + whole[place + 1 :])


def _cut(whole: bytes, dice: random.Random) -> Mutation:
    place = dice.randrange(len(whole))
    return Mutation(f"cut after {place} bytes", whole[:place])


def _zeroed(whole: bytes, dice: random.Random) -> Mutation:
    place, length = dice.randrange(len(whole)), dice.randrange(1, 600)
    return Mutation(f"{length} bytes from {place} on are 0", (whole[:place] + bytes(length) + whole[place + length :])[: len(whole)])


def _grown(whole: bytes, dice: random.Random) -> Mutation:
    place, length = dice.randrange(len(whole)), dice.randrange(1, 40)
    return Mutation(f"{length} bytes more at {place}", whole[:place] + dice.randbytes(length) + whole[place:])


def _noise(whole: bytes, dice: random.Random) -> Mutation:
    return Mutation("noise", dice.randbytes(dice.randrange(1, 2000)))


def _swapped(whole: bytes, dice: random.Random) -> Mutation:
    length = dice.randrange(1, len(whole) // 2)
    one = dice.randrange(len(whole) - 2 * length + 1)
    other = one + length
    swapped = whole[:one] + whole[other : other + length] + whole[one:other] + whole[other + length :]
    return Mutation(f"two times {length} bytes at {one} have changed places", swapped)


def _split(whole: bytes) -> tuple[dict, bytes]:
    """The header and the data of a safetensors file."""
    length = int.from_bytes(whole[:8], "little")
    return json.loads(whole[8 : 8 + length]), whole[8 + length :]


def _joined(head: dict, data: bytes) -> bytes:
    text = json.dumps(head, separators=(",", ":")).encode()
    text = text.ljust(-(-len(text) // 8) * 8)
    return len(text).to_bytes(8, "little") + text + data


def _odd_tensor(head: dict, data: bytes, dice: random.Random) -> tuple[str, bytes]:
    """`head` with one tensor changed, in place; what was done, and the data."""
    name = dice.choice(sorted(set(head) - {"__metadata__", _CRC}))
    told, data = dice.choice(_WAYS)(head, data, name, dice)
    return f"'{name}' {told}", data


def _dropped(head: dict, data: bytes, name: str, dice: random.Random) -> tuple[str, bytes]:
    start, end = head.pop(name)["data_offsets"]
    for other, entry in head.items():
        if other != "__metadata__":
            entry["data_offsets"] = [place - (end - start) if place >= end else place for place in entry["data_offsets"]]
    return "is missing", data[:start] + data[end:]


def _renamed(head: dict, data: bytes, name: str, dice: random.Random) -> tuple[str, bytes]:
    new = dice.choice((name + "x", "stranger", "../" + name, "", name.swapcase()))
    head[new] = head.pop(name)
    return f"is called '{new}'", data


def _turned(head: dict, data: bytes, name: str, dice: random.Random) -> tuple[str, bytes]:
    head[name]["shape"].reverse()
    return "has its axes the other way round", data


def _flattened(head: dict, data: bytes, name: str, dice: random.Random) -> tuple[str, bytes]:
    count = 1
    for side in head[name]["shape"]:
        count *= side
    head[name]["shape"] = dice.choice(([count], [1, count], [count, 1], [1] * 5 + [count]))
    return f"has the shape {head[name]['shape']}", data


def _retyped(head: dict, data: bytes, name: str, dice: random.Random) -> tuple[str, bytes]:
    same = {"F32": ("I32", "U32"), "F16": ("BF16", "I16"), "BF16": ("F16", "I16"), "U8": ("BOOL", "I8", "F8_E4M3"), "I64": ("F64",)}
    head[name]["dtype"] = dice.choice(same.get(head[name]["dtype"], ("F64",)))
    return f"is told to be {head[name]['dtype']}", data


def _overwritten(head: dict, data: bytes, name: str, dice: random.Random) -> tuple[str, bytes]:
    start, end = head[name]["data_offsets"]
    pieces = {"NaN": b"\xff", "0": b"\0", "vast numbers": b"\x7f\x7f\x7f\x7e", "infinity": b"\0\0\x80\x7f", "noise": dice.randbytes(64)}
    what, piece = dice.choice(list(pieces.items()))
    size = min(end - start, dice.choice((4, end - start)))
    return f"holds {what} in {size} bytes", data[:start] + (piece * size)[:size] + data[start + size :]


def _lies(head: dict, data: bytes, name: str, dice: random.Random) -> tuple[str, bytes]:
    start, end = head[name]["data_offsets"]
    head[name]["data_offsets"] = dice.choice(([start, end + 10**9], [end, start], [start - 4, end - 4], [start, end + 4]))
    return f"lies at {head[name]['data_offsets']}", data


_WAYS: tuple[Callable[[dict, bytes, str, random.Random], tuple[str, bytes]], ...] = (
    _dropped, _renamed, _turned, _retyped, _flattened, _overwritten, _overwritten, _lies,
)
