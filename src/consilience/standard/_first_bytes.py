"""Tells by the first bytes of a table's file that it is none of the format that its name says."""

from __future__ import annotations

import zlib
from pathlib import Path

__all__ = ["NotThatFormat", "guess_format", "see_format"]

_FEW = 4096
_GZIP, _PARQUET = b"\x1f\x8b", b"PAR1"
_SHORTEST_PARQUET = 12
_OTHERS = {
    b"PK\x03\x04": ("a zip archive, such as an Excel file", "# save the table as CSV, and name that"),
    b"\xd0\xcf\x11\xe0": ("an old Excel file", "# save the table as CSV, and name that"),
    b"SQLite format 3": ("an SQLite database", "# export the table as CSV, and name that"),
    b"ARROW1": ("an Arrow file", "# save the table as Parquet, and name that"),
    b"%PDF": ("a PDF", "# save the table as CSV, and name that"),
    b"BZh": ("compressed by bzip2", "# decompress it, and name that"),
    b"\xfd7zXZ": ("compressed by xz", "# decompress it, and name that"),
    b"\x28\xb5\x2f\xfd": ("compressed by zstd", "# decompress it, and name that"),
    b"version https://git-lfs": ("a pointer that git-lfs left in place of the file", "# fetch the file: git lfs pull"),
}
_PAGES = (b"<!doctype html", b"<html")
_UTF_16 = (b"\xff\xfe", b"\xfe\xff")


class NotThatFormat(ValueError):
    """A file of another format; `found` says of which, `fix` what mends it."""

    def __init__(self, found: str, fix: str) -> None:
        super().__init__(found)
        self.found, self.fix = found, fix


def guess_format(path: Path) -> str:
    """Guesses the format of a table (csv, tsv, jsonl, parquet) by the first bytes of its file; csv where none tells."""
    try:
        with path.open("rb") as stream:
            head = stream.read(_FEW)
        head = _decompressed(path.name, head) if path.suffix.lower() == ".gz" else head
    except (OSError, NotThatFormat):
        return "csv"
    if head.startswith(_PARQUET):
        return "parquet"
    if head.removeprefix(b"\xef\xbb\xbf").lstrip().startswith((b"{", b"[")):
        return "jsonl"
    first, *_ = head.split(b"\n", 1)
    return "tsv" if b"\t" in first and b"," not in first else "csv"


def see_format(path: Path, kind: str) -> None:
    """Sees that a file could be of a format (csv, tsv, jsonl, parquet); raises `NotThatFormat` when it cannot.

    A name that ends in `.gz` is that of a compressed file, and no other is. Only the first and last bytes are read.
    """
    with path.open("rb") as stream:
        head = stream.read(_FEW)
        stream.seek(-min(len(_PARQUET), stream.seek(0, 2)), 2)
        tail = stream.read()
        size = stream.tell()
    if path.suffix.lower() == ".gz":
        head, tail = _decompressed(path.name, head), _PARQUET
    elif head.startswith(_GZIP):
        raise NotThatFormat("compressed by gzip", f"# name the file {path.name}.gz, so that it is decompressed")
    is_parquet = head.startswith(_PARQUET)
    if kind == "parquet":
        if not is_parquet:
            raise NotThatFormat("no Parquet", "# name a Parquet file under path" if b"\0" in head else "format: csv")
        if size < _SHORTEST_PARQUET or tail != _PARQUET:
            raise NotThatFormat("a Parquet file that is cut off", "# fetch the file again")
    elif is_parquet:
        raise NotThatFormat("Parquet", "format: parquet")
    else:
        _see_text(path.name, head)


def _decompressed(name: str, head: bytes) -> bytes:
    if head and not head.startswith(_GZIP):
        fix = f"# name the file {name[: -len('.gz')]}, since it is not compressed"
        raise NotThatFormat("not compressed by gzip", fix)
    try:
        return zlib.decompressobj(16 + zlib.MAX_WBITS).decompress(head, _FEW)
    except zlib.error as error:
        raise NotThatFormat("no whole gzip file", "# fetch or compress the file again") from error


def _see_text(name: str, head: bytes) -> None:
    for start, (found, fix) in _OTHERS.items():
        if head.startswith(start):
            raise NotThatFormat(found, fix)
    if head.lstrip()[:20].lower().startswith(_PAGES):
        raise NotThatFormat("a page of HTML", "# download the file itself, not the page that shows it")
    if head.startswith(_UTF_16):
        raise NotThatFormat("text in UTF-16", f"iconv -f utf-16 -t utf-8 {name} > utf8_{name}")
    if b"\0" in head:
        raise NotThatFormat("no text, but bytes", "# name a table under path, or say under format what it is")
