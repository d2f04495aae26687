"""The standard sources: a table in files, and a data set in the form of the Hugging Face hub."""

from __future__ import annotations

import glob
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any, Literal

from consilience.declare import DataError, Diagnostic, Fault, Field, Location, Severity, Source, show
from consilience.standard._cells import CellFile
from consilience.standard._first_bytes import NotThatFormat, guess_format, see_format
from consilience.standard._header import explain_header
from consilience.standard._hub import cache_folder, has_data_set
from consilience.standard._own_splits import splits_in
from consilience.standard._unreadable import first_line, see_contents, telling, unreadable

__all__ = ["Hub", "Table"]

Format = Literal["csv", "tsv", "jsonl", "parquet"]

_FORMATS: dict[str, Format] = {
    ".csv": "csv",
    ".tsv": "tsv",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".parquet": "parquet",
}
_LOADERS = {"csv": "csv", "tsv": "csv", "jsonl": "json", "parquet": "parquet"}
_SPLIT = "{split}"
_SPLITS = {"train": ("train",), "validation": ("validation", "valid", "val", "dev"), "test": ("test",)}
_LONG_WORK = 200_000_000
"""Bytes from which on the progress bar of reading is worth seeing."""
_QUOTED, _UNQUOTED = 0, 3
"""The csv module's QUOTE_MINIMAL and QUOTE_NONE."""


class Table(Source):
    """Rows of a file: CSV, TSV, JSON lines or Parquet, gzipped or not.

    Every cell of CSV and TSV is a text, so `NA` and `007` stay what they are; an empty cell is missing. A TSV file has
    no quoting (`format: csv` with `delimiter: "\\t"` is tab-separated with quoting). UTF-8 only.
    """

    path: Location
    """The file. With `{split}` in it, such as `{split}.tsv`, each of train, validation (also valid, val, dev) and test
    that exists is that split."""
    format: Format | None = None
    """What the file is, where its suffix does not say it."""
    delimiter: Annotated[str, Field(min_length=1, max_length=1)] | None = None
    """What stands between two cells of CSV (`,`) or TSV (a tab)."""
    columns: Annotated[list[str], Field(min_length=1)] | None = None
    """The columns' names, for a CSV or TSV file without a header line."""

    def faults(self) -> Iterable[Fault]:
        """Tells of a missing file and of a format that is unknown or takes no such key."""
        located = dict(self._located())
        if not located:
            yield self._no_split()
        lost = [fault for place in located.values() if (fault := place.fault(wanted="a table", form="file"))]
        yield from lost or filter(None, map(self._other_format, located.values()))
        yield from self._surplus_keys()

    def _other_format(self, location: Location) -> Fault | None:
        """Tells of a file whose suffix says no format, or whose first bytes are those of another one."""
        kind = self._format()
        if kind is None:
            found = f"{self.path}, whose suffix names no known format"
            fix = f"format: {guess_format(location.path)}"
            return Fault("CN607", "path", found, f"one of {', '.join(_FORMATS)}, or the key format", fix)
        try:
            see_format(location.path, kind)
        except NotThatFormat as error:
            return Fault("CN607", "path", f"{location}: {error.found}", f"a {kind} file", error.fix)
        except OSError as error:
            return Fault(
                "CN613", "path", f"{location}: {error.strerror}", "a table", "# name a readable file under path"
            )
        return None

    def _surplus_keys(self) -> Iterator[Fault]:
        known = self._format()
        for key in ("delimiter", "columns"):
            if known in ("jsonl", "parquet") and getattr(self, key) is not None:
                yield Fault(
                    "CN607", key, f"{key} for {known}", f"{key} with csv or tsv only", f"# remove the key {key}"
                )

    def _no_split(self) -> Fault:
        names = [name for names in _SPLITS.values() for name in names]
        found = f"{self.path}, and no file by that name for any of {', '.join(names)}"
        return Fault(
            "CN601", "path", found, "a file for one split at least", "path: " + self.path.text.replace(_SPLIT, "train")
        )

    def files(self) -> Iterable[Path]:
        """Lists the file, or that of each split."""
        return [location.path for _, location in self._located()]

    def open(self) -> Mapping[str, Any]:
        """Reads the file, or that of each split; raises `DataError` (CN507), with paths that start at this source."""
        return {split: self._read(location.path) for split, location in self._located()}

    def stream(self) -> Mapping[str, Any]:
        """Gives the file's rows, or those of each split, as they are read; raises `DataError` (CN507)."""
        return {split: self._read(location.path, streaming=True) for split, location in self._located()}

    def examine(self) -> Iterable[Fault]:
        """Warns of rows with fewer cells than there are columns."""
        if self._format() in ("csv", "tsv"):
            yield from [fault for path in self.files() for fault in self._cells(path).short_rows()]

    def splits(self) -> frozenset[str] | None:
        """Lists the splits whose files exist, or `all`."""
        return frozenset(split for split, _ in self._located()) or None  # that there is none is told already

    def explain_columns(self, wanted: Sequence[str], held: Sequence[str]) -> Iterable[Fault]:
        """Tells of another delimiter, and of a first line that holds no names."""
        kind = self._format()
        if kind not in ("csv", "tsv") or self.columns or not held:
            return ()
        return explain_header(held, wanted, self._text_options(kind)["sep"])

    def _located(self) -> Iterator[tuple[str, Location]]:
        if _SPLIT not in self.path.text:
            yield "all", self.path
            return
        for split, names in _SPLITS.items():
            candidates = [replace(self.path, text=self.path.text.replace(_SPLIT, name)) for name in names]
            yield from [(split, found) for found in candidates if found.fault(form="file") is None][:1]

    def _format(self) -> Format | None:
        suffixes = [suffix.lower() for suffix in Path(self.path.text).suffixes]
        if suffixes and suffixes[-1] == ".gz":
            suffixes.pop()
        return self.format or (_FORMATS.get(suffixes[-1]) if suffixes else None)

    def _read(self, path: Path, streaming: bool = False) -> Any:
        import datasets

        kind = self._format() or "csv"
        options = self._text_options(kind) if kind in ("csv", "tsv") else {}
        cells = self._cells(path) if options else None
        with _quiet(path.stat().st_size < _LONG_WORK), telling(path, kind, cells):
            if kind != "parquet":
                see_contents(path, kind)
            if cells is not None:
                cells.see_names()
                first = _first_row(path, options)
                features = datasets.Features({str(name): datasets.Value("string") for name in first.columns})
                if first.empty and not streaming:
                    return datasets.Dataset.from_dict({name: [] for name in features}, features=features)
                options["features"] = features
            files = {"train": glob.escape(str(path))}  # the loader takes names for patterns
            return datasets.load_dataset(
                _LOADERS[kind], data_files=files, split="train", streaming=streaming, **options
            )

    def _cells(self, path: Path) -> CellFile:
        options = self._text_options(self._format() or "csv")
        return CellFile(path, options["sep"], options["quoting"] == _QUOTED, self.columns)

    def _text_options(self, kind: str) -> dict[str, Any]:
        return {
            "sep": self.delimiter or ("\t" if kind == "tsv" else ","),
            "quoting": _UNQUOTED if kind == "tsv" else _QUOTED,
            "header": None if self.columns else 0,
            "names": self.columns,
            "keep_default_na": False,
            "encoding": "utf-8-sig",
        }


def _first_row(path: Path, options: Mapping[str, Any]) -> Any:
    import pandas

    first = pandas.read_csv(path, nrows=1, dtype=str, **options)
    # pandas takes the surplus cells of a first row for an index, and so shifts every column.
    if len(first) and not isinstance(first.index, pandas.RangeIndex):
        raise ValueError(f"{len(first.columns)} columns are named, and the first row has more cells")
    return first


class Hub(Source):
    """A data set of the Hugging Face hub, or a local directory in its form. Code in a data set is never run."""

    path: Location
    """The data set's name on the hub (`owner/name`), or a directory such as one with `data/train-*.parquet`."""
    name: str | None = None
    """The configuration, where the data set has several."""
    revision: str | None = None
    """The branch, tag or commit on the hub; name one, and the data stay what they are."""

    def faults(self) -> Iterable[Fault]:
        """Tells of a directory that is missing, and (a warning) of a data set that the hub would be asked for."""
        if self._is_place():
            fault = self.path.fault(wanted="a directory, or a data set of the hub", form="folder")
            if fault:
                yield fault
        elif not has_data_set(self.path.text):
            found = f"{self.path}: no folder of that path, and not cached in {cache_folder()}"
            expected = "a folder, or a data set that is cached: training would ask the hub for it"
            yield Fault("CN605", "path", found, expected, self._download(), Severity.WARNING)

    def files(self) -> Iterable[Path]:
        """Lists the files of a local directory."""
        if not self._is_local():
            return []
        return sorted(path for path in self.path.path.rglob("*") if path.is_file())

    def open(self) -> Mapping[str, Any]:
        """Loads every split; raises `DataError` (CN507, CN605), with paths that start at this source."""
        return self._load(streaming=False)

    def stream(self) -> Mapping[str, Any]:
        """Gives the rows of every split as they are read; raises as `open` does."""
        return self._load(streaming=True)

    def _load(self, streaming: bool) -> Mapping[str, Any]:
        import datasets

        where = str(self.path.path) if self._is_local() else self.path.text
        revision = None if self._is_local() else self.revision
        with _quiet(self._is_local()):
            try:
                loaded = datasets.load_dataset(where, self.name, revision=revision, streaming=streaming)
            except datasets.exceptions.DatasetGenerationError as error:
                raise DataError(unreadable(self.path.text, error.__cause__ or error)) from error
            except (OSError, ValueError, RuntimeError) as error:
                raise DataError(self._unloaded(error)) from error
        return dict(loaded)

    def splits(self) -> frozenset[str] | None:
        """Lists the splits that the names of a local directory's files tell; what the hub has is not looked up."""
        return splits_in(self.path.path) if self._is_local() and self.name is None else None

    def _is_place(self) -> bool:
        return self._is_local() or self.path.text.startswith((".", "/", "~", "pkg:")) or self.path.text.count("/") > 1

    def _is_local(self) -> bool:
        return self.path.fault() is None and self.path.path.is_dir()

    def _unloaded(self, error: Exception) -> Diagnostic:
        reason = first_line(error)
        if self._is_local():
            expected = "a directory in the form of the hub, such as data/train-00000.parquet or train.csv and test.csv"
            return Diagnostic(
                "CN605", ("path",), f"{self.path}: {reason}", expected, f"use: table\npath: {self.path}/train.csv"
            )
        if isinstance(error, ValueError):
            return Diagnostic(
                "CN605", ("path",), f"{self.path}: {reason}", "a data set that loads as it is", "name: default"
            )
        expected = "a data set that the hub gives, or that was loaded here before"
        return Diagnostic("CN605", ("path",), f"{self.path}: {reason}", expected, self._download())

    def _download(self) -> str:
        arguments = ", ".join(show(part) for part in (self.path.text, self.name) if part)
        return f"python -c 'import datasets; datasets.load_dataset({arguments})'  # once, with a network"


@contextmanager
def _quiet(hide_bars: bool) -> Iterator[None]:
    """Hides what `datasets` prints: its errors become diagnostics, its bars are noise for work of a moment."""
    import datasets

    level, had_bars = datasets.logging.get_verbosity(), datasets.are_progress_bars_disabled()
    datasets.logging.set_verbosity(datasets.logging.CRITICAL)
    if hide_bars:
        datasets.disable_progress_bars()
    try:
        yield
    finally:
        datasets.logging.set_verbosity(level)
        if not had_bars:
            datasets.enable_progress_bars()
