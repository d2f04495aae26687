"""Reads EmoBank as it is published: sentences with valence, arousal and dominance from two perspectives."""

from __future__ import annotations

import csv
import gzip
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

__all__ = ["MIDDLE", "SPLITS", "emobank_files", "read_emobank"]

SPLITS: Mapping[str, str] = {"train": "train", "dev": "validation", "test": "test"}
MIDDLE = 3.0
"""The middle of the scale, which goes from 1 to 5; what is read is the distance from it."""
_NAMES = ("emobank.csv", "reader.csv", "writer.csv")


def emobank_files(folder: Path) -> dict[str, Path]:
    """Gives those of `emobank`, `reader` and `writer` that lie in the folder, gzipped or not."""
    found: dict[str, Path] = {}
    for name in _NAMES:
        for path in (folder / name, folder / f"{name}.gz"):
            if path.is_file():
                found.setdefault(name.partition(".")[0], path)
    return found


def read_emobank(folder: Path) -> dict[str, list[dict[str, Any]]]:
    """Gives the rows of each split: text, and as `vad`, `reader` and `writer` numbers from the middle of the scale.

    A perspective that nobody rated is None; raises KeyError where a column is missing, ValueError where a cell is none.
    """
    files = emobank_files(folder)
    sides = {name: {row["id"]: row for row in _rows(files[name])} for name in ("reader", "writer") if name in files}
    found: dict[str, list[dict[str, Any]]] = {split: [] for split in SPLITS.values()}
    for row in _rows(files["emobank"]):
        read: dict[str, Any] = {"id": row["id"], "text": row["text"], "vad": _vad(row)}
        for name in ("reader", "writer"):
            rated = sides.get(name, {}).get(row["id"])
            read[name] = None if rated is None else _vad(rated)
        found[SPLITS[row["split"]]].append(read)
    return found


def _vad(row: Mapping[str, str]) -> list[float]:
    return [round(float(row[name]) - MIDDLE, 6) for name in "VAD"]


def _rows(path: Path) -> Iterator[dict[str, str]]:
    opened: Any = gzip.open if path.suffix == ".gz" else open
    with opened(path, "rt", encoding="utf-8", newline="") as stream:
        yield from csv.DictReader(stream)
