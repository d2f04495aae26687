"""Scores of triples from vectors: TransE, DistMult, ComplEx and RotatE; one way to write them all.

Each moves the head's vector along the relation, and says how near the tail lies: `query` gives a vector a row,
`against` compares queries with one list of tails (query tail), and `beside` with tails of their own.
Written so, "which tail?" is one product over all entities. "Which head?" is the same question along the inverse
relation, which has a vector of its own (Lacroix et al. 2018; Kazemi and Poole 2018).
"""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

__all__ = ["SCORERS", "Scorer", "ScorerName", "scorer_of"]

ScorerName = Literal["transe", "distmult", "complex", "rotate"]


class Scorer(nn.Module):
    """What the ways to score share: the relations' vectors, forth and back, and where they start."""

    def __init__(self, relations: int, width: int) -> None:
        super().__init__()
        self.relations = nn.Parameter(self.start(2 * relations, width))

    def start(self, relations: int, width: int) -> Tensor:
        """Draws the relations' vectors."""
        drawn: Tensor = torch.randn(relations, width) * width**-0.5
        return drawn

    def kind(self, kinds: Tensor) -> Tensor:
        """kinds: query -> the relations' vectors, query width."""
        return F.embedding(kinds, self.relations)  # whose gradient is summed up quicker than that of an index

    def query(self, heads: Tensor, kinds: Tensor) -> Tensor:
        """heads: query width, kinds: query -> query width."""
        raise NotImplementedError

    def against(self, queries: Tensor, tails: Tensor) -> Tensor:
        """queries: query width, tails: tail width -> query tail."""
        return queries @ tails.T

    def beside(self, queries: Tensor, tails: Tensor) -> Tensor:
        """queries: query width, tails: query (other) width -> query (other)."""
        return (_beside(queries, tails) * tails).sum(-1)

    def among(self, queries: Tensor, vectors: Tensor, places: Tensor) -> Tensor:
        """Is `beside` of the vectors at some places, of which no product is held number by number.

        queries: query width, vectors: entity width, places: query other -> query other.
        """
        return _products(queries, vectors, places)


class TransE(Scorer):
    """-||h + r - t|| (Bordes et al. 2013, Translating embeddings for modeling multi-relational data)."""

    def query(self, heads: Tensor, kinds: Tensor) -> Tensor:
        """Adds the relation to the head."""
        return heads + self.kind(kinds)

    def against(self, queries: Tensor, tails: Tensor) -> Tensor:
        """Is the distance below zero, to each tail."""
        return _below(queries, tails)

    def beside(self, queries: Tensor, tails: Tensor) -> Tensor:
        """Is the distance below zero, to the tails of each query."""
        return _norm_below(_beside(queries, tails) - tails)

    def among(self, queries: Tensor, vectors: Tensor, places: Tensor) -> Tensor:
        """Is the distance below zero, to the vectors at some places."""
        own = F.embedding(places, vectors.square().sum(-1, keepdim=True)).squeeze(-1)
        return _root_below(queries.square().sum(-1, keepdim=True) + own - 2 * _products(queries, vectors, places))


class DistMult(Scorer):
    """Sum of h * r * t (Yang et al. 2015, arXiv 1412.6575)."""

    def query(self, heads: Tensor, kinds: Tensor) -> Tensor:
        """Multiplies the head by the relation."""
        return heads * self.kind(kinds)


class ComplEx(Scorer):
    """Re sum of h * r * conj(t), each of complex numbers (Trouillon et al. 2016, arXiv 1606.06357).

    A vector of an even width holds the real parts and then the imaginary ones.
    """

    def query(self, heads: Tensor, kinds: Tensor) -> Tensor:
        """Multiplies the head by the relation, as complex numbers."""
        (a, b), (c, d) = heads.chunk(2, -1), self.kind(kinds).chunk(2, -1)
        return torch.cat([a * c - b * d, a * d + b * c], -1)


class RotatE(TransE):
    """-||h * r - t||, where r turns each complex number of h by an angle (Sun et al. 2019, arXiv 1902.10197).

    The norm is that of the whole difference, as in PyKEEN; the authors' program sums the moduli.
    """

    def start(self, relations: int, width: int) -> Tensor:
        """Draws an angle for each complex number."""
        return (torch.rand(relations, width // 2) * 2 - 1) * torch.pi

    def query(self, heads: Tensor, kinds: Tensor) -> Tensor:
        """Turns the head by the relation's angles."""
        a, b = heads.chunk(2, -1)
        angles = self.kind(kinds)
        cos, sin = angles.cos(), angles.sin()
        return torch.cat([a * cos - b * sin, a * sin + b * cos], -1)


SCORERS: dict[str, type[Scorer]] = {"transe": TransE, "distmult": DistMult, "complex": ComplEx, "rotate": RotatE}
"""The ways to score, by name."""


def scorer_of(name: str, relations: int, width: int) -> Scorer:
    """Makes a scorer; `complex` and `rotate` want an even width."""
    return SCORERS[name](relations, width)


def _beside(queries: Tensor, tails: Tensor) -> Tensor:
    return queries if queries.dim() == tails.dim() else queries.unsqueeze(-2)


def _below(queries: Tensor, tails: Tensor) -> Tensor:
    """Is the Euclidean distance below zero, by one product: |q - t|^2 = |q|^2 - 2 q t + |t|^2."""
    return _root_below(queries.square().sum(-1, keepdim=True) + tails.square().sum(-1) - 2 * queries @ tails.T)


def _norm_below(difference: Tensor) -> Tensor:
    return _root_below(difference.square().sum(-1))


def _root_below(squares: Tensor) -> Tensor:
    return -squares.clamp(min=1e-12).sqrt()


def _products(queries: Tensor, vectors: Tensor, places: Tensor) -> Tensor:
    return torch.bmm(F.embedding(places, vectors), queries.unsqueeze(-1)).squeeze(-1)
