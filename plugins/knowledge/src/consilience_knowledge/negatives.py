"""Losses of link prediction: 1-N, negative sampling, and self-adversarial negative sampling."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional as F

from consilience_knowledge.scoring import Scorer

__all__ = ["LinkMethod", "link_loss"]

LinkMethod = Literal["one_to_n", "negative_sampling", "self_adversarial"]


def link_loss(
    scorer: Scorer, vectors: Tensor, triples: Tensor, method: LinkMethod, options: tuple[int, float, float, float]
) -> Tensor:
    """Is the loss of each triple: triple 3 of numbers, vectors: entity width -> triple.

    `options` are negatives a triple, margin, temperature and label smoothing. Entity 0 is none, and answers nothing.

    - `one_to_n`: the cross-entropy of the tail among all entities (Dettmers et al. 2018 ask the same question by binary
      decisions; Lacroix et al. 2018 so).
    - `negative_sampling`: -log s(margin + score) - mean log s(-margin - score of an entity drawn at random).
    - `self_adversarial`: the same with negatives weighed by a softmax of temperature * score (Sun et al. 2019).
    """
    negatives, margin, temperature, smoothing = options
    heads, kinds, tails = triples.unbind(1)
    queries = scorer.query(F.embedding(heads, vectors), kinds)
    if method == "one_to_n":
        scores = scorer.against(queries, vectors[1:])
        return F.cross_entropy(scores, tails - 1, reduction="none", label_smoothing=smoothing)
    drawn = _drawn(len(triples), negatives, vectors) if scorer.training else _fixed(len(triples), negatives, vectors)
    scores = margin + scorer.among(queries, vectors, torch.cat([tails.unsqueeze(1), drawn], 1))
    right, wrong = scores[:, 0], scores[:, 1:]
    # A draw that happens to be the answer itself is no negative, and takes no weight from the others.
    is_answer = drawn == tails.unsqueeze(1)
    likely = (temperature * wrong.detach()).masked_fill(is_answer, -1e4)
    share = torch.softmax(likely, 1) if method == "self_adversarial" else 1 / negatives
    return -F.logsigmoid(right) - (share * F.logsigmoid(-wrong)).masked_fill(is_answer, 0).sum(1)


def _drawn(rows: int, negatives: int, vectors: Tensor) -> Tensor:
    return torch.randint(1, vectors.shape[0], (rows, negatives), device=vectors.device)


def _fixed(rows: int, negatives: int, vectors: Tensor) -> Tensor:
    """Spreads over the entities in the same way each time: what is measured must not depend on a draw."""
    places = torch.arange(rows * negatives, device=vectors.device) * 7919
    return (places % (vectors.shape[0] - 1) + 1).reshape(rows, negatives)
