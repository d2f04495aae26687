"""Composition-based graph convolution (Vashishth et al. 2020, arXiv 1911.03082): one matrix a direction."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from consilience_knowledge.entities import EntityEncoder
from consilience_knowledge.rgcn import Messages

__all__ = ["CompositionEncoder", "CompositionLayer", "CompositionName"]

CompositionName = Literal["multiply", "subtract"]


class CompositionLayer(nn.Module):
    """One layer: h'_i = (W_self (h_i . z_self) + W_in mean(h_j . z_r) + W_out mean(h_j . z_r')) / 3 + b, z' = W_rel z.

    `.` multiplies or subtracts, number by number; the mean is over all neighbours of a direction (the authors weigh by
    the root of the degrees). What is gathered is multiplied once a direction, and not once an edge.
    """

    def __init__(self, width: int, composition: CompositionName = "multiply") -> None:
        super().__init__()
        self.composition = composition
        self.loop = nn.Parameter(torch.randn(width) * width**-0.5 + 1)
        self.itself = nn.Linear(width, width)
        self.forth, self.back, self.kinds = (nn.Linear(width, width, bias=False) for _ in range(3))

    def compose(self, states: Tensor, relations: Tensor) -> Tensor:
        """Joins entities with relations: node width each -> node width."""
        return states * relations if self.composition == "multiply" else states - relations

    def forward(
        self, states: Tensor, relations: Tensor, sides: tuple[tuple[Tensor, Tensor, Tensor, Tensor | None], ...]
    ) -> tuple[Tensor, Tensor]:
        """states: node width, relations: relation width; a side has senders, kinds, receivers, weights."""
        result = self.itself(self.compose(states, self.loop))
        wide = torch.promote_types(states.dtype, torch.float32)  # many neighbours overflow half precision
        for layer, (senders, kinds, receivers, kept) in zip((self.forth, self.back), sides, strict=True):
            sent = self.compose(states.index_select(0, senders), relations.index_select(0, kinds)).to(wide)
            weights = sent.new_ones(len(receivers)) if kept is None else kept.to(wide)
            gathered = sent.new_zeros(states.shape).index_add(0, receivers, sent * weights.unsqueeze(-1))
            counts = sent.new_zeros(len(states)).index_add(0, receivers, weights)
            result = result + layer((gathered / counts.clamp(min=1).unsqueeze(-1)).to(states.dtype))
        return result / 3, self.kinds(relations)


class CompositionEncoder(EntityEncoder):
    """Encodes every entity by its neighbours, each joined with the relation that it is heard by.

    With `bases`, relations are learned mixes of so many vectors. Entity 0 is "no entity".
    """

    senders: Tensor
    kinds: Tensor
    receivers: Tensor
    mixes: nn.Parameter | None

    def __init__(
        self,
        entities: int,
        messages: Messages,
        width: int,
        layers: int,
        bases: int | None = None,
        composition: CompositionName = "multiply",
    ) -> None:
        super().__init__(entities, width)
        relations = len(messages.sizes)
        start = 1.0 if composition == "multiply" else 0.0
        self.relations = nn.Parameter(torch.randn(bases or relations, width) * width**-0.5 + start)
        mixes = None if bases is None else nn.Parameter(torch.softmax(torch.randn(relations, bases), 1))
        self.register_parameter("mixes", mixes)
        self.layers = nn.ModuleList(CompositionLayer(width, composition) for _ in range(layers))
        self.layers[-1].kinds = nn.Identity()  # nobody reads the relations behind the last layer
        kind_of_group = torch.repeat_interleave(torch.arange(relations), torch.tensor(messages.sizes, dtype=torch.long))
        groups = torch.tensor(messages.groups, dtype=torch.long)
        self.register_buffer("senders", torch.tensor(messages.senders, dtype=torch.long))
        self.register_buffer("kinds", kind_of_group[groups] if len(groups) else groups)
        receivers = torch.tensor(messages.receivers, dtype=torch.long)
        self.register_buffer("receivers", receivers[groups] if len(groups) else groups)
        forth = sum(messages.sizes[: relations // 2])  # the groups of the relations that run forth come first
        self.turn = sum(group < forth for group in messages.groups)

    def encode(self, kept: Tensor | None = None) -> Tensor:
        """Gives the vectors of all entities: entity width.

        kept: message, 0 at those that are not sent; all are when it is left out.
        """
        states: Tensor = self.vectors
        relations = self.relations if self.mixes is None else self.mixes @ self.relations
        sides = (self._side(0, self.turn, kept), self._side(self.turn, len(self.senders), kept))
        for index, layer in enumerate(self.layers):
            states, relations = layer(F.relu(states) if index else states, relations, sides)
        return states

    def _side(self, begin: int, end: int, kept: Tensor | None) -> tuple[Tensor, Tensor, Tensor, Tensor | None]:
        columns = (self.senders[begin:end], self.kinds[begin:end], self.receivers[begin:end])
        return (*columns, None if kept is None else kept[begin:end])
