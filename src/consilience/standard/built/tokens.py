"""Turns texts into token ids, and labels of words into labels of tokens."""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import chain
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from tokenizers import Encoding, Tokenizer

__all__ = ["IGNORED", "AlignLabels", "Tokenize"]

IGNORED = -100
_WORD = re.compile(r"\S+")
Integers = NDArray[np.int64]


class Tokenize:
    """Tokenizes a batch of texts in one call of a fast tokenizer, and pads it to its longest text.

    Gives `ids`, `mask`, `special` (batch seq), `words` (batch seq; -1 at tokens of no word) and `spans` (batch seq 2),
    in characters of the text, or of the words joined by single spaces.
    """

    def __init__(self, tokenizer: Any, max_length: int, by_space: bool, multiple: int = 1) -> None:
        # A copy of its own: truncation is a state of the tokenizer, and others use the same one.
        self.tokenizer = Tokenizer.from_str(tokenizer.backend_tokenizer.to_str())
        self.tokenizer.no_padding()
        self.tokenizer.enable_truncation(max_length, direction=tokenizer.truncation_side)
        self.padding = int(tokenizer.pad_token_id or 0)
        self.by_space = by_space
        self.multiple = multiple

    def __call__(self, text: Sequence[str | list[str]]) -> dict[str, torch.Tensor]:
        encodings = self.tokenizer.encode_batch([line if isinstance(line, str) else " ".join(line) for line in text])
        # Attention over no token at all has no value: a text that gives none keeps one token of padding.
        lengths = np.array([max(len(encoding), 1) for encoding in encodings])
        width = -(-int(lengths.max()) // self.multiple) * self.multiple
        mask = np.arange(width) < lengths[:, None]

        def pad(rows: Sequence[Sequence[int]], value: int, empty: int) -> Integers:
            table = np.full(mask.shape, value, dtype=np.int64)
            flat = chain.from_iterable(row if len(row) else [empty] for row in rows)
            table[mask] = np.fromiter(flat, dtype=np.int64, count=int(lengths.sum()))
            return table

        ids = pad([encoding.ids for encoding in encodings], self.padding, self.padding)
        special = pad([encoding.special_tokens_mask for encoding in encodings], 1, 1)
        words = pad([self._words(line, encoding) for line, encoding in zip(text, encodings, strict=True)], -1, -1)
        spans = np.zeros((*mask.shape, 2), dtype=np.int64)
        spans[mask] = np.concatenate([_offsets(encoding) if len(encoding) else [[0, 0]] for encoding in encodings])
        spans[special == 1] = 0
        tensors = {"ids": ids, "mask": mask, "special": special.astype(bool), "words": words, "spans": spans}
        return {name: torch.from_numpy(table) for name, table in tensors.items()}

    def _words(self, text: str | list[str], encoding: Encoding) -> Sequence[int]:
        if isinstance(text, str) and not self.by_space:
            return [-1 if word is None else word for word in encoding.word_ids]
        starts, ends = _word_bounds(text)
        if not len(starts) or not len(encoding):
            return [-1] * len(encoding)
        # By its last character: the first of a token may be the space before its word.
        offsets = _offsets(encoding)
        last = offsets[:, 1] - 1
        word = np.searchsorted(starts, last, side="right") - 1
        is_inside = (offsets[:, 1] > offsets[:, 0]) & (word >= 0) & (last < ends[word])
        is_inside &= np.array(encoding.special_tokens_mask) == 0
        indexes: list[int] = np.where(is_inside, word, -1).tolist()
        return indexes


class AlignLabels:
    """Puts the label of each word at its first token, and `IGNORED` at every other."""

    def __call__(self, words: torch.Tensor, labels: Sequence[Sequence[int]]) -> torch.Tensor:
        lengths = torch.tensor([len(row) for row in labels])
        most = words.amax(dim=1) + 1
        wrong = ((lengths > 0) & (most > lengths)).nonzero().flatten().tolist()
        if wrong:
            row = wrong[0]
            raise ValueError(
                f"an example has {int(lengths[row])} labels for at least {int(most[row])} words: give the texts as "
                "lists of words, or set `words: whitespace` in the tokens input"
            )
        table = torch.full((len(labels), max(int(lengths.max()), 1)), IGNORED)
        for row, given in enumerate(labels):
            table[row, : len(given)] = torch.tensor(given, dtype=torch.long)
        before = torch.nn.functional.pad(words[:, :-1], (1, 0), value=-1)
        is_first = (words >= 0) & (words != before) & (words < table.shape[1])
        aligned = table.gather(1, words.clamp(0, table.shape[1] - 1))
        return torch.where(is_first, aligned, IGNORED)


def _offsets(encoding: Encoding) -> Integers:
    return np.array(encoding.offsets, dtype=np.int64).reshape(-1, 2)


def _word_bounds(text: str | list[str]) -> tuple[Integers, Integers]:
    if isinstance(text, str):
        spans = np.array([match.span() for match in _WORD.finditer(text)], dtype=np.int64).reshape(-1, 2)
        return spans[:, 0], spans[:, 1]
    lengths = np.array([len(word) for word in text], dtype=np.int64)
    ends = np.cumsum(lengths + 1) - 1
    return ends - lengths, ends
