"""The recorded calls behind a fusion, each with the parsed file that it stands in."""

from __future__ import annotations

import ast
from collections.abc import Sequence

from consilience.declare._origin import Call
from consilience.declare._python._source import Function, PythonSource

__all__ = ["Recorded", "last_name"]


class Recorded:
    """The calls from the innermost out; a level counts them, and level 0 is the fusion's constructor."""

    def __init__(self, calls: Sequence[Call]) -> None:
        self.calls = calls
        self._sources: dict[str, PythonSource] = {}

    def source(self, level: int) -> PythonSource:
        """Gives the file of a call."""
        file = self.calls[level].file
        if file not in self._sources:
            self._sources[file] = PythonSource(file)
        return self._sources[file]

    def file(self, source: PythonSource) -> str:
        """Gives the name of a file that was asked for."""
        return next(file for file, known in self._sources.items() if known is source)

    def call(self, level: int) -> ast.Call | None:
        """Finds a call in its file; None where the file is not there, or not what was run."""
        if level >= len(self.calls):
            return None
        _, end_line, _, end = self.calls[level].stretch
        return self.source(level).calls.get((end_line, end))

    def caller(self, function: Function, level: int) -> tuple[ast.Call, int] | None:
        """Finds the call, and its level, by which a function was entered on the way to the call at `level`."""
        if isinstance(function, ast.Lambda):
            return None
        first_line = min([function.lineno, *(item.lineno for item in function.decorator_list)])
        for outer, entered in enumerate(self.calls[level:-1], level + 1):
            if (entered.function, entered.first_line) == (function.name, first_line):
                call = self.call(outer)
                is_it = call is not None and (function.name == "__init__" or last_name(call.func) == function.name)
                return (call, outer) if call is not None and is_it else None
        return None


def last_name(function: ast.expr) -> str:
    """Gives the name that a function is called by, without the module or object before it."""
    match function:
        case ast.Name(id=name) | ast.Attribute(attr=name):
            return name
    return ""
