"""A table of another format than its name says is told by its first bytes, and only one that cannot be read."""

from __future__ import annotations

import gzip
import io
import zipfile
from pathlib import Path
from typing import Any

import pytest

from consilience.declare import DataError
from consilience.standard import Table

CSV = b"text,label\na fine film,1\n"


def parquet() -> bytes:
    import pyarrow
    import pyarrow.parquet

    sink = io.BytesIO()
    pyarrow.parquet.write_table(pyarrow.table({"text": ["a fine film"], "label": [1]}), sink)
    return sink.getvalue()


def zipped() -> bytes:
    sink = io.BytesIO()
    with zipfile.ZipFile(sink, "w") as archive:
        archive.writestr("xl/workbook.xml", "<workbook/>")
    return sink.getvalue()


def table(folder: Path, name: str, content: bytes, **keys: Any) -> Table:
    (folder / name).write_bytes(content)
    return Table.model_validate({"path": name, **keys}, context={"base": folder})


SOUND: dict[str, bytes] = {
    "rows.csv": CSV,
    "rows.tsv": CSV.replace(b",", b"\t"),
    "rows.jsonl": b'{"text": "a fine film", "label": 1}\n',
    "rows.parquet": parquet(),
    "rows.csv.gz": gzip.compress(CSV),
    "rows.jsonl.gz": gzip.compress(b'{"text": "a fine film"}\n'),
    "marked.csv": b"\xef\xbb\xbf" + CSV,
    "PAR.csv": b"PAR,label\nx,1\n",
    "BZ.csv": b"BZ,label\nx,1\n",
    "bytes.csv": "t\u00e9xt,label\nP\u212b,1\n".encode(),
}


@pytest.mark.parametrize(("name", "content"), SOUND.items(), ids=SOUND)
def test_what_can_be_read_is_not_refused(tmp_path: Path, name: str, content: bytes) -> None:
    sound = table(tmp_path, name, content)
    assert list(sound.faults()) == []
    assert len(sound.open()["all"]) == 1


WRONG: list[tuple[str, bytes, str, str]] = [
    ("rows.csv", parquet(), "Parquet", "format: parquet"),
    ("rows.jsonl", parquet(), "Parquet", "format: parquet"),
    ("rows.parquet", CSV, "no Parquet", "format: csv"),
    ("rows.parquet", b"\0" * 99, "no Parquet", "# name a Parquet file under path"),
    ("rows.parquet", parquet()[:-9], "a Parquet file that is cut off", "# fetch the file again"),
    ("rows.parquet", b"PAR1", "a Parquet file that is cut off", "# fetch the file again"),
    ("rows.csv", gzip.compress(CSV), "compressed by gzip", "# name the file rows.csv.gz, so that it is decompressed"),
    ("rows.csv.gz", CSV, "not compressed by gzip", "# name the file rows.csv, since it is not compressed"),
    ("rows.csv.gz", b"\x1f\x8b\x08\xff\xff" * 9, "no whole gzip file", "# fetch or compress the file again"),
    ("rows.csv.gz", gzip.compress(zipped()), "a zip archive, such as an Excel file", "# save the table as CSV, and na"),
    ("rows.csv", zipped(), "a zip archive, such as an Excel file", "# save the table as CSV, and name that"),
    (
        "rows.jsonl",
        b"<!DOCTYPE html><html>",
        "a page of HTML",
        "# download the file itself, not the page that shows it",
    ),
    (
        "rows.jsonl",
        b"version https://git-lfs.github.com/spec/v1\n",
        "a pointer that git-lfs left",
        "# fetch the file: g",
    ),
    ("rows.csv", CSV.decode().encode("utf-16"), "text in UTF-16", "iconv -f utf-16 -t utf-8 rows.csv > utf8_rows.csv"),
    ("rows.csv", b"a,b\n\xff\0\1,2\n", "no text, but bytes", "# name a table under path, or say under format what it"),
]


@pytest.mark.parametrize(("name", "content", "found", "fix"), WRONG, ids=[f"{row[0]} {row[2]}" for row in WRONG])
def test_what_cannot_be_read_is_told(tmp_path: Path, name: str, content: bytes, found: str, fix: str) -> None:
    wrong = table(tmp_path, name, content)
    [fault] = wrong.faults()
    assert (fault.code, fault.key) == ("CN607", "path")
    assert fault.found.startswith(f"{name}: {found}")
    assert fault.fix.startswith(fix)
    with pytest.raises(DataError):
        wrong.open()


def test_the_fix_for_a_format_reads_the_file(tmp_path: Path) -> None:
    for name, content, kind in (("rows.csv", parquet(), "parquet"), ("rows.parquet", CSV, "csv")):
        mended = table(tmp_path, name, content, format=kind)
        assert list(mended.faults()) == []
        assert len(mended.open()["all"]) == 1


def test_a_file_that_the_system_does_not_give_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    closed = table(tmp_path, "rows.csv", CSV)

    def refuse(*arguments: object) -> None:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr("consilience.standard._sources.see_format", refuse)
    [fault] = closed.faults()
    assert (fault.code, fault.found) == ("CN613", "rows.csv: Input/output error")


def test_an_empty_file_has_no_format_to_be_wrong_about(tmp_path: Path) -> None:
    assert list(table(tmp_path, "rows.csv", b"").faults()) == []
    assert list(table(tmp_path, "rows.csv.gz", b"").faults()) == []
