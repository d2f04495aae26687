"""Relational graph convolution over a whole knowledge graph (Schlichtkrull et al. 2018, arXiv 1703.06103)."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

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

        In plain Python, so that the sizes are known where tensors have no values (the meta device, FakeTensorMode).
        """
        edges = list(zip(heads, kinds, tails, strict=True))
        forth = {(kind, tail, head) for head, kind, tail in edges}
        back = {(kind + relations, head, tail) for head, kind, tail in edges}
        messages = sorted(forth | back)
        pairs = list(dict.fromkeys((kind, receiver) for kind, receiver, _ in messages))
        group_of = {pair: group for group, pair in enumerate(pairs)}
        groups = [group_of[kind, receiver] for kind, receiver, _ in messages]
        counts, sizes = [0] * len(pairs), [0] * (2 * relations)
        for group in groups:
            counts[group] += 1
        for kind, _ in pairs:
            sizes[kind] += 1
        senders = [sender for _, _, sender in messages]
        return cls(senders, groups, counts, [node for _, node in pairs], sizes)


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
        self, states: Tensor, senders: Tensor, groups: Tensor, counts: Tensor, receivers: Tensor, sizes: list[int]
    ) -> Tensor:
        """states: node width -> node width; the others as in `Messages`."""
        result: Tensor = self.itself(states)
        if not sum(sizes):
            return result
        # Aggregating first leaves one product a relation, over what was gathered, instead of one an edge. The sum over
        # many neighbours is taken in single precision at least: in half precision it would overflow, or stand still.
        wide = torch.promote_types(states.dtype, torch.float32)
        sent = states.index_select(0, senders).to(wide)
        gathered = sent.new_zeros(receivers.shape[0], states.shape[1]).index_add(0, groups, sent)
        means = (gathered / counts.to(wide).unsqueeze(-1)).to(states.dtype)
        products = [part @ weight for part, weight in zip(means.split(sizes), self._matrices(), strict=True)]
        return result.index_add(0, receivers, torch.cat(products).to(result.dtype))

    def _matrices(self) -> Tensor:
        return self.weights if self.mixes is None else torch.einsum("rb,bij->rij", self.mixes, self.weights)


class RelationalEncoder(nn.Module):
    """Encodes every entity by its place in the graph, and gives the vectors of the mentioned ones.

    The whole graph is encoded once a forward. Entity 0 is "no entity": its vector is zero, and it counts in no mean.
    The edges are buffers of the state, so that they survive a build on the meta device.
    """

    def __init__(self, entities: int, messages: Messages, width: int, layers: int, bases: int | None = None) -> None:
        super().__init__()
        self.vectors = nn.Parameter(torch.randn(entities, width) * width**-0.5)
        self.layers = nn.ModuleList(RelationalLayer(width, len(messages.sizes), bases) for _ in range(layers))
        self.sizes = messages.sizes
        self.register_buffer("senders", torch.tensor(messages.senders, dtype=torch.long))
        self.register_buffer("groups", torch.tensor(messages.groups, dtype=torch.long))
        self.register_buffer("counts", torch.tensor(messages.counts, dtype=torch.long))
        self.register_buffer("receivers", torch.tensor(messages.receivers, dtype=torch.long))

    def encode(self) -> Tensor:
        """Gives the vectors of all entities: entity width."""
        states: Tensor = self.vectors
        for index, layer in enumerate(self.layers):
            states = layer(
                F.relu(states) if index else states, self.senders, self.groups, self.counts, self.receivers, self.sizes
            )
        return states

    def forward(self, entities: Tensor) -> tuple[Tensor, Tensor]:
        """entities: batch mention -> the mean of the mentions (batch width), and each mention (batch mention width)."""
        is_entity = (entities > 0).unsqueeze(-1)
        mentions = F.embedding(entities, self.encode()).masked_fill(~is_entity, 0)
        pooled = mentions.sum(1) / is_entity.sum(1).clamp(min=1).to(mentions.dtype)
        return pooled, mentions
