"""Looks at the cells of a CSV or TSV file as they stand in it: names that are repeated, rows that are short or long."""

from __future__ import annotations

import csv
import gzip
import zlib
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Literal

from consilience.declare import DataError, Diagnostic, Fault, Severity, paste
from consilience.standard._header import is_value

__all__ = ["CellFile", "Record"]

_SHOWN = 3
_READING = (OSError, EOFError, zlib.error, csv.Error)


@dataclass(frozen=True)
class Record:
    """The cells of one row, and the line on which it begins."""

    line: int
    cells: Sequence[str]


@dataclass(frozen=True)
class CellFile:
    """A CSV or TSV file; it is read record by record, and what cannot be decoded is passed over."""

    path: Path
    delimiter: str
    is_quoted: bool
    columns: Sequence[str] | None = None
    """The names, where the file has no header line."""

    def records(self) -> Iterator[Record]:
        """Gives every record that is not blank, the header line too, as far as the file can be read."""
        open_file = gzip.open if self.path.suffix.lower() == ".gz" else open
        line = 1
        try:
            with open_file(self.path, "rt", encoding="utf-8-sig", errors="replace", newline="") as stream:
                quoting: Literal[0, 3] = csv.QUOTE_MINIMAL if self.is_quoted else csv.QUOTE_NONE
                reader = csv.reader(stream, delimiter=self.delimiter, quoting=quoting)
                for cells in reader:
                    if len(cells) > 1 or "".join(cells).strip():
                        yield Record(line, cells)
                    line = reader.line_num + 1
        except _READING:
            return

    @property
    def names(self) -> Sequence[str]:
        """The names of the columns."""
        header = next(self.records(), None) if self.columns is None else None
        return self.columns or (header.cells if header else [])

    def rows(self) -> Iterator[Record]:
        """Gives the records below the header line."""
        return islice(self.records(), 1 if self.columns is None else 0, None)

    def see_names(self) -> None:
        """Raises `DataError` when two columns have one name: which of them is read would be chance."""
        if self.columns is None and any(map(is_value, self.names)):
            return  # a file without a header line: nothing that is read has such a name
        repeated = [name for name, count in Counter(self.names).items() if name and count > 1]
        if repeated:
            key = "path" if self.columns is None else "columns"
            found = f"{self.path.name}: {_listed(repeated)} as the name of several columns"
            fix = f"# give each column a name of its own: {paste(repeated[0])} stands there more than once"
            raise DataError(Diagnostic("CN507", (key,), found, "every name once", fix))

    def short_rows(self) -> Iterator[Fault]:
        """Warns of rows with fewer cells than there are columns: what is missing is read as empty."""
        width = len(self.names)
        short = (number for number, row in enumerate(self.rows(), 1) if len(row.cells) < width)
        first = list(islice(short, _SHOWN))
        if first:
            more = sum(1 for _ in short)
            rows = f"row {first[0]} has" if len(first) == 1 else f"rows {', '.join(map(str, first))} have"
            rows = rows if not more else rows.replace(" have", f" and {more} more have")
            found = f"{self.path.name}: {rows} fewer than {width} cells; those that are missing are read as empty"
            fix = "# write a delimiter for each cell that is empty, or correct these rows"
            yield Fault("CN514", "path", found, "a cell for each column in every row", fix, Severity.WARNING)

    def long_row(self) -> Record | None:
        """Finds the first row with more cells than there are columns."""
        width = len(self.names)
        return next((row for row in self.rows() if len(row.cells) > width), None)


def _listed(names: Sequence[str]) -> str:
    return ", ".join(map(paste, names[:_SHOWN])) + (f" and {len(names) - _SHOWN} more" if names[_SHOWN:] else "")
