"""Places the keys and values of a fusion that Python declared; no code is run for it."""

from __future__ import annotations

import ast
from collections.abc import Mapping, Sequence
from pathlib import Path as FilePath
from typing import Any

from pydantic import BaseModel

from consilience.declare._origin import Call
from consilience.declare._python._recorded import Recorded
from consilience.declare._python._search import Search, Spot
from consilience.declare._python._source import PythonSource
from consilience.errors import Part, Path, Place

__all__ = ["PythonPlaces"]

_MISSING = object()


class PythonPlaces:
    """Finds the code of one fusion's keys and values; where reading goes no deeper, what encloses them."""

    def __init__(self, calls: Sequence[Call], given: Mapping[str, Any]) -> None:
        self._recorded = Recorded(calls)
        self._given = given

    def place(self, path: Path, part: Part = Part.VALUE) -> Place:
        """Gives the place of the key or value at a path, of what encloses it, or of the call."""
        root = self._recorded.call(0)
        file, source = _shown(self._recorded.calls[0].file), self._recorded.source(0)
        if root is None:
            return _place(file, source, *self._recorded.calls[0].stretch)
        search = Search(self._recorded, root, path)
        given = _at(self._given, path)
        try:
            spot = next((spot for spot in search.spots() if _may_say(spot.value, given)), None)
        except RecursionError:  # called from deep down
            spot = None
        is_key = part is Part.KEY or isinstance(given, Mapping | BaseModel)
        if spot is None:
            spot = search.nearest
            is_key = not spot.is_opaque
        if spot.value is root:
            spot = Spot(root.func, None, source)
        return self._of(spot, is_key=is_key)

    def _of(self, spot: Spot, *, is_key: bool) -> Place:
        file = _shown(self._recorded.file(spot.source))
        node = spot.key if is_key and spot.key is not None else spot.value
        if isinstance(node, ast.keyword):
            end = node.col_offset + len(str(node.arg).encode())
            return _place(file, spot.source, node.lineno, node.lineno, node.col_offset, end)
        return _place(file, spot.source, node.lineno, node.end_lineno, node.col_offset, node.end_col_offset)


def _place(
    file: str, source: PythonSource, line: int | None, end_line: int | None, start: int | None, end: int | None
) -> Place:
    first = line or 1
    if start is None or end is None:
        return Place(file, first, 1)
    last = end_line or first
    return Place(file, first, source.column(first, start), last, source.column(last, end))


def _at(given: Any, path: Path) -> Any:
    """Gives the value that was given at a path, or `_MISSING`."""
    for part in path:
        if isinstance(given, BaseModel):
            names = {info.alias: name for name, info in type(given).model_fields.items() if info.alias}
            given = getattr(given, names.get(str(part), str(part)), _MISSING)
        elif isinstance(given, Mapping):
            given = given.get(part, given.get(f"{part}_", _MISSING))
        elif isinstance(given, list | tuple) and isinstance(part, int) and 0 <= part < len(given):
            given = given[part]
        else:
            return _MISSING
    return given


def _may_say(node: ast.expr, given: Any) -> bool:
    """Tells whether code may have given a value: a literal that says something else has not."""
    if given is _MISSING or isinstance(given, BaseModel):
        return True
    try:
        written = ast.literal_eval(node)
    except (ValueError, TypeError, SyntaxError, MemoryError, RecursionError):
        return True
    return bool(_plain(written) == _plain(given))


def _plain(value: Any) -> Any:
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return {key: _plain(item) for key, item in value.items()} if isinstance(value, Mapping) else value


def _shown(file: str) -> str:
    """Gives the path of a file below the working directory from there, and any other as it is."""
    try:
        return str(FilePath(file).relative_to(FilePath.cwd()))
    except (OSError, ValueError):
        return file
