"""Reads CoNLL-U and column files into rows of words and their labels."""

from __future__ import annotations

import gzip
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import conllu

__all__ = ["Block", "BrokenSentence", "blocks_of", "read_columns", "read_tree", "tree_fault"]

_IGNORED = "-100"
"""What a label that is not there is written as: the word is then looked at by no loss and no metric."""


class BrokenSentence(ValueError):
    """A sentence cannot be read; its text says where and why."""


@dataclass(frozen=True)
class Block:
    """The lines of one sentence, and where the first of them stands in its file, counted from 1."""

    line: int
    lines: tuple[str, ...]


def blocks_of(path: Path) -> Iterator[Block]:
    """Gives the sentences of a file, gzipped or not: what stands between empty lines."""
    opened: Any = gzip.open if path.suffix == ".gz" else open
    with opened(path, "rt", encoding="utf-8-sig", newline=None) as stream:
        lines: list[str] = []
        for number, line in enumerate(stream, start=1):
            if line.strip():
                lines.append(line.rstrip("\n"))
                continue
            if lines:
                yield Block(number - len(lines), tuple(lines))
            lines = []
        if lines:
            yield Block(number - len(lines) + 1, tuple(lines))


def read_tree(
    block: Block, fields: Sequence[str], features: Iterable[str] = (), misc: Iterable[str] = ()
) -> dict[str, Any] | None:
    """Reads a sentence of CoNLL-U (or CoNLL-U Plus, whose columns `fields` then are); None for comments alone.

    Ranges of words (`1-2`) and empty nodes (`1.1`) are left out: what remains are the words that a tree is of. Raises
    `BrokenSentence`.
    """
    if all(line.startswith("#") for line in block.lines):
        return None
    width = len(fields)
    for place, line in enumerate(block.lines):
        cells = line.count("\t") + 1
        if not line.startswith("#") and cells != width:
            raise BrokenSentence(f"line {block.line + place}: {cells} columns")
    try:
        [sentence] = conllu.parse("\n".join(block.lines), fields=tuple(fields), field_parsers=_PARSERS)
    except (conllu.exceptions.ParseException, ValueError) as error:
        raise BrokenSentence(f"line {block.line}: {' '.join(str(error).split())}") from error
    words = [token for token in sentence if isinstance(token.get("id", 1), int)]
    if "id" in fields and [token["id"] for token in words] != list(range(1, len(words) + 1)):
        raise BrokenSentence(f"line {block.line}: a sentence whose words are not numbered 1, 2, 3")
    row: dict[str, Any] = {"id": sentence.metadata.get("sent_id"), "text": sentence.metadata.get("text")}
    row["text"] = row["text"] or " ".join(str(token["form"]) for token in words)
    row |= {column: [_label(token.get(field)) for token in words] for column, field in _COLUMNS.items()}
    row["words"] = [str(token["form"]) for token in words]
    row["feats"] = [str(token.get("feats") or "_") for token in words]
    row["relations"] = [label.partition(":")[0] for label in row["deprels"]]
    feats = [_pairs(token.get("feats")) for token in words]
    row |= {name: [own.get(name, "_") for own in feats] for name in features}
    notes = [_pairs(token.get("misc")) for token in words]
    return row | {name: [own.get(name, "O") for own in notes] for name in misc}


_COLUMNS = {
    "lemmas": "lemma",
    "upos": "upos",
    "xpos": "xpos",
    "heads": "head",
    "deprels": "deprel",
}


def _plain(line: Sequence[str], place: int) -> str:
    return line[place]


_PARSERS: Any = dict.fromkeys(("form", "lemma", "upos", "xpos", "feats", "head", "deprel", "deps", "misc"), _plain)
"""Cells stay the texts that they are: what a fusion does not read need not be taken apart."""


def _label(cell: Any) -> str:
    return _IGNORED if cell in (None, "_", "") else str(cell)


def _pairs(cell: Any) -> dict[str, str]:
    parts = (part.partition("=") for part in str(cell or "").split("|"))
    return {name: value for name, equals, value in parts if equals}


def tree_fault(heads: Sequence[str]) -> str | None:
    """Tells why heads make no tree: one that is no word, a circle, or no root; None where they do or are unknown."""
    if _IGNORED in heads:
        return None
    if any(not head.isdecimal() or int(head) > len(heads) for head in heads):
        wrong = next(head for head in heads if not head.isdecimal() or int(head) > len(heads))
        return f"the head {wrong} in a sentence of {len(heads)} words"
    parents = [int(head) for head in heads]
    if heads and 0 not in parents:
        return "a sentence without a root"
    for word in range(1, len(parents) + 1):
        seen, place = set[int](), word
        while place and place not in seen:
            seen.add(place)
            place = parents[place - 1]
        if place:
            return f"a circle through word {place}"
    return None


def read_columns(block: Block, columns: Sequence[str], separator: str | None) -> dict[str, Any] | None:
    """Reads a sentence of a column file, one word a line; None for comments alone. Raises `BrokenSentence`.

    `separator` None is white space. A line with more cells than there are columns is told, and so is one with fewer.
    """
    row: dict[str, list[str]] = {name: [] for name in columns}
    for place, line in enumerate(block.lines):
        cells = line.split(separator)
        if line.startswith("-DOCSTART-") or (len(cells) == 1 and line.startswith("#") and len(columns) > 1):
            continue
        if len(cells) != len(columns):
            raise BrokenSentence(f"line {block.line + place}: {len(cells)} columns")
        for name, cell in zip(columns, cells, strict=True):
            row[name].append(cell)
    return row if row[columns[0]] else None
