"""Excerpts: the line of a place with carets under its key or value, as wide as a terminal shows them."""

from __future__ import annotations

import os
import re
import stat
import sys
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass

from consilience.errors import Place

__all__ = ["Excerpt", "Sources", "printable"]

MOST_BYTES = 1 << 20
WIDTH = 120
"""How wide an excerpt may be, its margin included."""

_CUT = "..."
_BEFORE = 20
"""How many columns before a very long place are shown at least, since its key may stand there."""
_TAB = 4
_LINE_END = re.compile("\r\n|\r|\n")


class Sources:
    """The lines of the files that places name, each file read once and never further than its first mebibyte."""

    def __init__(self, texts: Mapping[str, str] | None = None) -> None:
        """Takes the texts that lie in no file, by the name that their places carry."""
        self._lines = {name: _LINE_END.split(text) for name, text in (texts or {}).items()}

    def line(self, place: Place) -> str | None:
        """Gives the line that a place begins in, or None where there is none to be read."""
        if place.file not in self._lines:
            self._lines[place.file] = _read(place.file)
        lines = self._lines[place.file]
        return lines[place.line - 1] if 0 < place.line <= len(lines) else None


@dataclass(frozen=True)
class Excerpt:
    """One line in three parts, the middle one being the place; cut where it is too long to be shown whole."""

    before: str
    marked: str
    after: str
    carets: str
    """As wide as the middle part, at least one caret."""
    margin: str
    """Blanks as wide as the first part."""
    last_line: int | None = None
    """The line in which the place ends, when it is another."""

    @classmethod
    def of(cls, line: str, place: Place, width: int = WIDTH) -> Excerpt:
        """Cuts a line around a place."""
        is_long = place.end_line > place.line
        cells = _cells(line.rstrip() if is_long else line)
        start = min(place.column - 1, len(cells))
        stop = len(cells) if is_long else min(max(place.end_column - 1, start), len(cells))
        first, last = _window([wide for _, wide in cells], start, stop, max(width, 40))
        before = _CUT * (first > 0) + "".join(text for text, _ in cells[first:start])
        blanks = len(_CUT) * (first > 0) + sum(wide for _, wide in cells[first:start])
        wide = sum(wide for _, wide in cells[start : min(stop, last)])
        return cls(
            before,
            "".join(text for text, _ in cells[start : min(stop, last)]),
            "".join(text for text, _ in cells[min(stop, last) : last]) + _CUT * (last < len(cells)),
            "^" * max(wide, 1),
            " " * blanks,
            place.end_line if is_long else None,
        )


def printable(text: str) -> str:
    """Spells out what would move a terminal's cursor, change its colours, or be seen by nobody."""
    return "".join(letter if letter.isprintable() or letter == "\n" else _spelled(letter) for letter in text)


def _spelled(letter: str) -> str:
    return letter.encode("unicode_escape").decode("ascii")


def _cells(line: str) -> list[tuple[str, int]]:
    """Gives what is shown for each character, and how many columns that takes."""
    cells: list[tuple[str, int]] = []
    column = 0
    for letter in line:
        if letter == "\t":
            shown, wide = " " * (_TAB - column % _TAB), _TAB - column % _TAB
        elif letter.isprintable():
            shown, wide = letter, _width(letter)
        else:
            shown = _spelled(letter)
            wide = len(shown)
        cells.append((shown, wide))
        column += wide
    return cells


def _width(letter: str) -> int:
    if unicodedata.category(letter) in ("Mn", "Me"):
        return 0
    return 2 if unicodedata.east_asian_width(letter) in "WF" else 1


def _window(widths: list[int], start: int, stop: int, room: int) -> tuple[int, int]:
    """Chooses which part of a line is shown: the marked part, and as much as there is room for around it."""
    if sum(widths) <= room:
        return 0, len(widths)
    room -= 2 * len(_CUT)
    first, last = start, start
    least = min(sum(widths[:start]), _BEFORE)
    while last < stop and widths[last] <= room - least:
        room -= widths[last]
        last += 1
    before = least if last < stop else room // 2
    while last < len(widths) and widths[last] <= room - before:
        room -= widths[last]
        last += 1
    while first > 0 and widths[first - 1] <= room:
        first -= 1
        room -= widths[first]
    while last < len(widths) and widths[last] <= room:
        room -= widths[last]
        last += 1
    return first, last


def _read(file: str) -> list[str]:
    if file.startswith("<"):  # a cell of a notebook
        linecache = sys.modules.get("linecache")
        return [line.rstrip("\r\n") for line in linecache.getlines(file)] if linecache else []
    try:
        if not stat.S_ISREG(os.stat(file).st_mode):  # noqa: PTH116 - a pipe might never end
            return []
        with open(file, "rb") as stream:  # noqa: PTH123
            data = stream.read(MOST_BYTES + 1)
    except (OSError, ValueError):
        return []
    lines = _LINE_END.split(data[:MOST_BYTES].decode("utf-8", "replace").removeprefix("\ufeff"))
    return lines[:-1] if len(data) > MOST_BYTES else lines
