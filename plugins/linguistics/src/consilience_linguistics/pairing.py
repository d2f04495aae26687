"""Texts that are cut in two at the end of a sentence: parts that change places, and ends of other texts."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import torch
from tokenizers import Tokenizer
from torch import Tensor

from consilience_linguistics.masking import IGNORED

__all__ = ["NextPairs", "OrderPairs", "parts_of"]

Line = str | Sequence[str]
Parts = tuple[str, str]
_END = re.compile(r"(?<=[.!?\u3002\uff01\uff1f])[\"')\]\u201d\u2019]*\s+")
_TRIES = 8
"""How often another text is drawn, where the one drawn is the text itself."""


def _whole(text: Line) -> str:
    return (text if isinstance(text, str) else " ".join(text)).strip()


def parts_of(text: Line, draw: float) -> Parts | None:
    """Cuts a text at one of the ends of its sentences, which `draw` in 0 to 1 chooses; None where it has but one."""
    whole = _whole(text)
    cuts = [match.end() for match in _END.finditer(whole) if match.end() < len(whole)]
    if not cuts:
        return None
    cut = cuts[min(int(draw * len(cuts)), len(cuts) - 1)]
    return whole[:cut].strip(), whole[cut:].strip()


class _Pairs:
    """Tokenizes pairs of parts: -> ids and mask [batch seq], present [batch], and a label [batch] by its name."""

    label: str

    def __init__(self, tokenizer: Any, max_length: int) -> None:
        # A copy of its own: truncation is a state of the tokenizer, and others use the same one.
        self.tokenizer = Tokenizer.from_str(tokenizer.backend_tokenizer.to_str())
        self.tokenizer.no_padding()
        self.tokenizer.enable_truncation(max_length, strategy="longest_first")
        self.padding = int(tokenizer.pad_token_id or 0)

    def _pair(self, text: Line, generator: torch.Generator) -> tuple[Parts, int] | None:
        """Gives the pair that is made of a text, and its label; None where the text has no two parts."""
        raise NotImplementedError

    def __call__(self, text: Sequence[Line], generators: Sequence[torch.Generator]) -> dict[str, Tensor]:
        rows, labels = list[list[int]](), list[int]()
        for line, generator in zip(text, generators, strict=True):
            parts, label = self._pair(line, generator) or (("", ""), IGNORED)
            labels.append(label)
            rows.append(self.tokenizer.encode(*parts).ids or [self.padding])
        width = max(map(len, rows), default=1)
        ids = torch.tensor([[*row, *[self.padding] * (width - len(row))] for row in rows], dtype=torch.long)
        told = torch.tensor(labels)
        return {
            "ids": ids.reshape(len(rows), width),
            "mask": torch.arange(width) < torch.tensor([len(row) for row in rows])[:, None],
            self.label: told,
            "present": told != IGNORED,
        }


class OrderPairs(_Pairs):
    """Swaps the parts of some texts (ALBERT, Lan et al. 2020): order is 1 where they stand as they were written."""

    label = "order"

    def __init__(self, tokenizer: Any, max_length: int = 128, swapped: float = 0.5) -> None:
        super().__init__(tokenizer, max_length)
        self.swapped = swapped

    def _pair(self, text: Line, generator: torch.Generator) -> tuple[Parts, int] | None:
        cut, swap = torch.rand(2, dtype=torch.float64, generator=generator).tolist()
        parts = parts_of(text, cut)
        if parts is None:
            return None
        return (parts, 1) if swap >= self.swapped else (parts[::-1], 0)


class NextPairs(_Pairs):
    """Gives some texts the end of another (BERT, Devlin et al. 2019): next is 1 where the second part is their own.

    A text that is drawn for itself is drawn anew; where nothing else comes, the text keeps its own end.
    """

    label = "next"

    def __init__(self, tokenizer: Any, others: Sequence[str], max_length: int = 128, drawn: float = 0.5) -> None:
        super().__init__(tokenizer, max_length)
        self.others = tuple(others)
        self.drawn = drawn

    def _pair(self, text: Line, generator: torch.Generator) -> tuple[Parts, int] | None:
        cut, draw, *places = torch.rand(2 + 2 * _TRIES, dtype=torch.float64, generator=generator).tolist()
        parts = parts_of(text, cut)
        if parts is None or draw >= self.drawn:
            return parts and (parts, 1)
        for place, other_cut in zip(places[::2], places[1::2], strict=True):
            other = self.others[int(place * len(self.others))]
            end = (parts_of(other, other_cut) or ("", other))[1]
            if other != _whole(text) and end != parts[1]:
                return (parts[0], end), 0
        return parts, 1
