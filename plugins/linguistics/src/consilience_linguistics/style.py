"""Counts negation and readability in texts of English."""

from __future__ import annotations

import re
from collections.abc import Sequence

import torch
from torch import Tensor

__all__ = ["find_negation", "measure_readability", "negated_stretches", "readability", "syllables"]

_WORD = re.compile(r"[^\W\d_]+(?:['\u2019][^\W\d_]+)*")
_CUE = re.compile(
    r"(?<!\w)(?:not|no|never|neither|nor|none|nobody|nothing|nowhere|without|cannot|hardly|scarcely|barely|n['\u2019]t)(?!\w)"
    r"|n['\u2019]t(?!\w)",
    re.IGNORECASE,
)
_END_OF_SCOPE = re.compile(r"[.,:;!?()]|(?<!\w)but(?!\w)", re.IGNORECASE)
_SENTENCE_END = re.compile(r"[.!?]+")
_VOWELS = re.compile(r"[aeiouy]+")
_MOST = 20_000
"""The most characters of a text that are looked at."""


def _joined(text: str | Sequence[str]) -> str:
    return (text if isinstance(text, str) else " ".join(text))[:_MOST]


def negated_stretches(text: str) -> tuple[list[tuple[int, int]], list[tuple[int, int]]]:
    """Finds cues of negation and their scopes, both as stretches of characters.

    >>> negated_stretches("It is not good, but long.")
    ([(6, 9)], [(9, 14)])
    """
    cues = [match.span() for match in _CUE.finditer(text)]
    scopes = []
    for _, end in cues:
        stop = _END_OF_SCOPE.search(text, end)
        scopes.append((end, stop.start() if stop else len(text)))
    return cues, scopes


def find_negation(text: Sequence[str | Sequence[str]], spans: Tensor) -> dict[str, Tensor]:
    """Marks the tokens in a scope, and counts: text, spans [batch seq 2] -> tokens [batch seq], features [batch 2]."""
    tokens = torch.zeros(spans.shape[:2], dtype=torch.bool)
    features = torch.zeros(len(text), 2)
    for row, line in enumerate(map(_joined, text)):
        cues, scopes = negated_stretches(line)
        starts, ends = spans[row, :, 0], spans[row, :, 1]
        for start, end in scopes:
            tokens[row] |= (ends > starts) & (starts >= start) & (ends <= end)
        words = [match.span() for match in _WORD.finditer(line)]
        negated = sum(any(start <= a and b <= end for start, end in scopes) for a, b in words)
        count = max(1, len(words))
        features[row, 0], features[row, 1] = min(1.0, len(cues) / count), negated / count
    return {"tokens": tokens, "features": features}


def syllables(word: str) -> int:
    """Counts the syllables of an English word by its groups of vowels; a silent e at its end is none."""
    lower = word.lower()
    count = len(_VOWELS.findall(lower))
    if lower.endswith("e") and not lower.endswith(("le", "ee")) and count > 1:
        count -= 1
    return max(1, count)


def readability(text: str) -> list[float]:
    """Gives the measures of one text, in the order of the label space `readability`; zeros for one without a word."""
    words = _WORD.findall(text)
    if not words:
        return [0.0] * 8
    sentences = max(1, len([part for part in _SENTENCE_END.split(text) if _WORD.search(part)]))
    beats = [syllables(word) for word in words]
    letters = sum(map(len, words))
    length, sounds, size = len(words) / sentences, sum(beats) / len(words), letters / len(words)
    hard = sum(count >= 3 for count in beats) / len(words)
    return [
        206.835 - 1.015 * length - 84.6 * sounds,
        0.39 * length + 11.8 * sounds - 15.59,
        0.4 * (length + 100 * hard),
        4.71 * size + 0.5 * length - 21.43,
        length,
        sounds,
        size,
        len({word.lower() for word in words}) / len(words),
    ]


def measure_readability(text: Sequence[str | Sequence[str]]) -> Tensor:
    """Gives the measures of each text: [batch 8]."""
    rows = [readability(_joined(line)) for line in text]
    return torch.tensor(rows, dtype=torch.float32).reshape(len(rows), 8).clamp(-100, 200)
