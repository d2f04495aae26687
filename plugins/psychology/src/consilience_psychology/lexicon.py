"""Reads valence out of texts by the VADER lexicon."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Any

import torch
from torch import Tensor
from vaderSentiment.vaderSentiment import SentimentIntensityAnalyzer

__all__ = ["ValenceReader", "read_valence"]


class _Analyzer(SentimentIntensityAnalyzer):  # type: ignore[misc]  # vaderSentiment has no types
    """VADER that also tells whether any word of its lexicon bore on the text."""

    def score_valence(self, sentiments: list[float], text: str) -> dict[str, Any]:
        scores: dict[str, Any] = super().score_valence(sentiments, text)
        return {**scores, "is_known": any(sentiments)}


@cache
def _analyzer() -> _Analyzer:
    return _Analyzer()


def read_valence(text: str) -> float | None:
    """Gives VADER's compound score of a text, from -1 to 1, or None when no word of its lexicon bears on it.

    The source is Hutto and Gilbert (2014).

        >>> read_valence("a wonderful film") > 0.5
        True
        >>> read_valence("a film about trains") is None
        True
    """
    scores = _analyzer().polarity_scores(text)
    return float(scores["compound"]) if scores["is_known"] else None


@dataclass(frozen=True)
class ValenceReader:
    """Reads the valence of a batch of texts, each a string or a list of words."""

    max_words: int = 512

    def __call__(self, text: list[str | list[str]]) -> tuple[Tensor, Tensor]:
        """Gives valence [batch] in [-1, 1], and whether it is known [batch]: 0 and False where it is not."""
        read = [read_valence(self._shorten(one)) for one in text]
        valence = torch.tensor([0.0 if one is None else one for one in read], dtype=torch.float32)
        return valence, torch.tensor([one is not None for one in read], dtype=torch.bool)

    def _shorten(self, text: str | list[str]) -> str:
        words = " ".join(text if isinstance(text, list) else [text]).split()
        return " ".join(words[: self.max_words])
