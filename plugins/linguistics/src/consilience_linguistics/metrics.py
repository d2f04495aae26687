"""Measures of language modelling, of minimal pairs and of entities, by torchmetrics and seqeval."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from seqeval.metrics.sequence_labeling import get_entities
from seqeval.scheme import BILOU, IOB2, IOBES, Entities
from torch import Tensor
from torchmetrics import Metric
from torchmetrics.text import Perplexity

from consilience_linguistics.masking import IGNORED
from consilience_linguistics.tagging import best_tags

__all__ = ["EntityScore", "MaskedPerplexity", "PairAccuracy"]


class MaskedPerplexity(Perplexity):
    """Perplexity of the masked tokens: the exponential of their mean cross-entropy in nats."""

    def __init__(self) -> None:
        super().__init__(ignore_index=IGNORED)

    def update(self, logits: Tensor, target: Tensor) -> None:
        """Takes in logits [batch masked vocab] and target [batch masked], -100 where nothing is."""
        super().update(logits.float(), target)


class PairAccuracy(Metric):
    """Counts the pairs of which the good one has the larger score, by paradigm.

    good, bad and target [batch] -> the mean over paradigms (`macro`), over pairs (`micro`), or one a paradigm (`none`,
    not a number for one without a pair).
    """

    right: Tensor
    total: Tensor

    def __init__(self, paradigms: int, average: str = "macro") -> None:
        super().__init__()
        self.average = average
        self.add_state("right", torch.zeros(paradigms), dist_reduce_fx="sum")
        self.add_state("total", torch.zeros(paradigms), dist_reduce_fx="sum")

    def update(self, good: Tensor, bad: Tensor, target: Tensor) -> None:
        """Takes in a batch; pairs whose paradigm is -100 are not counted."""
        known = target != IGNORED
        self.right.index_add_(0, target[known], (good > bad)[known].to(self.right.dtype))
        self.total.index_add_(0, target[known], torch.ones_like(self.right[target[known]]))

    def compute(self) -> Tensor:
        """Gives the accuracy, or accuracies."""
        if self.average == "micro":
            return self.right.sum() / self.total.sum().clamp(min=1)
        shares = self.right / self.total
        return shares if self.average == "none" else shares[self.total > 0].mean()


_SCHEMES: dict[str, Any] = {"iob2": IOB2, "iobes": IOBES, "bilou": BILOU}


class EntityScore(Metric):
    """Counts whole entities, by seqeval: logits [batch seq class], target [batch seq] -> F1, precision or recall.

    Of each text only the places with a label other than -100 are looked at. `scheme` None counts as conlleval does;
    else an entity is what the scheme strictly admits. `decode` viterbi takes the best tags that the scheme admits.
    """

    found: Tensor
    true: Tensor
    right: Tensor

    def __init__(
        self, labels: Sequence[str], measure: str = "f1", scheme: str | None = None, decode: str = "viterbi"
    ) -> None:
        super().__init__()
        self.labels, self.measure, self.scheme, self.decode = list(labels), measure, scheme, decode
        for name in ("found", "true", "right"):
            self.add_state(name, torch.tensor(0), dist_reduce_fx="sum")

    def update(self, logits: Tensor, target: Tensor) -> None:
        """Takes in a batch."""
        scores, wanted = logits.detach().double().cpu(), target.cpu()
        for row, known in enumerate(wanted != IGNORED):
            if not known.any():
                continue
            chosen = scores[row][known]
            codes = best_tags(chosen.numpy(), self.labels) if self.decode == "viterbi" else chosen.argmax(-1).tolist()
            found = self._entities([self.labels[code] for code in codes])
            true = self._entities([self.labels[code] for code in wanted[row][known].tolist()])
            self.found += len(found)
            self.true += len(true)
            self.right += len(found & true)

    def _entities(self, tags: list[str]) -> set[Any]:
        if self.scheme is None:
            return set(get_entities(tags))
        [entities] = Entities([tags], _SCHEMES[self.scheme]).entities
        return {entity.to_tuple()[1:] for entity in entities}

    def compute(self) -> Tensor:
        """Gives the measure; 0 where nothing was found or is to be found."""
        if self.measure == "f1":
            return 2 * self.right / (self.found + self.true).clamp(min=1)
        return self.right / (self.found if self.measure == "precision" else self.true).clamp(min=1)
