"""What is noted while a text is read: its faults with their places, and the paths that are not to be trusted."""

from __future__ import annotations

from functools import cached_property
from itertools import islice
from typing import NoReturn

from consilience.declare._characters import REFUSED, REPLACEMENT, refused_character
from consilience.declare._document import Lines
from consilience.declare._said import Said
from consilience.errors import DeclarationError, Diagnostic, Part, Path, Place, Related

__all__ = ["Noted", "diagnostic_of"]

MOST_FAULTS = 100
MOST_REFUSED = 10


class Noted:
    """The faults of one text, each of which is told where it stands; reading stops at the bound of them."""

    def __init__(self, text: str, file: str) -> None:
        self._text = text
        self._file = file
        self.faults: list[Diagnostic] = []
        self.doubtful: set[Path] = set()
        self.has_replaced = False

    @cached_property
    def _lines(self) -> Lines:
        return Lines(self._text, self._file)

    def replace_refused(self) -> str:
        """Tells the characters that no text may hold; gives the text without them, every offset as it was."""
        refused = [refused_character(match, self._file) for match in islice(REFUSED.finditer(self._text), MOST_REFUSED)]
        if len(refused) >= MOST_REFUSED:
            raise DeclarationError(refused)
        self.faults += refused
        self.has_replaced = bool(refused)
        return REFUSED.sub(REPLACEMENT, self._text) if refused else self._text

    def place(self, start: int, end: int) -> Place:
        """Gives the place of a stretch of the text."""
        return self._lines.place(start, end)

    def point(self, offset: int) -> Place:
        """Gives the place of one character."""
        return self._lines.point(offset)

    def report(self, said: Said, path: Path, place: Place, part: Part = Part.VALUE, *related: Related) -> None:
        """Notes a fault; raises `DeclarationError` with all of them at the bound."""
        self.faults.append(diagnostic_of(said, path, place, part, *related))
        if len(self.faults) >= MOST_FAULTS:
            raise DeclarationError(self.faults)

    def stop(self, said: Said, path: Path, place: Place) -> NoReturn:
        """Notes a fault behind which nothing can be trusted, and raises `DeclarationError`."""
        self.report(said, path, place)
        raise DeclarationError(self.faults)


def diagnostic_of(said: Said, path: Path, place: Place, part: Part = Part.VALUE, *related: Related) -> Diagnostic:
    """Makes a diagnostic of what is said of a path and its place."""
    code, found, expected, fix = said
    return Diagnostic(code, path, found, expected, fix, place, part=part, related=related)
