"""Writes the tables in docstrings, which are Markdown's, as those that autodoc reads."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import groupby

from sphinx.application import Sphinx

__all__ = ["rewritten", "setup"]

_BAR = re.compile(r"(?<!\\)\|")


def setup(app: Sphinx) -> dict[str, bool]:
    """Asks Sphinx for every docstring that it reads."""
    app.connect("autodoc-process-docstring", _process)
    return {"parallel_read_safe": True}


def _process(app: Sphinx, what: str, name: str, value: object, options: object, lines: list[str]) -> None:
    lines[:] = rewritten(lines)


def rewritten(lines: list[str]) -> list[str]:
    """Gives the lines of a docstring with each table as reStructuredText."""
    written: list[str] = []
    for is_table, group in groupby(lines, lambda line: line.startswith("|")):
        together = list(group)
        written += _table(together) if is_table else together
    return written


def _table(rows: list[str]) -> Iterator[str]:
    yield from (".. list-table::", "   :header-rows: 1", "")
    for row in (row for row in rows if set(row) - set("|-: ")):
        cells = [cell.strip() for cell in _BAR.split(row.strip().strip("|"))]
        yield from (f"   {'  -' if index else '* -'} {cell}" for index, cell in enumerate(cells))
    yield ""
