"""Links by rows: both questions of a triple, the scores of all answers, and the measures of filtered ranks."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from consilience.declare import Dims, Fusion, Use
from consilience.fuse import fuse
from consilience.plan import check
from consilience_knowledge import Embedding, Injection, LinkScorer, Questions
from consilience_knowledge.entities import EntityTable
from consilience_knowledge.graphs import KnowledgeGraph
from consilience_knowledge.links import AnswerLoss, LinkScores
from consilience_knowledge.questions import QuestionBatches
from consilience_knowledge.ranking import Known, filtered_ranks, measures
from consilience_knowledge.ranks import MeanReciprocalRank, ShareOfRanks

TRAIN = [("a", "near", "b"), ("a", "near", "c"), ("b", "over", "c"), ("d", "over", "a")]
HELD = [("a", "near", "d"), ("c", "over", "d"), ("b", "near", "e"), ("a", "beside", "b")]
GRAPH, MORE = KnowledgeGraph.of({}, TRAIN), KnowledgeGraph.of({}, HELD)
FILE = """\
consilience: 1
name: links
resources:
  train: {use: knowledge.graph, path: train.tsv}
  held: {use: knowledge.graph, path: held.tsv}
fields: {head: text, relation: text, tail: text}
sources:
  rows: {use: table, path: rows.csv, map: {head: head, relation: relation, tail: tail}, split: {validation: 1}}
inputs:
  asked: {use: knowledge.questions, in: {head: head, relation: relation, tail: tail}, graph: train, held: held}
modules:
  known: {use: knowledge.embedding, in: asked.entities, graph: train, width: 8}
  linked: {use: knowledge.link_scorer, in: [known.mentions, asked], of: known, scorer: complex}
losses:
  links: {use: knowledge.answers, in: linked.costs, target: asked.answers}
metrics:
  mrr: {use: knowledge.mean_reciprocal_rank, in: linked.ranks, target: asked.answers}
  first: {use: knowledge.hits, in: linked.ranks, target: asked.answers, most: 1}
"""


def test_a_row_asks_both_of_its_questions_and_knows_their_answers():
    entities, kinds, answers, known = QuestionBatches.of(GRAPH, MORE)(*zip(*HELD, strict=True))
    # a, b, c, d are 1 to 4, near is 0 and over 1; e and beside are not in the graph.
    assert entities.tolist() == [[1, 4], [3, 4], [0, 0], [0, 0]]
    assert kinds.tolist() == [[0, 2], [1, 3], [0, 0], [0, 0]]
    assert answers.tolist() == [[4, 1], [4, 3], [-100, -100], [-100, -100]]
    assert {frozenset(row) - {0} for row in known[0].tolist()} == {frozenset({2, 3, 4}), frozenset({1})}
    assert set(known[1, 0].tolist()) - {0} == {4}
    assert not known[2:].any()
    alone = QuestionBatches.of(GRAPH, GRAPH)([["a"]], ["near"], ["d"])[3]
    assert set(alone[0, 0].tolist()) == {2, 3}


def test_the_measures_are_those_of_filtered_ranks():
    torch.manual_seed(0)
    scorer = LinkScores(EntityTable(5, 4), 2, 4, "distmult")
    entities, kinds, answers, known = QuestionBatches.of(GRAPH, MORE)(*zip(*HELD, strict=True))
    heads = torch.nn.functional.embedding(entities, scorer._encoder[0].vectors)
    number = {name: place for place, name in enumerate(GRAPH.entities)}
    rows = [[number[h], GRAPH.relations.index(k), number[t]] for h, k, t in TRAIN + HELD[:2]]

    def score(asked: torch.Tensor, by: torch.Tensor) -> torch.Tensor:
        return scorer.scores(scorer._encoder[0].vectors[asked], by).detach()

    wanted = measures(filtered_ranks(score, torch.tensor(rows[-2:]), Known(torch.tensor(rows), 5, 2)), (1, 2))
    for metric, name in ((MeanReciprocalRank(), "mrr"), (ShareOfRanks(2), "hits@2")):
        for row in range(4):  # rows whose entities are not in the graph are asked for nothing
            one = slice(row, row + 1)
            metric.update(scorer(heads[one], kinds[one], answers[one], known[one])[0], answers[one])
        assert metric.compute() == pytest.approx(wanted[name])
    unfiltered, costs = scorer(heads, kinds, answers)
    assert (unfiltered >= scorer(heads, kinds, answers, known)[0]).all()
    logits = scorer.scores(heads, kinds)[:2, :, 1:].flatten(0, 1)
    torch.testing.assert_close(
        costs[:2].flatten(), torch.nn.functional.cross_entropy(logits, answers[:2].flatten() - 1, reduction="none")
    )
    assert not costs[2:].any()
    loss = AnswerLoss()
    torch.testing.assert_close(loss(costs, answers), costs.sum(1))
    assert loss.count(answers).tolist() == [2, 2, 0, 0]


def test_a_fusion_asks_by_rows_of_triples(tmp_path: Path):
    for name, rows in (("train", TRAIN), ("held", HELD)):
        (tmp_path / f"{name}.tsv").write_text("".join("\t".join(row) + "\n" for row in rows))
    (tmp_path / "rows.csv").write_text("head,relation,tail\n" + "".join(",".join(row) + "\n" for row in TRAIN))
    model = fuse(check(Fusion.parse(FILE, tmp_path)))
    entities, kinds, answers, known = QuestionBatches.of(GRAPH, MORE)(*zip(*TRAIN, strict=True))
    found, costs = model.nodes["linked"](model.nodes["known"](entities)[1], kinds, answers, known)
    assert (found.shape, costs.shape) == ((4, 2), (4, 2))
    costs.sum().backward()
    assert model.nodes["known"].vectors.grad[1:].any()
    assert {name for name, _ in model.nodes["linked"].named_parameters()} == {"scorer.relations"}


def test_what_encodes_no_graph_and_an_odd_width_are_told(film):
    [fault] = LinkScorer(of=Use("known", Injection(graph=film))).faults_with(Dims())
    assert str(fault.at("modules", "linked")) == (
        "error CN652 at modules.linked.of\n"
        "  found     known, a injection, which encodes no graph\n"
        "  expected  a knowledge.embedding, knowledge.rgcn or knowledge.compgcn\n"
        "  fix       # name under of a knowledge.embedding, knowledge.rgcn or knowledge.compgcn"
    )
    odd = LinkScorer(of=Use("concepts", Embedding(graph=film, width=63)), scorer="complex")
    assert [fault.code for fault in odd.faults_with(Dims())] == ["CN653"]


def test_a_graph_is_asked_by_its_own_names(film):
    built = Questions(graph=film).build(Dims())
    name = "https://example.org/film#"
    relation = "http://www.w3.org/2004/02/skos/core#broader"
    entities, _, answers, _ = built([f"{name}noir"], [relation], [f"{name}genre"])
    assert answers.tolist() == [[entities[0, 1].item(), entities[0, 0].item()]]
