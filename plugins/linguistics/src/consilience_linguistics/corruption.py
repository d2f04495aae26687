"""Texts that are changed for a model to find the change: replaced tokens, and parts that change places."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from tokenizers import Tokenizer
from torch import Tensor, nn

from consilience_linguistics.masking import IGNORED, Masker

__all__ = ["GeneratorSamples", "OrderPairs", "ReplacedTokenHead", "ReplacedTokenLoss", "Replacer", "parts_of"]

_END = re.compile(r"(?<=[.!?\u3002\uff01\uff1f])[\"')\]\u201d\u2019]*\s+")


@dataclass(frozen=True)
class Replacer:
    """Draws some tokens of each row anew: ids, mask, special [batch seq] -> ids, mask, labels [batch seq]."""

    vocabulary: int
    rate: float = 0.15

    def __call__(
        self, ids: Tensor, mask: Tensor, special: Tensor, generators: Sequence[torch.Generator]
    ) -> dict[str, Tensor]:
        # No token is masked, and all that are chosen are drawn from the vocabulary.
        corrupted = Masker(self.vocabulary, 0, self.rate, replaced=0.0, random=1.0)(ids, mask, special, generators)
        labels = (corrupted["ids"] != ids).long().masked_fill(special | ~mask, IGNORED)
        return {"ids": corrupted["ids"], "mask": mask, "labels": labels}


class GeneratorSamples(nn.Module):
    """Fills masked places with guesses (Clark et al. 2020).

    ids and special [batch seq], positions and truth [batch masked], logits [batch masked vocab] -> ids and labels
    [batch seq]: 1 where a guess is not what stood there, -100 at special tokens. A truth of -100 is a place of none.
    """

    def forward(
        self, ids: Tensor, special: Tensor, positions: Tensor, truth: Tensor, logits: Tensor
    ) -> tuple[Tensor, Tensor]:
        scores = logits.detach().float()
        if self.training:
            noise = torch.empty_like(scores).exponential_().clamp(min=1e-20)
            scores = scores - noise.log()  # the largest is a draw from the softmax (Gumbel)
        guessed = scores.argmax(dim=-1)
        is_place = truth != IGNORED
        # Padding points at place 0 too: one place more takes what it writes.
        at = torch.where(is_place, positions, ids.shape[1])
        wide = F.pad(ids, (0, 1)).scatter(1, at, guessed)
        wrong = torch.zeros_like(wide).scatter(1, at, (guessed != truth).to(wide.dtype))
        return wide[:, :-1], wrong[:, :-1].masked_fill(special, IGNORED)


class ReplacedTokenHead(nn.Module):
    """Dense, GELU and a score, as ELECTRA's discriminator: hidden [batch seq hidden] -> logits [batch seq]."""

    def __init__(self, hidden: int) -> None:
        super().__init__()
        self.dense = nn.Linear(hidden, hidden)
        self.score = nn.Linear(hidden, 1)

    def forward(self, hidden: Tensor) -> Tensor:
        scores: Tensor = self.score(F.gelu(self.dense(hidden)))
        return scores.squeeze(-1)


class ReplacedTokenLoss(nn.Module):
    """Averages the binary cross-entropy over a text's tokens: logits and labels [batch seq] -> values [batch]."""

    def forward(self, logits: Tensor, labels: Tensor) -> Tensor:
        is_known = labels != IGNORED
        precise = logits.to(torch.promote_types(logits.dtype, torch.float32))
        values = F.binary_cross_entropy_with_logits(precise, (labels == 1).to(precise.dtype), reduction="none")
        return values.masked_fill(~is_known, 0).sum(dim=1) / is_known.sum(dim=1).clamp(min=1)


def parts_of(text: str | Sequence[str], draw: float) -> tuple[str, str] | None:
    """Cuts a text at one of the ends of its sentences, which `draw` in 0 to 1 chooses; None where it has but one."""
    whole = (text if isinstance(text, str) else " ".join(text)).strip()
    cuts = [match.end() for match in _END.finditer(whole) if match.end() < len(whole)]
    if not cuts:
        return None
    cut = cuts[min(int(draw * len(cuts)), len(cuts) - 1)]
    return whole[:cut].strip(), whole[cut:].strip()


class OrderPairs:
    """Tokenizes two parts of each text, some swapped: -> ids and mask [batch seq], order and present [batch]."""

    def __init__(self, tokenizer: Any, max_length: int = 128, swapped: float = 0.5) -> None:
        # A copy of its own: truncation is a state of the tokenizer, and others use the same one.
        self.tokenizer = Tokenizer.from_str(tokenizer.backend_tokenizer.to_str())
        self.tokenizer.no_padding()
        self.tokenizer.enable_truncation(max_length, strategy="longest_first")
        self.padding = int(tokenizer.pad_token_id or 0)
        self.swapped = swapped

    def __call__(self, text: Sequence[str | Sequence[str]], generators: Sequence[torch.Generator]) -> dict[str, Tensor]:
        rows, order = list[list[int]](), []
        for line, generator in zip(text, generators, strict=True):
            cut, swap = torch.rand(2, dtype=torch.float64, generator=generator).tolist()
            parts = parts_of(line, cut)
            order.append(IGNORED if parts is None else int(swap >= self.swapped))
            one, other = ("", "") if parts is None else parts if order[-1] else parts[::-1]
            rows.append(self.tokenizer.encode(one, other).ids or [self.padding])
        width = max(map(len, rows), default=1)
        ids = torch.tensor([[*row, *[self.padding] * (width - len(row))] for row in rows], dtype=torch.long)
        lengths = torch.tensor([len(row) for row in rows])
        labels = torch.tensor(order)
        return {
            "ids": ids.reshape(len(rows), width),
            "mask": torch.arange(width) < lengths[:, None],
            "order": labels,
            "present": labels != IGNORED,
        }
