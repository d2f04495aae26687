"""Words, trees, parsing and probing against references: brute force, networkx, scipy and hand-computed values."""

from __future__ import annotations

import doctest
from itertools import product

import networkx as nx
import numpy as np
import pytest
import torch
from scipy.stats import spearmanr

from consilience_linguistics import decoding
from consilience_linguistics.alignment import AlignWords, GrowTrees, ReadFeatures, label_words, tree_distances
from consilience_linguistics.decoding import best_tree, greedy_heads
from consilience_linguistics.parsing import (
    ArcLoss,
    AttachmentScore,
    BiaffineParser,
    LabeledAttachmentScore,
    RelationLoss,
    WholeAccuracy,
)
from consilience_linguistics.probing import (
    DepthProbe,
    DepthSpearman,
    DistanceLoss,
    DistanceSpearman,
    StructuralProbe,
    UndirectedAttachment,
)

WORDS = torch.tensor([[-1, 0, 0, 2, -1, -1], [-1, 0, 1, 2, 2, -1]])
"""Word 1 of the first text has no token."""
MASK = torch.tensor([[True, False, True], [True, True, True]])


def is_tree(heads: tuple[int, ...]) -> bool:
    graph = nx.DiGraph((head, word) for word, head in enumerate(heads, start=1))
    return heads.count(0) == 1 and nx.is_arborescence(graph)


@pytest.mark.parametrize("size", [1, 2, 3, 4])
def test_the_tree_is_the_best_of_all_trees(size: int) -> None:
    random = np.random.default_rng(size)
    for _ in range(8):
        scores = random.normal(size=(size, size + 1))
        trees = [heads for heads in product(range(size + 1), repeat=size) if is_tree(heads)]
        best = max(trees, key=lambda heads: sum(scores[word, head] for word, head in enumerate(heads)))
        assert tuple(best_tree(scores)) == best


def test_the_tree_of_a_long_sentence_is_that_of_networkx() -> None:
    scores = np.random.default_rng(0).normal(size=(30, 31))
    graph = nx.DiGraph()
    penalty = 1e4  # as many roots as there must be: one
    for word, head in product(range(1, 31), range(31)):
        if word != head:
            graph.add_edge(head, word, weight=scores[word - 1, head] - penalty * (head == 0))
    reference = nx.maximum_spanning_arborescence(graph)
    assert {(head, word) for word, head in enumerate(best_tree(scores), start=1)} == set(reference.edges)


def test_greedy_heads_need_make_no_tree() -> None:
    scores = np.array([[0.0, 9.0, 2.0], [0.0, 2.0, 9.0]])
    assert greedy_heads(scores).tolist() == [2, 1]
    assert best_tree(scores).tolist() in ([0, 1], [2, 0])
    assert doctest.testmod(decoding, extraglobs={"np": np}) == (0, 1)


def test_words_are_made_of_their_tokens() -> None:
    given = AlignWords("mean")(WORDS)
    assert given["mask"].tolist() == [[True, False, True], [True, True, True]]
    assert given["weights"][0].tolist() == [[0, 0.5, 0.5, 0, 0, 0], [0] * 6, [0, 0, 0, 1, 0, 0]]
    assert AlignWords("first")(WORDS)["weights"][1, 2].tolist() == [0, 0, 0, 1, 0, 0]
    assert AlignWords("last")(WORDS)["weights"][1, 2].tolist() == [0, 0, 0, 0, 1, 0]
    labels = label_words(MASK, [[4, 5, 6, 7], []])
    assert labels["labels"].tolist() == [[4, -100, 6], [-100] * 3]
    assert labels["present"].tolist() == [True, False]


def test_distances_and_depths_are_those_of_the_tree() -> None:
    parents = [3, 3, 0, 5, 3, 5, 1]
    graph = nx.Graph((word, head) for word, head in enumerate(parents, start=1) if head)
    reference = dict(nx.all_pairs_shortest_path_length(graph))
    distances, depths = tree_distances(parents)
    for one, other in product(range(1, 8), repeat=2):
        assert distances[one - 1, other - 1] == reference[one][other]
    assert depths.tolist() == [reference[3][word] for word in range(1, 8)]


def test_a_tree_knows_what_was_cut_off_and_what_is_skipped() -> None:
    tree = GrowTrees((9,))(MASK, [[0, 1, 2, 1], [2, 0, 2]], [[1, 1, 1, 1], [1, 1, 9]])
    assert tree["heads"].tolist() == [[0, -100, -100], [2, 0, 2]]
    assert tree["mask"].tolist() == [[True, False, True], [True, True, True]]
    assert tree["counted"].tolist() == [[True, False, True], [True, True, False]]
    assert tree["distances"][1].tolist() == [[0, 1, 2], [1, 0, 1], [2, 1, 0]]
    assert GrowTrees()(MASK, [[-100, 0, 2], []])["present"].tolist() == [False, False]


def test_features_are_read_at_the_first_token() -> None:
    read = ReadFeatures({"Number": ("Plur", "Sing"), "Case": ("Acc", "Nom")})
    labels = read(WORDS, ["Number=Sing|Case=Nom _ Case=Odd", ["_", "Case=Acc,Nom", "_"]])["labels"]
    assert labels[0].tolist() == [[-100] * 2, [2, 2], [-100] * 2, [0, -100], [-100] * 2, [-100] * 2]
    assert labels[1, 2].tolist() == [0, 1]
    metric = WholeAccuracy()
    logits = torch.nn.functional.one_hot(labels.clamp(min=0), 3).float()
    logits[1, 2, 0] = torch.tensor([0.0, 1.0, 0.0])
    metric.update(logits, labels)
    assert metric.compute().item() == pytest.approx(4 / 5)


def test_the_losses_are_torchs_cross_entropy_of_words() -> None:
    torch.manual_seed(0)
    arcs, relations = torch.randn(2, 3, 4), torch.randn(2, 3, 4, 5)
    heads, wanted = torch.tensor([[2, 0, -100], [2, 3, 0]]), torch.tensor([[1, 2, 3], [4, -100, 0]])
    loss = ArcLoss()
    total = loss(arcs, heads).sum() / loss.count(heads).sum()
    shown = arcs.clone()
    shown[0, :, 3] = -torch.inf  # the third word of the first text has no head that is known, and is none
    torch.testing.assert_close(total, torch.nn.functional.cross_entropy(shown.flatten(0, 1), heads.flatten()))
    pointed = torch.tensor([[2, -100, -100]])
    assert loss(torch.zeros(1, 3, 4), pointed).item() == pytest.approx(np.log(3)), (
        "root, itself and the word it hangs on"
    )
    values = RelationLoss()(relations, heads, wanted)
    by_hand = -relations[1, 0, 2].log_softmax(-1)[4] - relations[1, 2, 0].log_softmax(-1)[0]
    torch.testing.assert_close(values[1], by_hand)


def test_attachment_is_counted_over_known_words() -> None:
    heads, labels = torch.tensor([[2, 0, -100], [2, 0, 2]]), torch.tensor([[0, 1, 0], [0, 1, 0]])
    arcs = torch.nn.functional.one_hot(torch.tensor([[2, 0, 1], [2, 0, 1]]), 4).float()
    relations = torch.zeros(2, 3, 4, 2)
    relations[:, 0, :, 0] = relations[:, 1:, :, 1] = 1
    unlabeled, labeled = AttachmentScore(), LabeledAttachmentScore()
    unlabeled.update(arcs, heads)
    labeled.update(arcs, relations, heads, labels)
    assert unlabeled.compute().item() == labeled.compute().item() == pytest.approx(4 / 5)


def test_the_parser_learns_a_treebank_by_heart() -> None:
    torch.manual_seed(0)
    parser = BiaffineParser(8, 3, 16, 8, dropout=0.0)
    states, mask = torch.randn(2, 4, 8), torch.tensor([[True] * 4, [True] * 3 + [False]])
    heads, labels = torch.tensor([[2, 0, 2, 3], [3, 1, 0, -100]]), torch.tensor([[0, 1, 2, 0], [2, 2, 1, -100]])
    optimizer = torch.optim.Adam(parser.parameters(), lr=0.02)
    for _ in range(60):
        arcs, relations = parser(states, mask)
        loss = ArcLoss()(arcs, heads).sum() + RelationLoss()(relations, heads, labels).sum()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    score = LabeledAttachmentScore()
    score.update(*parser(states, mask), heads, labels)
    assert score.compute().item() == 1.0


def test_the_parser_drops_the_same_features_at_every_word_and_none_of_what_it_reads() -> None:
    torch.manual_seed(0)
    parser = BiaffineParser(8, 3, 64, 8, dropout=0.5).train()
    dropped = parser.dropout(torch.ones(2, 5, 64))
    assert torch.equal(dropped, dropped[:, :1].expand_as(dropped))
    assert not torch.equal(dropped[0], dropped[1])
    assert 0.3 < (dropped == 0).float().mean() < 0.7
    assert set(dropped.unique().tolist()) == {0.0, 2.0}
    read: list[torch.Tensor] = []
    parser.arc_dependent.register_forward_pre_hook(lambda layer, given: read.append(given[0]))
    states = torch.randn(2, 5, 8)
    parser(states, torch.ones(2, 5, dtype=torch.bool))
    assert torch.equal(read[0], states)


def test_the_probe_measures_squared_distances_and_norms() -> None:
    torch.manual_seed(0)
    probe, states = StructuralProbe(6, 4), torch.randn(2, 5, 6)
    projected = states @ probe.projection.weight.T
    torch.testing.assert_close(probe(states), torch.cdist(projected, projected).square(), atol=1e-5, rtol=1e-4)
    depth = DepthProbe(6, 4)
    torch.testing.assert_close(depth(states), (states @ depth.projection.weight.T).square().sum(-1))
    mask = torch.tensor([[True, True, False, False, False]] * 2)
    true = torch.full((2, 5, 5), 3.0)
    value = DistanceLoss()(torch.zeros(2, 5, 5), mask, true)
    assert value.tolist() == [3.0, 3.0], (
        "every pair of words counts alike, as Hewitt and Manning divide by their number"
    )


def test_edges_and_ranks_are_those_of_the_true_tree() -> None:
    true = torch.from_numpy(tree_distances([2, 0, 2, 3, 4, 2])[0])[None]
    mask, edges = torch.ones(1, 6, dtype=torch.bool), UndirectedAttachment()
    edges.update(true * 2 + 1, mask, true)
    assert edges.compute().item() == 1.0
    chain = torch.from_numpy(tree_distances([0, 1, 2, 3, 4, 5])[0])[None]
    edges.reset()
    edges.update(chain, mask, true)
    assert edges.compute().item() == pytest.approx(4 / 5)  # 1-2, 2-3, 3-4 and 4-5, not 5-6
    ranks = DistanceSpearman()
    ranks.update(chain, mask, true)
    rows = [spearmanr(chain[0, word], true[0, word]).statistic for word in range(6)]
    assert ranks.compute().item() == pytest.approx(np.mean(rows))
    depths = DepthSpearman()
    depths.update(chain[:, 0], mask, true[:, 1])
    assert depths.compute().item() == pytest.approx(spearmanr(chain[0, 0], true[0, 1]).statistic)
