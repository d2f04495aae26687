"""Tells from their headers what safetensors files hold, without torch: the names and shapes of the tensors."""

from __future__ import annotations

from collections.abc import Iterable
from math import prod
from pathlib import Path
from typing import Any

from consilience.standard._json import MOST_BYTES, parse_json

__all__ = ["BrokenWeights", "read_headers"]

_LARGEST = 2**50
_MOST_DIMS = 16
_BITS = {
    **dict.fromkeys(("F64", "I64", "U64", "C64"), 64),
    **dict.fromkeys(("F32", "I32", "U32"), 32),
    **dict.fromkeys(("F16", "BF16", "I16", "U16"), 16),
    **dict.fromkeys(("BOOL", "I8", "U8", "F8_E4M3", "F8_E5M2", "F8_E8M0"), 8),
}

Shape = tuple[int, ...]


class BrokenWeights(ValueError):
    """A file that is no whole safetensors file; its text says why."""


def read_headers(folder: Path, names: Iterable[str]) -> dict[str, Shape]:
    """Gives the shape of each tensor in the named files of a folder; raises `BrokenWeights` with the file's name."""
    shapes: dict[str, Shape] = {}
    room = MOST_BYTES
    for name in names:
        try:
            shapes_here, length = _read_header(folder / name, room)
        except OSError as error:
            raise BrokenWeights(f"{name}: {error.strerror or error}") from error
        except BrokenWeights as error:
            raise BrokenWeights(f"{name}: {error}") from error
        shapes |= shapes_here
        room -= length
    return shapes


def _read_header(file: Path, room: int) -> tuple[dict[str, Shape], int]:
    """Reads eight bytes of length and as many of JSON, and sees that the tensors fill the rest of the file.

    There is `room` for so many bytes of it, since all headers together are bounded; gives the shapes and the length.
    """
    size = file.stat().st_size
    with file.open("rb") as stream:
        first = stream.read(8)
        if first == b"version ":
            raise BrokenWeights("a pointer that git-lfs left in place of the file")
        length = int.from_bytes(first, "little")
        if size < 8 or length > size - 8:
            raise BrokenWeights(f"cut off: {size} bytes, and a header of {length}")
        if length > room:
            before = f" after {MOST_BYTES - room} of other files" if room < MOST_BYTES else ""
            raise BrokenWeights(f"a header of {length} bytes{before}, where {MOST_BYTES} are many")
        text = stream.read(length)
    try:
        header = parse_json(text)
        tensors = {name: entry for name, entry in header.items() if name != "__metadata__"}
        spans = sorted(_span(entry) for entry in tensors.values())
        shapes = {name: tuple(entry["shape"]) for name, entry in tensors.items()}
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise BrokenWeights("no header of safetensors") from error
    end = 0
    for start, stop in spans:
        if start != end:
            raise BrokenWeights("tensors that overlap, or leave a gap")
        end = stop
    if 8 + length + end != size:
        raise BrokenWeights(f"cut off: {size} bytes, and tensors up to byte {8 + length + end}")
    return shapes, length


def _span(entry: Any) -> tuple[int, int]:
    """Gives where a tensor's bytes begin and end; raises ValueError when they are not as many as its shape needs."""
    shape, (start, stop) = entry["shape"], entry["data_offsets"]
    if any(type(number) is not int or not 0 <= number < _LARGEST for number in (*shape, start, stop)):
        raise ValueError("a size that is none")
    if stop < start or len(shape) > _MOST_DIMS:
        raise ValueError("no tensor")
    bits = _BITS.get(entry["dtype"])
    if bits is not None and prod(shape) * bits != (stop - start) * 8:
        raise ValueError("a shape of another size than the bytes")
    return start, stop
