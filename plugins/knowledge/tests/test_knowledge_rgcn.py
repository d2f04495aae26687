from __future__ import annotations

import copy

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.nn import functional as F

from consilience.declare import Dims
from consilience_knowledge import RGCN
from consilience_knowledge.rgcn import Messages, RelationalEncoder

ENTITIES, RELATIONS = 6, 3
EDGES = st.lists(
    st.tuples(st.integers(1, ENTITIES - 1), st.integers(0, RELATIONS - 1), st.integers(1, ENTITIES - 1)), max_size=12
)
SOME = [(1, 0, 2), (3, 0, 2), (2, 1, 4), (4, 2, 4), (1, 1, 4), (1, 0, 2)]


def encoder(edges=SOME, layers: int = 2, bases: int | None = None, width: int = 5) -> RelationalEncoder:
    torch.manual_seed(0)
    heads, kinds, tails = zip(*edges, strict=True) if edges else ((), (), ())
    return RelationalEncoder(ENTITIES, Messages.along(heads, kinds, tails, RELATIONS), width, layers, bases)


def encode_slowly(module: RelationalEncoder, edges: list[tuple[int, int, int]]) -> Tensor:
    """Follows the paper's equation, one edge at a time."""
    both = {(head, kind, tail) for head, kind, tail in edges}
    both |= {(tail, kind + RELATIONS, head) for head, kind, tail in edges}
    states = module.vectors
    for index, layer in enumerate(module.layers):
        states = F.relu(states) if index else states
        after = []
        for node in range(ENTITIES):
            total = layer.itself.weight @ states[node] + layer.itself.bias
            for kind in range(2 * RELATIONS):
                weight = layer.weights[kind] if layer.mixes is None else 0
                if layer.mixes is not None:
                    for mix, basis in zip(layer.mixes[kind], layer.weights, strict=True):
                        weight = weight + mix * basis
                neighbours = [head for head, by, tail in both if by == kind and tail == node]
                for neighbour in neighbours:
                    total = total + states[neighbour] @ weight / len(neighbours)
            after.append(total)
        states = torch.stack(after)
    return states


@settings(max_examples=30, deadline=None)
@given(EDGES, st.sampled_from([None, 1, 2]), st.integers(1, 3))
def test_it_agrees_with_the_equation_edge_by_edge(edges, bases, layers):
    module = encoder(edges, layers, bases).double()
    states, wanted = module.encode(), encode_slowly(module, edges)
    assert torch.allclose(states, wanted, rtol=0, atol=1e-10)
    gradient, wanted_gradient = (
        torch.autograd.grad(each.square().sum(), module.vectors)[0] for each in (states, wanted)
    )
    assert torch.allclose(gradient, wanted_gradient, rtol=1e-10, atol=1e-10)


def test_the_order_of_the_edges_is_no_matter():
    assert Messages.along(*zip(*SOME, strict=True), RELATIONS) == Messages.along(
        *zip(*reversed(SOME), strict=True), RELATIONS
    )


def test_one_vector_a_mention_and_their_mean_an_example():
    module = encoder()
    pooled, mentions = module(torch.tensor([[1, 3, 0], [0, 0, 0], [2, 0, 0]]))
    states = module.encode()
    assert torch.equal(mentions[0, :2], states[[1, 3]])
    assert torch.allclose(pooled[0], states[[1, 3]].mean(0))
    assert torch.allclose(pooled[2], states[2])
    assert not mentions[:, 2].any()
    assert not pooled[1].any()


def test_more_padded_mentions_change_nothing_and_rows_do_not_see_each_other():
    module, entities = encoder(), torch.tensor([[1, 3], [2, 0]])
    pooled, mentions = module(entities)
    padded, _ = module(F.pad(entities, (0, 4)))
    assert torch.allclose(pooled, padded, atol=1e-6)
    turned, turned_mentions = module(entities.flip(0))
    assert torch.equal(turned.flip(0), pooled)
    assert torch.equal(turned_mentions.flip(0), mentions)


def test_each_layer_reaches_one_step_further():
    chain = [(1, 0, 2), (3, 0, 2), (3, 1, 4)]
    for layers, heard in ((1, {1, 2}), (2, {1, 2, 3}), (3, {1, 2, 3, 4})):
        module = encoder(chain, layers, width=16)
        module(torch.tensor([[1]]))[0].square().sum().backward()
        assert set(module.vectors.grad.abs().sum(1).nonzero().flatten().tolist()) == heard


@pytest.mark.parametrize("bases", [None, 2])
def test_gradients_reach_every_parameter(bases):
    module = encoder(bases=bases)
    module(torch.tensor([[1, 2, 3, 4]]))[0].square().sum().backward()
    assert all(parameter.grad.abs().sum() > 0 for parameter in module.parameters())


def test_a_text_without_mentions_gives_no_gradient_and_no_nan():
    module = encoder()
    pooled, _ = module(torch.zeros(2, 1, dtype=torch.long))
    pooled.square().sum().backward()
    assert all(not parameter.grad.any() for parameter in module.parameters())


def test_bases_hold_fewer_parameters():
    whole, shared = (sum(part.numel() for part in encoder(bases=bases).parameters()) for bases in (None, 1))
    assert shared < whole


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_sums_many_neighbours(dtype):
    count = 1000
    messages = Messages.along([2] * count, [0] * count, range(3, count + 3), 1)
    torch.manual_seed(0)
    module = RelationalEncoder(count + 3, messages, 4, 1)
    with torch.no_grad():
        module.vectors.fill_(100)
    whole, _ = module(torch.tensor([[2]]))
    half, _ = copy.deepcopy(module).to(dtype)(torch.tensor([[2]]))
    assert half.dtype == dtype
    assert torch.allclose(half.float(), whole, rtol=0.05, atol=2)


def test_it_is_copied_and_loaded(film):
    declared = RGCN(graph=film, width=4, bases=2)
    module, loaded = declared.build(Dims()), declared.build(Dims())
    entities = torch.tensor([[1, 5], [4, 0]])
    wanted, _ = module(entities)
    assert not torch.equal(loaded(entities)[0], wanted)
    loaded.load_state_dict(module.state_dict())
    for other in (loaded, copy.deepcopy(module)):
        assert torch.equal(other(entities)[0], wanted)
    with torch.device("meta"):
        bare = declared.build(Dims())
    bare.load_state_dict(module.state_dict(), assign=True)
    assert torch.equal(bare(entities)[0], wanted)


@pytest.mark.parametrize("bases", [None, 2])
def test_it_runs_with_fake_tensors(film, bases):
    declared = RGCN(graph=film, width=4, bases=bases)
    real = declared.build(Dims())
    with FakeTensorMode(allow_non_fake_inputs=True) as mode:
        entities = mode.from_tensor(torch.tensor([[1, 5, 0], [4, 0, 0]]))
        for module in (declared.build(Dims()), real):
            pooled, mentions = module(entities)
            assert (pooled.shape, mentions.shape) == ((2, 4), (2, 3, 4))


def test_it_compiles_without_a_break(film):
    module = RGCN(graph=film, width=4).build(Dims())
    entities = torch.tensor([[1, 5, 0], [4, 0, 0]])
    compiled = torch.compile(module, fullgraph=True, backend="eager")
    assert torch.equal(compiled(entities)[0], module(entities)[0])


def test_it_states_its_width_and_name(film):
    declared = RGCN(graph=film, width=4)
    assert RGCN.component == "rgcn"
    assert declared.dims(Dims()) == {"width": 4, "entity": "film"}


def test_a_graph_without_edges_leaves_each_entity_to_itself(write_graph):
    from consilience.declare import Use

    content = '<urn:a:b> <http://www.w3.org/2000/01/rdf-schema#label> "bee" .'
    module = RGCN(graph=Use("bees", write_graph(content)), width=4, layers=1).build(Dims())
    pooled, _ = module(torch.tensor([[1]]))
    assert torch.allclose(pooled[0], module.layers[0].itself(module.vectors)[1])
