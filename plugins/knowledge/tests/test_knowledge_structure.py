"""What stands around the mentioned entities, and what is linked in their place to tell what knowledge brings."""

from __future__ import annotations

import pickle

import pytest
import torch

from consilience.declare import Dims
from consilience_knowledge import Ancestors, Film, Mentions, RelationCounts
from consilience_knowledge.dictionary import Dictionary
from consilience_knowledge.graphs import KnowledgeGraph
from consilience_knowledge.injection import FeatureModulation
from consilience_knowledge.linking import Control, MentionBatches
from consilience_knowledge.structure import AncestorBatches, NeighbourBatches, RelationCounter

GRAPH = KnowledgeGraph.of(
    {"a": ("bank", "till"), "b": ("bank", "shore"), "c": ("river water",), "d": ("money",), "e": ("cash",)},
    [
        ("a", "near", "d"),
        ("a", "near", "e"),
        ("b", "near", "c"),
        ("c", "is_a", "d"),
        ("d", "is_a", "e"),
        ("e", "is_a", "c"),
    ],
)
MENTIONS = torch.tensor([[1, 3], [0, 0], [2, 2]])


def test_ancestors_are_the_closure_of_a_hierarchy_even_of_a_circle():
    entities, mask = AncestorBatches.of(GRAPH, ("is_a",), 9)(MENTIONS)
    assert entities.tolist() == [[1, 3, 4, 5], [0, 0, 0, 0], [2, 0, 0, 0]]
    assert torch.equal(mask, entities > 0)
    few, _ = AncestorBatches.of(GRAPH, ("is_a",), 3)(MENTIONS)
    assert few.tolist() == [[1, 3, 4], [0, 0, 0], [2, 0, 0]]


def test_a_hierarchy_may_be_named_by_a_prefix(film):
    built = Ancestors(graph=film, upwards=("skos:broader",)).build(Dims())
    names = film.declared.load().names
    assert [names[entity][0] for entity in built.closure([5])] == ["film noir", "genre"]


def test_neighbours_are_bounded_and_the_rarer_relation_comes_first():
    entities, _ = NeighbourBatches.of(GRAPH, 1)(MENTIONS)
    assert entities.tolist() == [[1, 3, 4], [0, 0, 0], [2, 3, 0]]
    every, _ = NeighbourBatches.of(GRAPH, 9)(MENTIONS)
    assert [sorted(row) for row in every.tolist()] == [[1, 2, 3, 4, 5], [0] * 5, [0, 0, 0, 2, 3]]


def test_relations_are_counted_out_in_and_between():
    counter = RelationCounter.of(GRAPH, 2)
    #      is_a, near: out | in | between | mentions, distinct
    assert counter.counts([3, 4]) == [2, 0, 2, 2, 1, 0, 2, 2]
    assert counter.counts([2, 2, 0]) == [0, 1, 0, 0, 0, 0, 2, 1]
    told = counter(torch.tensor([[3, 4]]))
    torch.testing.assert_close(told, torch.tensor([[2.0, 0, 2, 2, 1, 0, 2, 2]]).log1p())
    assert RelationCounter.of(GRAPH, 5)(MENTIONS).shape == (3, 17)
    assert dict(RelationCounts(most=5).dims(Dims()))["count"] == 17


def test_a_name_of_several_is_told_apart_by_the_words_around_it():
    by_context = Dictionary.of(GRAPH, "none", "context")
    assert [mention.entity for mention in by_context.find("the bank of a river with water")] == [2]
    assert [mention.entity for mention in by_context.find("bank and money")] == [1, 4]
    assert [mention.entity for mention in by_context.find("bank")] == [1]
    assert Dictionary.of(GRAPH, "none", "connected").find("bank")[0].entity == 1
    assert Dictionary.of(GRAPH).find("bank of a river")[0].entity == 1


@pytest.mark.parametrize("text", ["it tills", "it tilled", "tilling"])
def test_regular_forms_of_a_name_are_linked(text):
    assert Dictionary.of(GRAPH, "english").find(text)[0].entity == 1
    assert not Dictionary.of(GRAPH, "none").find(text)


def test_what_is_linked_in_place_of_the_entities():
    dictionary, texts = Dictionary.of(GRAPH), ["bank money cash", "cash, money", "nothing"]

    def linked(name: str, seed: int = 0) -> list[list[int]]:
        return MentionBatches(dictionary, Control.of(GRAPH, name, seed))(texts)["entities"].tolist()

    assert linked("none") == [[1, 4, 5], [5, 4, 0], [0, 0, 0]]
    assert linked("absent") == [[0], [0], [0]]
    assert linked("flag") == [[1, 1, 1], [1, 1, 0], [0, 0, 0]]
    one, other, _ = linked("permuted")
    assert other[:2] == [one[2], one[1]]
    assert all(wrong != right for wrong, right in zip(one, [1, 4, 5], strict=True))
    assert linked("random") == linked("random") != linked("random", seed=1)
    alone = MentionBatches(dictionary, Control.of(GRAPH, "random"))(texts[1:2])["entities"][0].tolist()
    assert alone == linked("random")[1][:2]


def test_the_spans_of_a_control_are_those_of_the_entities(film):
    texts = ["a film noir of joy"]
    true = Mentions(graph=film).build(Dims())(texts)
    wrong = pickle.loads(pickle.dumps(Mentions(graph=film, control="permuted").build(Dims())))(texts)
    assert torch.equal(true["entity_spans"], wrong["entity_spans"])
    assert not (true["entities"] == wrong["entities"]).any()


def test_modulation_starts_as_the_identity_and_changes_linked_tokens_alone(film):
    torch.manual_seed(0)
    module = FeatureModulation(4, 8, 3)
    hidden = torch.randn(1, 3, 8)
    spans, found = torch.tensor([[[0, 2], [3, 5], [6, 8]]]), (torch.tensor([[2]]), torch.tensor([[[3, 5]]]))
    assert torch.equal(module(hidden, spans, *found)[0], hidden)
    torch.nn.init.normal_(module.scale.weight)
    torch.nn.init.normal_(module.shift.weight)
    after = module(hidden, spans, *found)[0]
    content = module.linked_here + module.trained[2]
    torch.testing.assert_close(after[0, 1], hidden[0, 1] * (1 + module.scale(content)) + module.shift(content))
    assert torch.equal(after[0, [0, 2]], hidden[0, [0, 2]])
    assert list(Film(graph=film).linear_layers(Dims())) == ["scale", "shift"]
