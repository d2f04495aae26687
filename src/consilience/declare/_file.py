"""Reads a file of text from disk: a regular file, in UTF-8, no larger than a person writes."""

from __future__ import annotations

import os
import shlex
from itertools import islice
from pathlib import Path

from consilience.declare._characters import escape, place_after
from consilience.errors import DeclarationError, Diagnostic, Place, nearest

__all__ = ["MOST_BYTES", "file_text", "too_large"]

MOST_BYTES = 1 << 20


def file_text(path: str | os.PathLike[str]) -> str:
    """Gives the text of a UTF-8 file of at most 1 MiB; raises DeclarationError for a file that has none."""
    shown = escape(os.fspath(path))
    try:
        if not Path(path).is_file():  # a pipe or a device might never end
            raise DeclarationError(_unreadable(Path(path), shown, "no such file"))
        with Path(path).open("rb") as stream:
            data = stream.read(MOST_BYTES + 1)
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        raise DeclarationError(_unreadable(Path(path), shown, reason.lower())) from None
    if len(data) > MOST_BYTES:
        raise DeclarationError(too_large(shown))
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise DeclarationError(_not_utf8(data, error.start, os.fspath(path))) from None


def _not_utf8(data: bytes, start: int, file: str) -> Diagnostic:
    place = place_after(data[:start].decode("utf-8").removeprefix("\ufeff"), escape(file))
    encoding = "UTF-16" if data[:2] in (b"\xff\xfe", b"\xfe\xff") else "ISO-8859-1"
    name = escape(shlex.quote(file))
    fix = f"iconv -f {encoding} -t UTF-8 {name} > utf8.yaml && mv utf8.yaml {name}"
    return Diagnostic("CN109", (), f"the byte 0x{data[start]:02x}, which is not UTF-8", "text in UTF-8", fix, place)


def too_large(file: str) -> Diagnostic:
    """Tells that a file, or a text under a file's name, is larger than it may be."""
    fix = "# keep long lists and data in files of their own, and name them by their path"
    return Diagnostic("CN109", (), "more than 1 MiB", "a file of at most 1 MiB", fix, Place(file, 1, 1))


def _unreadable(path: Path, shown: str, reason: str) -> Diagnostic:
    fix = "# give the path of a file that can be read"
    try:
        folder = path if path.is_dir() else path.parent
        with os.scandir(folder) as entries:
            names = sorted(entry.name for entry in islice(entries, 1000) if entry.is_file())
        if path.is_dir():
            reason, close = "a directory", next((name for name in names if name.endswith((".yaml", ".yml"))), None)
        else:
            close = nearest(path.name, (name for name in names if name != path.name))
            reason = "not a regular file" if path.exists() and reason == "no such file" else reason
        fix = escape(str(folder / close)) if close else fix
    except (OSError, ValueError):
        pass
    return Diagnostic("CN601", (), f"{shown}: {reason}", "a file", fix, Place(shown, 1, 1))
