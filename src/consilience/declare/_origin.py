"""Where in Python a fusion was declared: recorded cheaply at the call, and read only when a fault must be placed."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from itertools import islice
from types import FrameType
from typing import TYPE_CHECKING, Any

from consilience.errors import Part, Path, Place

if TYPE_CHECKING:
    from consilience.declare._python import PythonPlaces

__all__ = ["Call", "Origin", "origin"]

MOST_CALLS = 6
"""How many calls are recorded, from the innermost out: those through which a wrapper's arguments came."""


@dataclass(frozen=True)
class Call:
    """One call on the way to a fusion: the function that makes it, and the stretch of code that does."""

    file: str
    function: str
    first_line: int
    """The line on which the function begins, its first decorator included."""
    stretch: tuple[int | None, int | None, int | None, int | None]
    """First line, last line, first column, column after the last; columns count bytes from 0."""


@dataclass(frozen=True)
class Origin:
    """The Python code that declared a fusion, and what it gave.

    All origins are equal: two fusions that say the same are the same, wherever they stand.
    """

    calls: tuple[Call, ...] = field(compare=False)
    given: Mapping[str, Any] = field(default_factory=dict, compare=False, repr=False)

    def place(self, path: Path, part: Part = Part.VALUE) -> Place:
        """Gives the place of the key or value at a path, of what encloses it, or of the call itself."""
        return self._places.place(path, part)

    @cached_property
    def _places(self) -> PythonPlaces:
        from consilience.declare._python import PythonPlaces

        return PythonPlaces(self.calls, self.given)

    def __reduce__(self) -> tuple[type[Origin], tuple[tuple[Call, ...]]]:
        return Origin, (self.calls,)


def origin(given: Mapping[str, Any]) -> Origin | None:
    """Records who calls the constructor of a fusion that calls this; None where Consilience itself does."""
    frame: FrameType | None = sys._getframe(2)
    while frame is not None and _package(frame) == "pydantic":
        frame = frame.f_back
    if frame is None or _package(frame) == "consilience":
        return None
    calls: list[Call] = []
    while frame is not None and len(calls) < MOST_CALLS:
        calls.append(_call(frame))
        frame = frame.f_back
    return Origin(tuple(calls), given)


def _package(frame: FrameType) -> str:
    return str(frame.f_globals.get("__name__", "")).partition(".")[0]


def _call(frame: FrameType) -> Call:
    code = frame.f_code
    nowhere = (frame.f_lineno, None, None, None)
    stretch = next(islice(code.co_positions(), frame.f_lasti // 2, None), nowhere)
    return Call(code.co_filename, code.co_name, code.co_firstlineno, stretch)
