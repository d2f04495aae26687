"""Relational graph convolution over a whole knowledge graph (Schlichtkrull et al. 2018, arXiv 1703.06103)."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from consilience_knowledge.entities import EntityEncoder

__all__ = ["Messages", "RelationalEncoder", "RelationalLayer"]


@dataclass(frozen=True)
class Messages:
    """Who sends to whom along each relation and its inverse, gathered by (relation, receiver).

    Message k leaves node `senders[k]` for group `groups[k]`. Group g holds `counts[g]` messages and belongs to node
    `receivers[g]`; the groups of a relation stand together, `sizes[r]` of them.
    """

    senders: list[int]
    groups: list[int]
    counts: list[int]
    receivers: list[int]
    sizes: list[int]

    @classmethod
    def along(cls, heads: Iterable[int], kinds: Iterable[int], tails: Iterable[int], relations: int) -> Messages:
        """Sorts edges into messages; the inverse of relation r is relation `relations + r`.

        In numpy, so that the sizes are known where tensors have no values (the meta device, FakeTensorMode).
        """
        told = (np.fromiter(column, dtype=np.int64) for column in (heads, kinds, tails))
        head, kind, tail = (np.zeros(0, dtype=np.int64), *[np.zeros(0, dtype=np.int64)] * 2) if relations == 0 else told
        nodes = 1 + max(head.max(initial=0), tail.max(initial=0))
        forth, back = (kind * nodes + tail) * nodes + head, ((kind + relations) * nodes + head) * nodes + tail
        code = np.unique(np.concatenate([forth, back]))
        pairs, groups, counts = np.unique(code // nodes, return_inverse=True, return_counts=True)
        sizes = np.bincount(pairs // nodes, minlength=2 * relations)
        found = (code % nodes, groups, counts, pairs % nodes, sizes)
        return cls(*(column.tolist() for column in found))

    def places(self, heads: Iterable[int], kinds: Iterable[int], tails: Iterable[int]) -> tuple[list[int], list[int]]:
        """Tells which message each edge sends forth, and which one back."""
        head, kind, tail = (np.fromiter(column, dtype=np.int64) for column in (heads, kinds, tails))
        sizes, receivers, groups = (
            np.array(column, dtype=np.int64) for column in (self.sizes, self.receivers, self.groups)
        )
        nodes = 1 + max(receivers.max(initial=0), head.max(initial=0), tail.max(initial=0))
        kind_of = np.repeat(np.arange(len(sizes)), sizes)
        code = (kind_of[groups] * nodes + receivers[groups]) * nodes + np.array(self.senders, dtype=np.int64)
        forth, back = (kind * nodes + tail) * nodes + head, ((kind + len(sizes) // 2) * nodes + head) * nodes + tail
        return np.searchsorted(code, forth).tolist(), np.searchsorted(code, back).tolist()


class RelationalLayer(nn.Module):
    """One layer: h'_i = W_0 h_i + b + sum over relations r of W_r (mean of h_j over the neighbours j of i by r).

    With `bases`, W_r is a learned mix of so many matrices, which holds back rare relations from overfitting.
    """

    def __init__(self, width: int, relations: int, bases: int | None = None) -> None:
        super().__init__()
        matrices = relations if bases is None else bases
        bound = (3 / width) ** 0.5
        self.weights = nn.Parameter(torch.empty(matrices, width, width).uniform_(-bound, bound))
        mixes = None if bases is None else nn.Parameter(torch.randn(relations, bases) * bases**-0.5)
        self.register_parameter("mixes", mixes)
        self.itself = nn.Linear(width, width)

    def forward(
        self,
        states: Tensor,
        senders: Tensor,
        groups: Tensor,
        counts: Tensor,
        receivers: Tensor,
        sizes: list[int],
        kept: Tensor | None = None,
    ) -> Tensor:
        """states: node width -> node width; the others as in `Messages`; kept: message, 0 if not sent."""
        result: Tensor = self.itself(states)
        if not sum(sizes):
            return result
        # Aggregating first leaves one product a relation, over what was gathered, instead of one an edge. The sum over
        # many neighbours is taken in single precision at least: in half precision it would overflow, or stand still.
        wide = torch.promote_types(states.dtype, torch.float32)
        sent = states.index_select(0, senders).to(wide)
        if kept is not None:
            sent = sent * kept.to(wide).unsqueeze(-1)
            counts = counts.new_zeros(counts.shape).to(wide).index_add(0, groups, kept.to(wide)).clamp(min=1)
        gathered = sent.new_zeros(receivers.shape[0], states.shape[1]).index_add(0, groups, sent)
        means = (gathered / counts.to(wide).unsqueeze(-1)).to(states.dtype)
        products = [part @ weight for part, weight in zip(means.split(sizes), self._matrices(), strict=True)]
        return result.index_add(0, receivers, torch.cat(products).to(result.dtype))

    def _matrices(self) -> Tensor:
        return self.weights if self.mixes is None else torch.einsum("rb,bij->rij", self.mixes, self.weights)


class RelationalEncoder(EntityEncoder):
    """Encodes every entity by its place in the graph, and gives the vectors of the mentioned ones.

    The whole graph is encoded once a forward. Entity 0 is "no entity": its vector is zero, and it counts in no mean.
    The edges are buffers of the state, so that they survive a build on the meta device. With `neighbours`, each layer
    hears in training at most so many senders by each relation, drawn anew (as in GraphSAGE, Hamilton et al. 2017).
    """

    senders: Tensor
    groups: Tensor
    counts: Tensor
    receivers: Tensor
    of_slot: Tensor
    slots: Tensor

    def __init__(
        self,
        entities: int,
        messages: Messages,
        width: int,
        layers: int,
        bases: int | None = None,
        neighbours: int | None = None,
    ) -> None:
        super().__init__(entities, width)
        self.layers = nn.ModuleList(RelationalLayer(width, len(messages.sizes), bases) for _ in range(layers))
        self.sizes, self.neighbours = messages.sizes, neighbours
        for name in ("senders", "groups", "counts", "receivers"):
            self.register_buffer(name, torch.tensor(getattr(messages, name), dtype=torch.long))
        if neighbours is not None:
            slots = [min(count, neighbours) for count in messages.counts]
            of_slot = torch.repeat_interleave(torch.arange(len(slots)), torch.tensor(slots, dtype=torch.long))
            self.register_buffer("of_slot", of_slot)
            self.register_buffer("slots", torch.tensor(slots, dtype=torch.long))

    def encode(self, kept: Tensor | None = None) -> Tensor:
        """Gives the vectors of all entities: entity width.

        kept: message, 0 at those that are not sent; all are when it is left out.
        """
        states: Tensor = self.vectors
        for index, layer in enumerate(self.layers):
            heard = self._heard(kept)
            states = F.relu(states) if index else states
            states = layer(states, *heard[:3], self.receivers, self.sizes, heard[3])
        return states

    def _heard(self, kept: Tensor | None) -> tuple[Tensor, Tensor, Tensor, Tensor | None]:
        if self.neighbours is None or not self.training:
            return self.senders, self.groups, self.counts, kept
        first, count = (self.counts.cumsum(0) - self.counts)[self.of_slot], self.counts[self.of_slot]
        begin = (self.slots.cumsum(0) - self.slots)[self.of_slot]
        place = torch.arange(len(self.of_slot), device=first.device) - begin
        drawn = (torch.rand(len(self.of_slot), device=first.device) * count).long().clamp(max=count - 1)
        place = torch.where(count > self.neighbours, drawn, place)
        chosen = first + place
        return self.senders[chosen], self.of_slot, self.slots, None if kept is None else kept[chosen]
