"""The relational encoder gives what torch-geometric's own layers give, with the same weights."""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional as F

from consilience_knowledge.rgcn import Messages, RelationalEncoder

geometric = pytest.importorskip("torch_geometric.nn", reason="torch-geometric is not installed")

ENTITIES, RELATIONS, WIDTH = 200, 7, 16


@pytest.mark.parametrize("bases", [None, 3])
def test_it_encodes_as_torch_geometric_does(bases: int | None) -> None:
    torch.manual_seed(0)
    heads, tails = torch.randint(1, ENTITIES, (2, 900)).tolist()
    kinds = torch.randint(RELATIONS, (900,)).tolist()
    ours = RelationalEncoder(ENTITIES, Messages.along(heads, kinds, tails, RELATIONS), WIDTH, 2, bases)

    forth = {(head, kind, tail) for head, kind, tail in zip(heads, kinds, tails, strict=True)}
    edges = sorted(forth | {(tail, kind + RELATIONS, head) for head, kind, tail in forth})
    index = torch.tensor([[head for head, _, _ in edges], [tail for _, _, tail in edges]])
    types = torch.tensor([kind for _, kind, _ in edges])
    states = ours.vectors
    for number, layer in enumerate(ours.layers):
        theirs = geometric.RGCNConv(WIDTH, WIDTH, 2 * RELATIONS, num_bases=bases, aggr="mean")
        with torch.no_grad():
            theirs.weight.copy_(layer.weights)
            theirs.root.copy_(layer.itself.weight.T)
            theirs.bias.copy_(layer.itself.bias)
            if bases is not None:
                theirs.comp.copy_(layer.mixes)
        states = theirs(F.relu(states) if number else states, index, types)
    torch.testing.assert_close(ours.encode(), states)
