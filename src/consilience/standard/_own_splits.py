"""Tells from the names of files which splits a local data set of the hub's form has."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

__all__ = ["splits_in"]

_SUFFIXES = (".parquet", ".csv", ".tsv", ".json", ".jsonl", ".arrow", ".txt", ".gz", ".zst")
_SHARD = re.compile(r"(.+)-[0-9]{5}-of-[0-9]{5}.*\..*")
_WORDS = {
    "train": ("train", "training"),
    "validation": ("validation", "valid", "dev", "val"),
    "test": ("test", "testing", "eval", "evaluation"),
}
_IGNORED = ("README.md", "LICENSE", "config.json", "dataset_info.json", "dataset_infos.json")
_MOST_FILES = 10_000


def splits_in(folder: Path) -> frozenset[str] | None:
    """Lists the splits that the library `datasets` will find in a folder; None where names alone do not tell.

    Only the plain cases are told: files in the folder itself or in `data`, each named after one split, and no card that
    says otherwise.
    """
    try:
        files = list(_data_files(folder))
        if not files or _has_card(folder):
            return None
    except (OSError, LookupError):
        return None
    shards = [match[1] for file in files if file.parent.name == "data" and (match := _SHARD.fullmatch(file.name))]
    if shards:
        return frozenset(shards) & set(_WORDS)
    named = [_split_of(file.name) if file.suffix in _SUFFIXES else None for file in files]
    return None if None in named else frozenset(filter(None, named))


def _data_files(folder: Path) -> Iterator[Path]:
    """Lists the files of data; raises LookupError where folders lie deeper, or there are too many to look at."""
    for count, entry in enumerate(entry for place in (folder, folder / "data") for entry in _entries(place)):
        if count > _MOST_FILES or (entry.is_dir() and entry != folder / "data"):
            raise LookupError(entry)
        if entry.is_file() and entry.name not in _IGNORED:
            yield entry


def _entries(folder: Path) -> list[Path]:
    return [entry for entry in folder.iterdir() if not entry.name.startswith((".", "__"))] if folder.is_dir() else []


def _has_card(folder: Path) -> bool:
    card = folder / "README.md"
    return card.is_file() and "data_files" in card.read_text(encoding="utf-8", errors="replace")


def _split_of(name: str) -> str | None:
    words = set(re.split(r"[-._ 0-9]+", name))
    found = [split for split, known in _WORDS.items() if words.intersection(known)]
    return found[0] if len(found) == 1 else None
