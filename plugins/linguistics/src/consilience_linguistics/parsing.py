"""The biaffine parser, its losses and its scores, in plain PyTorch."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from consilience_linguistics.decoding import best_tree, greedy_heads
from consilience_linguistics.masking import IGNORED
from consilience_linguistics.shares import Share

__all__ = ["ArcLoss", "AttachmentScore", "BiaffineParser", "LabeledAttachmentScore", "RelationLoss", "WholeAccuracy"]

_RULED_OUT = -1e4
"""The score of what is no word: finite in half precision, and never the largest."""


def _precise(scores: Tensor) -> Tensor:
    return scores.to(torch.promote_types(scores.dtype, torch.float32))


class _SharedDropout(nn.Module):
    """Drops the same features at every word of a text: states [batch word width] (Gal and Ghahramani 2016)."""

    def __init__(self, share: float) -> None:
        super().__init__()
        self.share = share

    def forward(self, states: Tensor) -> Tensor:
        return states * F.dropout(torch.ones_like(states[:, :1]), self.share, self.training)


class BiaffineParser(nn.Module):
    """Scores heads and relations by biaffine products of states (Dozat and Manning 2017).

    states [batch word hidden], mask [batch word] -> arcs [batch word word+1], relations [batch word word+1 relation].
    What is read is not dropped once more: an encoder has a dropout of its own.
    """

    def __init__(
        self, hidden: int, relations: int, arc_width: int = 256, relation_width: int = 64, dropout: float = 0.1
    ) -> None:
        super().__init__()
        self.root = nn.Parameter(torch.randn(hidden) * hidden**-0.5)
        self.dropout = _SharedDropout(dropout)
        self.arc_dependent = nn.Linear(hidden, arc_width)
        self.arc_head = nn.Linear(hidden, arc_width)
        self.relation_dependent = nn.Linear(hidden, relation_width)
        self.relation_head = nn.Linear(hidden, relation_width)
        self.arc_product = nn.Parameter(torch.zeros(arc_width + 1, arc_width))
        self.relation_product = nn.Parameter(torch.zeros(relations, relation_width + 1, relation_width + 1))
        # With both products at zero no gradient would reach the states.
        nn.init.xavier_uniform_(self.arc_product)
        nn.init.normal_(self.relation_product, std=relation_width**-1)

    def forward(self, states: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        """Scores every head of every word; heads that the mask rules out get a score that nothing chooses."""
        heads = torch.cat([self.root.to(states.dtype).expand(len(states), 1, -1), states], dim=1)
        dependent, head = self._states(self.arc_dependent, states), self._states(self.arc_head, heads)
        arcs = self._with_one(dependent) @ self.arc_product.to(dependent.dtype) @ head.transpose(1, 2)
        is_word = F.pad(mask, (1, 0), value=True)
        arcs = arcs.masked_fill(~is_word[:, None, :], _RULED_OUT)
        dependent, head = self._states(self.relation_dependent, states), self._states(self.relation_head, heads)
        product = self.relation_product.to(dependent.dtype)
        met = torch.einsum("bwi,rij->bwrj", self._with_one(dependent), product)
        relations = torch.einsum("bwrj,bhj->bwhr", met, self._with_one(head))
        return arcs, relations.masked_fill(~is_word[:, None, :, None], 0)

    def _states(self, layer: nn.Module, states: Tensor) -> Tensor:
        projected: Tensor = self.dropout(F.leaky_relu(layer(states), 0.1))
        return projected

    def _with_one(self, states: Tensor) -> Tensor:
        return F.pad(states, (0, 1), value=1.0)


class _WordLoss(nn.Module):
    """Sums the cross-entropy of a text's words."""

    def count(self, target: Tensor) -> Tensor:
        """Counts each row's words that have the label: target [batch word] to [batch]."""
        return (target != IGNORED).sum(dim=1).float()

    def _summed(self, scores: Tensor, target: Tensor) -> Tensor:
        values = F.cross_entropy(
            _precise(scores).flatten(0, 1), target.flatten(), ignore_index=IGNORED, reduction="none"
        )
        return values.view_as(target).sum(dim=1)


def _standing(heads: Tensor) -> Tensor:
    """Marks the words that may be heads: those whose own head is known, and those that are one: [batch word]."""
    named = torch.zeros(len(heads), heads.shape[1] + 1, dtype=torch.bool, device=heads.device)
    named.scatter_(1, heads.clamp(min=0), True)  # what is not known names the root, which is no word
    return (heads != IGNORED) | named[:, 1:]


class ArcLoss(_WordLoss):
    """Cross-entropy in nats of the heads: arcs [batch word word+1], target [batch word] -> values [batch].

    A word whose own head is -100, and that is no head either, competes with none.
    """

    def forward(self, arcs: Tensor, target: Tensor) -> Tensor:
        is_there = F.pad(_standing(target), (1, 0), value=True)
        return self._summed(_precise(arcs).masked_fill(~is_there[:, None, :], -torch.inf), target)


class RelationLoss(_WordLoss):
    """Cross-entropy in nats of the relations to the true heads.

    relations [batch word word+1 relation], heads and target [batch word] -> values [batch]. A word whose head is not
    known has no relation to score: its value is 0.
    """

    def forward(self, relations: Tensor, heads: Tensor, target: Tensor) -> Tensor:
        at = heads.clamp(min=0)[:, :, None, None].expand(-1, -1, 1, relations.shape[-1])
        chosen = relations.gather(2, at).squeeze(2)
        return self._summed(chosen, target.masked_fill(heads == IGNORED, IGNORED))


def _trees(arcs: Tensor, known: Tensor, decode: str) -> Iterator[tuple[int, Tensor, Tensor]]:
    """Gives, row by row, the places of its known words and the heads that are chosen for them among these."""
    choose = best_tree if decode == "mst" else greedy_heads
    scores = arcs.detach().double().cpu().numpy()
    for row, words in enumerate(known.cpu().numpy()):
        places = np.flatnonzero(words)
        if len(places):
            columns = np.concatenate([[0], places + 1])
            heads = columns[choose(scores[row][np.ix_(places, columns)])]
            yield row, torch.from_numpy(places), torch.from_numpy(heads)


class _Words(Share):
    """A share of words."""

    def _add_words(self, right: Tensor) -> None:
        self._add(right.sum().to(self.right.device), right.numel())


class AttachmentScore(_Words):
    """The share of words whose head is right: arcs [batch word word+1], target [batch word]."""

    def __init__(self, decode: str = "mst") -> None:
        super().__init__()
        self.decode = decode

    def update(self, arcs: Tensor, target: Tensor) -> None:
        """Takes in a batch; a word whose head is -100 is not counted, and in a tree only where it is a head."""
        for row, places, heads in _trees(arcs, _standing(target), self.decode):
            true = target[row].cpu()[places]
            self._add_words((heads == true)[true != IGNORED])


class LabeledAttachmentScore(_Words):
    """The share of words whose head and relation are right."""

    def __init__(self, decode: str = "mst") -> None:
        super().__init__()
        self.decode = decode

    def update(self, arcs: Tensor, relations: Tensor, heads: Tensor, target: Tensor) -> None:
        """Takes in a batch; a word whose head or relation is -100 is not counted, as by the unlabeled score."""
        known = heads.masked_fill(target == IGNORED, IGNORED)
        for row, places, found in _trees(arcs, _standing(known), self.decode):
            labels = relations[row].detach().cpu()[places, found].argmax(dim=-1)
            true = known[row].cpu()[places]
            right = (found == true) & (labels == target[row].cpu()[places])
            self._add_words(right[true != IGNORED])


class WholeAccuracy(_Words):
    """The share of tokens of which every feature is right: logits [batch seq feature value], target without values."""

    def update(self, logits: Tensor, target: Tensor) -> None:
        """Takes in a batch; a feature of -100 is not looked at, and a token without any is not counted."""
        is_known = target != IGNORED
        right = ((logits.argmax(dim=-1) == target) | ~is_known).all(dim=-1)
        self._add_words(right[is_known.any(dim=-1)])
