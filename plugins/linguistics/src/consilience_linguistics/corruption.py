"""Texts of which tokens are replaced, for a model to find them (ELECTRA, Clark et al. 2020)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from consilience_linguistics.masking import IGNORED, Masker

__all__ = ["GeneratorSamples", "ReplacedTokenHead", "ReplacedTokenLoss", "Replacer"]


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
