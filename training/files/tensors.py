"""safetensors files, written piece by piece: the same bytes for the same content, and no second copy of it in memory.

The library writes its metadata in an order that changes from one process to the next, and holds all tensors once more while it
writes: gigabytes for the state of a large network. Format: https://github.com/huggingface/safetensors#format

A file can carry the CRC-32 of all its bytes before it, reckoned while they pass by, as the last of its tensors.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from itertools import chain
from pathlib import Path
from zlib import crc32

import torch

from .atomic import write_whole

_LENGTH_BYTES = 8
_ALIGNMENT = 8
#: In the order in which the library lays tensors out, the last first.
_DTYPES = {
    torch.bool: "BOOL", torch.uint8: "U8", torch.int8: "I8", torch.float8_e5m2: "F8_E5M2", torch.float8_e4m3fn: "F8_E4M3",
    torch.int16: "I16", torch.float16: "F16", torch.bfloat16: "BF16", torch.int32: "I32", torch.float32: "F32",
    torch.float64: "F64", torch.int64: "I64",
}
_ORDER = list(_DTYPES)
LARGEST = torch.finfo(torch.float16).max
"""What a LoRA is made of is below this: usual files are in fp16."""
_CHECKSUM = "lora_canvas_crc32"
_CHECKSUM_BYTES = 4
_READ_AT_ONCE = 1 << 20
_LONGEST_HEADER = 100_000_000  # the library's own limit


def write_tensors(
    path: Path, tensors: Mapping[str, torch.Tensor], metadata: Mapping[str, str], *, precious: bool = True, checksum: bool = False
) -> None:
    """Replace `path` as a whole; metadata in the order of its keys. Tensors may lie on any device. Raises DiskError."""
    write_whole(path, lambda: pieces(tensors, metadata, checksum=checksum), precious=precious)


def is_intact(path: Path) -> bool | None:
    """Whether the file's bytes are those that were written; None where it has no checksum. Raises OSError."""
    with path.open("rb") as file:
        left = os.fstat(file.fileno()).st_size - _CHECKSUM_BYTES
        length = file.read(_LENGTH_BYTES)
        header = file.read(min(int.from_bytes(length, "little"), _LONGEST_HEADER))
        if f'"{_CHECKSUM}":{{'.encode() not in header:  # quotes inside of a text are escaped, so only the entry itself looks like this
            return None
        found = crc32(length + header)
        left -= len(length) + len(header)
        while left > 0 and (piece := file.read(min(left, _READ_AT_ONCE))):
            found, left = crc32(piece, found), left - len(piece)
        return file.read() == found.to_bytes(_CHECKSUM_BYTES, "little")


def is_plausible(weights: torch.Tensor) -> bool:
    """Whether no number of a LoRA's tensor is NaN, infinite, or beyond LARGEST, as damaged ones are."""
    return weights.numel() == 0 or bool(weights.float().abs().max() <= LARGEST)


def pieces(
    tensors: Mapping[str, torch.Tensor], metadata: Mapping[str, str], *, checksum: bool = False
) -> Iterator[bytes | memoryview]:
    """The file's bytes: the header, then one tensor after the other, and the checksum of all that."""
    if checksum:
        tensors = {**tensors, _CHECKSUM: torch.empty(_CHECKSUM_BYTES, dtype=torch.uint8)}
    names = sorted(tensors, key=lambda name: (name == _CHECKSUM, -_ORDER.index(tensors[name].dtype), name))
    header: dict[str, dict] = {"__metadata__": dict(sorted(metadata.items()))} if metadata else {}
    start = 0
    for name in names:
        tensor = tensors[name]
        end = start + tensor.numel() * tensor.element_size()
        header[name] = {"dtype": _DTYPES[tensor.dtype], "shape": list(tensor.shape), "data_offsets": [start, end]}
        start = end
    text = json.dumps(header, ensure_ascii=False, separators=(",", ":")).encode()
    text = text.ljust(-(-len(text) // _ALIGNMENT) * _ALIGNMENT)
    head = len(text).to_bytes(_LENGTH_BYTES, "little") + text
    found = 0
    for piece in chain([head], (_raw(tensors[name]) for name in names if name != _CHECKSUM)):
        yield piece
        found = crc32(piece, found) if checksum else 0
    if checksum:
        yield found.to_bytes(_CHECKSUM_BYTES, "little")


def _raw(tensor: torch.Tensor) -> memoryview:
    return tensor.detach().to("cpu").contiguous().reshape(-1).view(torch.uint8).numpy().data
