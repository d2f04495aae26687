"""Reads word lists with affect: VADER's, Warriner's, and those in the formats of the NRC; scores texts by them."""

from __future__ import annotations

import csv
import gzip
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import IO, TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["FORMATS", "LexiconScores", "UnreadableLexicon", "WordScores", "read_lexicon"]

_WORD = re.compile(r"[^\W_]+(?:['\u2019-][^\W_]+)*")
_AFFECT = ("valence", "arousal", "dominance")


class UnreadableLexicon(ValueError):
    """A file is no lexicon of the format; `line` counts from 1."""

    def __init__(self, found: str, line: int | None = None) -> None:
        super().__init__(found)
        self.found = found if line is None else f"line {line}: {found}"


@dataclass(frozen=True)
class WordScores:
    """What a lexicon says: for each word, in lower case (the last of two spellings), a number for each dimension."""

    dimensions: tuple[str, ...]
    words: Mapping[str, tuple[float, ...]]


def _opened(path: Path) -> IO[str]:
    if path.suffix == ".gz":
        return gzip.open(path, "rt", encoding="utf-8", newline="")
    return path.open(encoding="utf-8", newline="")


def _number(text: str, line: int) -> float:
    try:
        value = float(text)
    except ValueError:
        raise UnreadableLexicon(f"{text[:40]!r}, which is no number", line) from None
    if not abs(value) < 1e6:
        raise UnreadableLexicon(f"{text[:40]}, which is no score", line)
    return value


def _cells(stream: IO[str], least: int, what: str) -> Iterator[tuple[int, list[str]]]:
    for line, text in enumerate(stream, start=1):
        cells = text.rstrip("\r\n").split("\t")
        if not text.strip():
            continue
        if len(cells) < least:
            raise UnreadableLexicon(f"{len(cells)} cells, where {what} has {least}", line)
        yield line, cells


def _vader(stream: IO[str]) -> WordScores:
    """Reads `token, mean, deviation, ratings`: the means lie within -4 and 4 (Hutto and Gilbert 2014)."""
    words = {}
    for line, cells in _cells(stream, 2, "a line of VADER's lexicon"):
        words[cells[0].lower()] = (_number(cells[1], line) / 4,)
    return WordScores(_AFFECT[:1], words)


def _warriner(stream: IO[str]) -> WordScores:
    """Reads the columns of means; ratings lie within 1 and 9 (Warriner, Kuperman and Brysbaert 2013)."""
    columns = ("V.Mean.Sum", "A.Mean.Sum", "D.Mean.Sum")
    rows = csv.DictReader(stream)
    lacking = [name for name in ("Word", *columns) if name not in (rows.fieldnames or ())]
    if lacking:
        raise UnreadableLexicon(f"no column {lacking[0]}", 1)
    words = {}
    for row in rows:
        words[row["Word"].lower()] = tuple((_number(row[name] or "", rows.line_num) - 5) / 4 for name in columns)
    return WordScores(_AFFECT, words)


def _nrc(stream: IO[str]) -> WordScores:
    """Reads `word, emotion, score`, a line for each pair: EmoLex and the intensity lexicon (Mohammad 2013, 2018)."""
    found: dict[str, dict[str, float]] = {}
    emotions: dict[str, None] = {}
    for line, cells in _cells(stream, 3, "a line of the NRC's lexicons"):
        if line == 1 and not _is_number(cells[2]):
            continue  # a header
        found.setdefault(cells[0].lower(), {})[cells[1]] = _number(cells[2], line)
        emotions.setdefault(cells[1])
    names = tuple(sorted(emotions))
    return WordScores(names, {word: tuple(told.get(name, 0.0) for name in names) for word, told in found.items()})


def _nrc_vad(stream: IO[str]) -> WordScores:
    """Reads `word, valence, arousal, dominance`, within 0 and 1, or -1 and 1 from version 2 on (Mohammad 2018)."""
    words = {}
    for line, cells in _cells(stream, 4, "a line of the NRC VAD lexicon"):
        if line > 1 or _is_number(cells[1]):
            words[cells[0].lower()] = tuple(_number(cell, line) for cell in cells[1:4])
    if all(value >= 0 for scores in words.values() for value in scores):
        words = {word: tuple(2 * value - 1 for value in scores) for word, scores in words.items()}
    return WordScores(_AFFECT, words)


def _table(stream: IO[str]) -> WordScores:
    """Reads a header line, `word` and the names of the dimensions, and a line a word; takes scores as they are."""
    lines = _cells(stream, 2, "a table of scores")
    _, header = next(lines, (1, ["word"]))
    words = {}
    for line, cells in lines:
        if len(cells) != len(header):
            raise UnreadableLexicon(f"{len(cells)} cells, where the header has {len(header)}", line)
        words[cells[0].lower()] = tuple(_number(cell, line) for cell in cells[1:])
    return WordScores(tuple(header[1:]), words)


def _is_number(text: str) -> bool:
    return re.fullmatch(r"[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?", text.strip(), re.IGNORECASE) is not None


FORMATS: Mapping[str, Callable[[IO[str]], WordScores]] = {
    "vader": _vader,
    "warriner": _warriner,
    "nrc": _nrc,
    "nrc_vad": _nrc_vad,
    "table": _table,
}


def read_lexicon(path: Path, form: str) -> WordScores:
    """Reads a lexicon, once for each state of the file; raises `UnreadableLexicon`."""
    try:
        changed = path.stat()
        return _read(path, form, changed.st_mtime_ns, changed.st_size)
    except (OSError, EOFError, UnicodeDecodeError, csv.Error, gzip.BadGzipFile) as error:
        raise UnreadableLexicon(" ".join(str(error).split())[:120]) from None


@lru_cache(maxsize=8)
def _read(path: Path, form: str, changed: int, size: int) -> WordScores:
    with _opened(path) as stream:
        found = FORMATS[form](stream)
    if not found.words:
        raise UnreadableLexicon("no word in it")
    return found


@dataclass(frozen=True)
class LexiconScores:
    """Scores texts, each a string or a list of words, by the mean over the words that a lexicon has."""

    path: Path
    form: str

    def __call__(self, text: list[str | list[str]]) -> tuple[Tensor, Tensor, Tensor]:
        """Gives scores [batch dimension], the share of words that are known [batch], and whether any is [batch]."""
        import torch

        lexicon = read_lexicon(self.path, self.form)
        scores = torch.zeros(len(text), len(lexicon.dimensions))
        coverage = torch.zeros(len(text))
        for row, one in enumerate(text):
            known, count = self._known(lexicon, one)
            if known:
                scores[row] = torch.tensor(known, dtype=torch.float32).mean(0)
                coverage[row] = len(known) / count
        return scores, coverage, coverage > 0

    def _known(self, lexicon: WordScores, text: str | list[str]) -> tuple[list[tuple[float, ...]], int]:
        whole = " ".join(text) if isinstance(text, list) else text
        words = _WORD.findall(whole.lower())
        return [lexicon.words[word] for word in words if word in lexicon.words], len(words)
