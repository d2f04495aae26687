"""Tells of a file that cannot be read to its end: what is wrong with it, and in which line."""

from __future__ import annotations

import gzip
import json
import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, NamedTuple

from consilience.declare import DataError, Diagnostic, paste
from consilience.standard._cells import CellFile

__all__ = ["first_line", "see_contents", "telling", "unreadable"]

_BLANK = b" \t\r\n\xef\xbb\xbf"
_FEW = 4096
_DELIMITERS = (";", "\t", "|")


class _Said(NamedTuple):
    """What is wrong, how it is mended, and the key of the source that it is told at."""

    found: str
    fix: str
    key: str = "path"


def see_contents(path: Path, kind: str) -> None:
    """Raises `DataError` when nothing stands in a file; one that cannot be opened is told of by its loader."""
    try:
        with _opened(path) as stream:
            is_empty = not stream.read(_FEW).strip(_BLANK)
    except (OSError, EOFError):
        return
    if is_empty:
        found, fix = f"{path.name}: the file is empty", "# write the table into it, or name another file under path"
        raise DataError(Diagnostic("CN507", ("path",), found, f"a {kind} file with rows", fix))


@contextmanager
def telling(path: Path, kind: str, cells: CellFile | None = None) -> Iterator[None]:
    """Turns what a loader says of a file that it cannot read into a diagnostic."""
    import datasets
    import pyarrow

    try:
        yield
    except datasets.exceptions.DatasetGenerationError as error:
        raise DataError(unreadable(path, error.__cause__ or error, kind, cells)) from error
    except (OSError, EOFError, ValueError, pyarrow.ArrowException) as error:
        raise DataError(unreadable(path, error, kind, cells)) from error


def unreadable(path: Path | str, error: BaseException, kind: str = "", cells: CellFile | None = None) -> Diagnostic:
    """Makes the diagnostic of a file that cannot be read; `kind` is its format, where that is known."""
    name = Path(path).name
    if isinstance(error, UnicodeDecodeError):
        found = f"{name}: byte 0x{error.object[error.start]:02x} is not UTF-8{_line_of(Path(path))}"
        return Diagnostic(
            "CN507", ("path",), found, "a file in UTF-8", f"iconv -f latin1 -t utf-8 {name} > utf8_{name}"
        )
    reason = first_line(error)
    said = _Said(reason, "# correct the file, or fetch it again")
    if cells is not None:
        said = _of_cells(cells, reason)
    elif kind == "jsonl":
        said = _of_lines(Path(path), reason)
    expected = f"a {kind} file that can be read to its end" if kind else "files that can be read to their end"
    return Diagnostic("CN507", (said.key,), f"{name}: {said.found}", expected, said.fix)


def first_line(error: BaseException) -> str:
    """Gives the first line of what an exception says."""
    text = re.sub(r"^Error tokenizing data\. C error: ", "", str(error).strip()) or type(error).__name__
    return text.splitlines()[0].strip().rstrip(".")


def _of_cells(cells: CellFile, reason: str) -> _Said:
    """Says which row of a CSV or TSV file has too many cells, and why."""
    if "EOF inside string" in reason:
        fix = f"format: tsv\ndelimiter: {paste(cells.delimiter)}  # reads quotation marks as they stand; "
        return _Said(reason, fix + "or close the quotation")
    row = cells.long_row()
    if row is None:
        return _Said(reason, "# correct the file, or fetch it again")
    width, first = len(cells.names), next(cells.rows())
    found = f"{len(row.cells)} cells in line {row.line}, and {width} column{'s' if width > 1 else ''} named"
    header = cells.delimiter.join(cells.names)
    other = max(_DELIMITERS, key=header.count)
    if width == 1 and other != cells.delimiter and other in header:
        return _Said(found, f"delimiter: {paste(other)}")
    if row.line != first.line:
        return _Said(found, f"# correct line {row.line}{_how(cells)}")
    if cells.columns is not None:
        return _Said(found, f"# name all {len(row.cells)} columns under columns", "columns")
    return _Said(
        found, f"# name all {len(row.cells)} columns in the first line, or correct line {row.line}{_how(cells)}"
    )


def _how(cells: CellFile) -> str:
    return ": close its quotation, or put what holds the delimiter in quotes" if cells.is_quoted else ""


def _of_lines(path: Path, reason: str) -> _Said:
    """Says which line of a file of JSON lines is no object."""
    try:
        with _opened(path) as stream:
            start = stream.read(_FEW).strip(_BLANK)
            stream.seek(0)
            line = _line_of_array(stream.read()) if start.startswith(b"[") else _line_of_rows(stream)
    except (OSError, EOFError):
        return _Said(reason, "# fetch the file again")
    if not start.startswith((b"[", b"{")):
        return _Said(reason, "format: csv  # if that is what it is, or tsv; or correct the first line")
    found = reason.partition(" in row ")[0]
    return _Said(f"{found} (line {line})", f"# correct line {line}") if line else _Said(reason, "# correct the file")


def _line_of_rows(lines: Iterable[bytes]) -> int | None:
    for number, line in enumerate(lines, 1):
        try:
            if line.strip(_BLANK) and not isinstance(json.loads(line.strip(_BLANK)), dict):
                return number
        except ValueError:
            return number
    return None


def _line_of_array(text: bytes) -> int | None:
    try:
        json.loads(text.strip(b"\xef\xbb\xbf"))
    except json.JSONDecodeError as error:
        return error.lineno
    except ValueError:
        return None
    return None


def _opened(path: Path) -> BinaryIO:
    return gzip.open(path) if path.suffix.lower() == ".gz" else path.open("rb")  # type: ignore[return-value]


def _line_of(path: Path) -> str:
    if not path.is_file() or path.suffix == ".gz":
        return ""
    with path.open("rb") as lines:
        for number, line in enumerate(lines, 1):
            try:
                line.decode()
            except UnicodeDecodeError:
                return f" (line {number})"
    return ""
