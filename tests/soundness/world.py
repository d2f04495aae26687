"""The world that tried fusions live in: two tiny checkpoints, two tiny graphs and five tiny tables, made once.

`python -m tests.soundness.world FOLDER` writes it, so that a finding's file can be tried by hand.
"""

from __future__ import annotations

import csv
import json
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from tests.conftest import save_bert

__all__ = [
    "CHECKPOINTS",
    "GRAPHS",
    "HUB",
    "MOST_LABELS",
    "MOST_TOKENS",
    "SPACES",
    "TABLES",
    "column_of",
    "write_world",
]

CHECKPOINTS = {"tiny": 16, "slim": 8, "headed": 16}
"""The folder and the width of each checkpoint; the last has the head too that it learnt to guess words with."""
GRAPHS = ("film.ttl", "city.ttl")
TABLES = ("reviews.csv", "comments.jsonl", "notes.tsv", "daily/{split}.csv")
HUB = "parted"
"""A folder in the form of the hub, whose files name their splits."""
SPACES = {"psychology.sentiment": 4, "psychology.ekman": 7, "psychology.goemotions": 28}
"""The label spaces of plugins, and how many labels each has."""
MOST_LABELS = 4
MOST_TOKENS = 32

_WORDS = ("fine", "film", "dull", "plot", "but", "finely", "don't", "town", "the", "was", "é", "日本", "a")
_PREFIXES = """\
@prefix : <https://example.org/%s#> .
@prefix rdfs: <http://www.w3.org/2000/01/rdf-schema#> .
"""
_FILM = """\
:film rdfs:label "film"@en , "movie"@en .
:plot rdfs:label "plot"@en ; :partOf :film .
:dull rdfs:label "dull"@en ; :opposite :fine .
:fine rdfs:label "fine"@en .
"""
_CITY = """\
:town rdfs:label "town"@en .
:house rdfs:label "a house"@en ; :partOf :town .
"""


def column_of(kind: str, space: str | int) -> str:
    """Names the column that fills a field of a type with a label space: a plugin's, or so many labels of the file's.

    The columns of a file's own labels hold positions, so that they fit whatever the labels are called.
    """
    return f"{kind}_{space if isinstance(space, int) else space.rpartition('.')[2]}"


def write_world(folder: Path) -> Path:
    """Writes every file, and gives the folder."""
    save_bert(folder / "tiny")
    save_bert(folder / "slim", hidden_size=8, intermediate_size=12, num_hidden_layers=1)
    _save_headed(folder / "headed")
    (folder / "film.ttl").write_text(_PREFIXES % "film" + _FILM, encoding="utf-8")
    (folder / "city.ttl").write_text(_PREFIXES % "city" + _CITY, encoding="utf-8")
    _write_csv(folder / "reviews.csv", list(_rows("reviews", 48)), ",")
    _write_csv(folder / "notes.tsv", list(_rows("notes", 36)), "\t")
    lines = [json.dumps(row, ensure_ascii=False) for row in _rows("comments", 40)]
    (folder / "comments.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")
    (folder / "daily").mkdir()
    for split, count in (("train", 36), ("validation", 6), ("test", 5)):
        _write_csv(folder / "daily" / f"{split}.csv", list(_rows(split, count)), ",")
        _write_parquet(folder / HUB / "data" / f"{split}-00000.parquet", list(_rows(f"{HUB}{split}", count)))
    return folder


def _save_headed(folder: Path) -> None:
    from transformers import AutoConfig, BertForMaskedLM

    BertForMaskedLM(AutoConfig.from_pretrained(str(save_bert(folder, has_weights=False)))).save_pretrained(str(folder))


def _write_csv(path: Path, rows: list[dict[str, object]], delimiter: str) -> None:
    with path.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.writer(stream, delimiter=delimiter)
        writer.writerow(rows[0])
        for row in rows:
            writer.writerow([_cell(value) for value in row.values()])


def _write_parquet(path: Path, rows: list[dict[str, object]]) -> None:
    import pyarrow
    from pyarrow import parquet

    path.parent.mkdir(parents=True, exist_ok=True)
    parquet.write_table(pyarrow.Table.from_pylist(rows), path)


def _cell(value: object) -> object:
    return ";".join(map(str, value)) if isinstance(value, list) else "" if value is None else value


def _rows(name: str, count: int) -> Iterator[dict[str, object]]:
    """Gives rows of texts that stand nowhere else; every seventh lacks labels, every eleventh a title."""
    for number in range(count):
        words = [_WORDS[(number * step + step) % len(_WORDS)] for step in range(1, 2 + number % 9)]
        words.append(f"{name}{number}")
        row: dict[str, object] = {"text": " ".join(words)}
        row["title"] = None if number % 11 == 10 else f"{words[0]} title of {name}{number}"
        labels = dict(_labels(number, len(words)))
        row |= dict.fromkeys(labels) if number % 7 == 6 else labels
        row["genre"] = "drama" if number % 3 else "comedy"
        row["counts"] = None if number % 5 == 4 else number % 4 / 2
        yield row


def _labels(number: int, words: int) -> Iterator[tuple[str, object]]:
    yield "number", number / 8 - 2
    for size in range(2, MOST_LABELS + 1):
        yield column_of("category", size), number % size
        yield column_of("categories", size), _some(number, range(size))
        yield column_of("numbers", size), [round(number / (place + 3) - 4, 3) for place in range(size)]
        yield column_of("token_labels", size), [(number + place) % size for place in range(words)]
    for name, size in SPACES.items():
        labels = _names(name)
        yield column_of("category", name), labels[number % size]
        yield column_of("categories", name), _some(number, labels)
        yield column_of("numbers", name), [float((number + place) % 5) for place in range(size)]
        yield column_of("token_labels", name), [labels[(number + place) % size] for place in range(words)]


def _some(number: int, labels: Sequence[object]) -> list[object]:
    return list(dict.fromkeys([labels[number % len(labels)], labels[(3 * number + 1) % len(labels)]]))


def _names(name: str) -> tuple[str, ...]:
    from consilience_psychology import EKMAN, GOEMOTIONS, SENTIMENT

    return {space.name: space.labels for space in (EKMAN, GOEMOTIONS, SENTIMENT)}[name.rpartition(".")[2]]


if __name__ == "__main__":
    write_world(Path(sys.argv[1]))
