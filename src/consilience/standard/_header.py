"""Tells by the first line of a CSV or TSV file why none of its columns is one that is read."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from consilience.declare import Fault, paste

__all__ = ["explain_header", "is_value"]

_DELIMITERS = (",", ";", "\t", "|")
_MOST, _LONGEST = 12, 60
"""The columns that are listed, and the characters of each."""
_LONG_NAME = 4
"""How many words the name of a column hardly has."""


def _shown(names: Sequence[str]) -> str:
    """Lists the names of columns, in quotes where they could not stand in a fusion file without."""
    first = [paste(name if len(name) <= _LONGEST else f"{name[: _LONGEST - 3]}...") for name in names[:_MOST]]
    return ", ".join(first) + (f" and {len(names) - _MOST} more" if names[_MOST:] else "")


def explain_header(names: Sequence[str], wanted: Sequence[str], read_with: str) -> Iterator[Fault]:
    """Tells of another delimiter than the one that was read with, or of a header line that is none."""
    delimiter = _delimiter(names[0], wanted, read_with) if len(names) == 1 else None
    expected = f"columns such as {_shown(wanted)}"
    if delimiter is not None:
        fix = "format: csv" if (read_with, delimiter) == ("\t", ",") else f"delimiter: {paste(delimiter)}"
        yield Fault("CN501", "path", f"one column, {_shown(names)}", expected, fix)
    elif any(map(is_value, names)):
        fix = f"# the file has no header line: name its {len(names)} columns in their order under columns"
        if len(names) == len(wanted):
            fix = f"columns: {paste(wanted)}  # if the file has no header line, and this is their order"
        yield Fault("CN501", "path", f"a first line without names: {_shown(names)}", expected, fix)


def _delimiter(name: str, wanted: Sequence[str], read_with: str) -> str | None:
    """Finds what may divide the one name into several; a comma stands in texts too, and so has to give a wanted one."""
    meant = {one.casefold() for one in wanted}
    ranks = {}
    for delimiter in _DELIMITERS:
        parts = [part.strip(" \"'").casefold() for part in name.split(delimiter)]
        hits = len(meant.intersection(parts))
        if delimiter != read_with and len(parts) > 1 and (hits or delimiter != ","):
            ranks[delimiter] = (hits, len(parts))
    return max(ranks, key=lambda delimiter: ranks[delimiter], default=None)


def is_value(name: str) -> bool:
    """Tells whether what stands in a header line is hardly a name: a number, or a sentence."""
    try:
        float(name)
    except ValueError:
        return len(name.split()) >= _LONG_NAME
    return True
