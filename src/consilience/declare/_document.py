"""What a file says, and the stretch of text in which it says each part of it."""

from __future__ import annotations

import re
from bisect import bisect_right
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

from consilience.errors import Diagnostic, Part, Path, Place

__all__ = ["Document", "Lines", "Spot"]

_LINE_END = re.compile("\r\n|\r|\n")
_COMMENT = re.compile(r"\s#.*")


class Spot(NamedTuple):
    """Where a pair, or an item of a list, stands: offsets into the text, and the spots of what it holds."""

    key_start: int
    """-1 for an item, which has no key."""
    key_end: int
    start: int
    end: int
    inside: dict[str, Any] | list[Any] | None = None
    """Spots: of a mapping's keys, of a list's items; an alias shares those of its anchor."""


class Lines:
    """Finds the lines and columns of a text."""

    def __init__(self, text: str, file: str) -> None:
        self._file = file
        self._starts = [0, *(match.end() for match in _LINE_END.finditer(text))]

    def place(self, start: int, end: int) -> Place:
        """Gives the place of a stretch, from its first character to the one after its last."""
        return Place(self._file, *self._count(start), *self._count(end))

    def point(self, offset: int) -> Place:
        """Gives the place of an offset, of which no end is known."""
        return Place(self._file, *self._count(offset))

    def _count(self, offset: int) -> tuple[int, int]:
        line = bisect_right(self._starts, offset)
        return line, offset - self._starts[line - 1] + 1


@dataclass(frozen=True)
class Document:
    """What a file says, as plain values, and where it says it."""

    value: Any
    file: str
    text: str
    root: Spot
    faults: tuple[Diagnostic, ...] = ()
    """The faults of the text that reading survived, sorted: what is at fault is left out, or kept as it was meant."""
    doubtful: frozenset[Path] = frozenset()
    """The paths at which, and below which, the value may not be what the author meant."""

    @cached_property
    def lines(self) -> Lines:
        """Finds the lines and columns of the text."""
        return Lines(self.text, self.file)

    def place(self, path: Path, part: Part = Part.VALUE) -> Place:
        """Gives the stretch of the value at a path, or of its key; of the nearest key above, where nothing stands.

        A value that is a mapping has the stretch of its key; in a list, where it has none, that of its first line.
        """
        spot, is_there = self._find(path)
        if spot is self.root:
            return Place(self.file, 1, 1)
        is_key = part is Part.KEY or not is_there or isinstance(spot.inside, dict) or spot.start == spot.end
        if not is_key:
            return self.lines.place(spot.start, spot.end)
        if spot.key_start < 0:
            return self._first_line(spot)
        return self.lines.place(spot.key_start, spot.key_end)

    def is_doubtful(self, path: Path) -> bool:
        """Tells whether what stands at a path may not be what the author meant."""
        return bool(self.doubtful) and any(path[:length] in self.doubtful for length in range(len(path) + 1))

    def _find(self, path: Path) -> tuple[Spot, bool]:
        """Gives the spot at a path, or the last one on the way to it and that nothing stands there."""
        spot = self.root
        for step in path:
            inside: Any = spot.inside
            is_item = isinstance(inside, list) and isinstance(step, int) and 0 <= step < len(inside)
            if not (is_item or (isinstance(inside, dict) and step in inside)):
                return spot, False
            spot = inside[step]
        return spot, True

    def _first_line(self, spot: Spot) -> Place:
        """Gives the first line of an item, without the comment behind it; of an empty one, its dash."""
        if spot.start == spot.end:
            return self.lines.place(spot.start - 1, spot.end)
        first, *rest = _LINE_END.split(self.text[spot.start : spot.end], maxsplit=1)
        if rest:
            first = _COMMENT.sub("", first).rstrip()
        return self.lines.place(spot.start, spot.start + len(first))
