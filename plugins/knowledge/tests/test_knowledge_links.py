"""Link prediction: scores by the papers' formulas, losses, filtered ranks, and a graph that is learnt by itself."""

from __future__ import annotations

import json

import pytest
import torch
from click.testing import CliRunner
from torch._subclasses.fake_tensor import FakeTensorMode

from consilience.declare import Dims, Use
from consilience_knowledge import Alignment, CompGCN, Embedding, Injection, LinkPrediction, Vectors
from consilience_knowledge.commands import pretrain as pretrain_command
from consilience_knowledge.compgcn import CompositionEncoder
from consilience_knowledge.entities import EntityTable
from consilience_knowledge.graphs import KnowledgeGraph
from consilience_knowledge.links import AlignmentLoss, Hiding, LinkLoss
from consilience_knowledge.negatives import _fixed, link_loss
from consilience_knowledge.pretraining import LinkPredictor, Settings, pretrain
from consilience_knowledge.ranking import Known, filtered_ranks, measures, ranks
from consilience_knowledge.rgcn import Messages, RelationalEncoder
from consilience_knowledge.scoring import scorer_of
from consilience_knowledge.vectors import read_vectors, width_of, write_vectors

GRAPH = KnowledgeGraph.of(
    {"a": ("ant",), "b": ("bee",)},
    [("a", "near", "d"), ("a", "near", "e"), ("b", "near", "c"), ("c", "is_a", "d"), ("d", "is_a", "e")],
)
TRIPLES = torch.tensor(list(zip(GRAPH.heads, GRAPH.kinds, GRAPH.tails, strict=True)))
MESSAGES = Messages.along(GRAPH.heads, GRAPH.kinds, GRAPH.tails, 2)
ENCODERS = {
    "table": lambda: EntityTable(6, 4),
    "rgcn": lambda: RelationalEncoder(6, MESSAGES, 4, 2),
    "sampled": lambda: RelationalEncoder(6, MESSAGES, 4, 2, 2, 1),
    "compgcn": lambda: CompositionEncoder(6, MESSAGES, 4, 2),
    "bases": lambda: CompositionEncoder(6, MESSAGES, 4, 2, 2, "subtract"),
}


def numbers(vectors: torch.Tensor) -> torch.Tensor:
    return torch.complex(*vectors.chunk(2, -1))


FORMULAS = {
    "transe": lambda h, r, t: -(h + r - t).norm(dim=-1),
    "distmult": lambda h, r, t: (h * r * t).sum(-1),
    "complex": lambda h, r, t: (numbers(h) * numbers(r) * numbers(t).conj()).sum(-1).real,
    "rotate": lambda h, r, t: -(numbers(h) * torch.polar(torch.ones_like(r), r) - numbers(t)).norm(dim=-1),
}


@pytest.mark.parametrize("name", FORMULAS)
def test_a_score_is_that_of_the_paper(name):
    torch.manual_seed(0)
    heads, tails, kinds = torch.randn(3, 6), torch.randn(3, 6), torch.tensor([0, 1, 2])
    scorer = scorer_of(name, 2, 6)
    wanted = FORMULAS[name](heads, scorer.relations[kinds], tails)
    queries = scorer.query(heads, kinds)
    torch.testing.assert_close(scorer.beside(queries, tails), wanted)
    torch.testing.assert_close(scorer.against(queries, tails).diagonal(), wanted, atol=1e-4, rtol=1e-4)
    several = scorer.beside(queries, tails.expand(3, 3, 6))
    torch.testing.assert_close(several, scorer.against(queries, tails), atol=1e-4, rtol=1e-4)
    places = torch.tensor([[2, 0], [1, 1], [0, 2]])
    chosen = scorer.among(queries, tails, places)
    torch.testing.assert_close(chosen, several.gather(1, places), atol=1e-4, rtol=1e-4)


def test_ties_rank_in_their_middle():
    scores = torch.tensor([[1.0, 1.0, 1.0, 1.0], [3.0, 2.0, 2.0, 0.0], [0.0, 1.0, -torch.inf, -torch.inf]])
    assert ranks(scores, torch.tensor([0, 1, 1])).tolist() == [2.5, 2.5, 1]
    told = measures(torch.tensor([1.0, 2.0, 4.0, 20.0], dtype=torch.float64))
    assert told == {"mrr": pytest.approx(0.45), "hits@1": 0.25, "hits@3": 0.5, "hits@10": 0.75}


def test_filtered_ranks_leave_out_what_is_known_on_both_sides():
    torch.manual_seed(0)
    scores, true = torch.randn(24, 6).round(), set(map(tuple, TRIPLES.tolist()))
    found = filtered_ranks(lambda heads, kinds: scores[kinds * 6 + heads].clone(), TRIPLES, Known(TRIPLES, 6, 2), 2)
    wanted = []
    for is_back in (False, True):
        for head, kind, tail in TRIPLES.tolist():
            asked, by, right = (tail, kind + 2, head) if is_back else (head, kind, tail)
            row = scores[by * 6 + asked]
            triples = {other: (other, kind, asked) if is_back else (asked, kind, other) for other in range(6)}
            rivals = [other for other in range(6) if triples[other] not in true]
            better, equal = (row[rivals] > row[right]).sum(), (row[rivals] == row[right]).sum()
            wanted.append(1 + float(better) + float(equal) / 2)
    assert found.tolist() == wanted


def test_an_unknown_question_has_no_known_answers():
    rows, entities = Known(TRIPLES[:0], 6, 2).answers(torch.tensor([1]), torch.tensor([0]))
    assert (len(rows), len(entities)) == (0, 0)


def test_self_adversarial_weighs_and_never_counts_the_answer_as_wrong():
    torch.manual_seed(0)
    scorer, vectors = scorer_of("distmult", 2, 4), torch.randn(6, 4)
    scorer.eval()  # the same negatives for both
    even, soft, sharp = (
        link_loss(scorer, vectors, TRIPLES, method, (3, 1.0, temperature, 0.0))
        for method, temperature in (("negative_sampling", 1.0), ("self_adversarial", 1e-9), ("self_adversarial", 50.0))
    )
    assert (soft >= even - 1e-5).all()
    assert torch.isclose(soft, even).any()  # where no draw is the answer
    assert (sharp >= soft - 1e-5).all()
    assert (sharp > soft + 1e-3).any()
    # By the scores of one and one, as the paper writes it.
    drawn = _fixed(len(TRIPLES), 3, vectors)
    queries = scorer.query(vectors[TRIPLES[:, 0]], TRIPLES[:, 1])
    right, wrong = scorer.beside(queries, vectors[TRIPLES[:, 2]]), scorer.beside(queries, vectors[drawn])
    share = torch.softmax(50 * (1 + wrong).masked_fill(drawn == TRIPLES[:, 2:], -1e3), 1)
    share = share.masked_fill(drawn == TRIPLES[:, 2:], 0)
    logs = torch.nn.functional.logsigmoid
    torch.testing.assert_close(sharp, -logs(1 + right) - (share * logs(-1 - wrong)).sum(1))
    alone = link_loss(scorer, vectors[:2], torch.tensor([[1, 0, 1]]), "negative_sampling", (3, 1.0, 0.0, 0.0))
    right = scorer.beside(scorer.query(vectors[1:2], torch.tensor([0])), vectors[1:2])
    torch.testing.assert_close(alone, -torch.nn.functional.logsigmoid(1 + right))


@pytest.mark.parametrize("name", ENCODERS)
def test_a_loss_of_links_reaches_every_parameter(name):
    torch.manual_seed(0)
    encoder = ENCODERS[name]()
    for method in ("one_to_n", "negative_sampling", "self_adversarial"):
        loss = LinkLoss(encoder, GRAPH, 4, "complex", method, 3, (5, 3.0, 1.0, 0.1))
        loss().backward()
    assert all(part.grad is not None and part.grad.any() for part in encoder.parameters())
    assert set(loss.state_dict()) == {"scorer.relations"}
    loss.eval(), encoder.eval()
    assert torch.equal(loss(), loss())
    with FakeTensorMode(allow_non_fake_inputs=True):
        assert loss().shape == ()


def test_an_asked_edge_is_heard_from_neither_end():
    edges = list(map(tuple, TRIPLES.tolist()))
    hiding, encoder = Hiding(edges, 2), ENCODERS["rgcn"]()
    assert not hiding(torch.arange(5), encoder.vectors).any()
    layer = RelationalEncoder(6, MESSAGES, 4, 1)
    nothing = hiding(torch.arange(5), layer.vectors)
    torch.testing.assert_close(layer.encode(nothing), layer.layers[0].itself(layer.vectors))
    fewer = [edge for number, edge in enumerate(edges) if number != 1]
    without = RelationalEncoder(6, Messages.along(*zip(*fewer, strict=True), 2), 4, 1)
    without.load_state_dict({**layer.state_dict(), **dict(without.named_buffers())})
    torch.testing.assert_close(layer.encode(hiding(torch.tensor([1]), layer.vectors)), without.encode())


def test_a_layer_of_compgcn_is_that_of_the_equation():
    torch.manual_seed(0)
    encoder = CompositionEncoder(6, MESSAGES, 4, 1)
    layer, states = encoder.layers[0], encoder.vectors
    for node in range(6):
        total = layer.itself(states[node] * layer.loop)
        for turn, matrix in ((0, layer.forth), (2, layer.back)):
            ends = [(t, k, h) if turn else (h, k, t) for h, k, t in TRIPLES.tolist()]
            heard = [states[sender] * encoder.relations[kind + turn] for sender, kind, to in ends if to == node]
            if heard:
                total = total + matrix(torch.stack(heard).mean(0))
        torch.testing.assert_close(encoder.encode()[node], total / 3)


def test_sampled_neighbours_are_bounded_and_all_are_heard_in_evaluation():
    torch.manual_seed(0)
    messages = Messages.along([2] * 50, [0] * 50, range(3, 53), 1)
    whole, few = RelationalEncoder(53, messages, 4, 1), RelationalEncoder(53, messages, 4, 1, neighbours=3)
    assert max(few.slots.tolist()) == 3
    few.load_state_dict({**few.state_dict(), **whole.state_dict()})
    assert torch.equal(few.eval().encode(), whole.encode())
    few.train()
    assert not torch.equal(few.encode()[2], few.encode()[2])


def test_alignment_asks_for_the_mentioned_entities():
    torch.manual_seed(0)
    loss = AlignmentLoss(EntityTable(6, 4), 5, 4, 0.1)
    features, target = torch.randn(2, 5), torch.tensor([[2, 5], [0, 0]])
    value = loss(features, target)
    cosines = torch.nn.functional.cosine_similarity(loss.project(features[0]), loss._encoder[0].vectors[1:], dim=-1)
    torch.testing.assert_close(value[0], -(cosines / 0.1).log_softmax(0)[[1, 4]].mean())
    assert value[1] == 0
    assert loss.count(target).tolist() == [1, 0]


@pytest.mark.parametrize("encoder", ["table", "rgcn", "compgcn"])
def test_a_small_graph_is_learnt(encoder):
    torch.manual_seed(0)
    settings = Settings(encoder=encoder, scorer="distmult", width=8, epochs=25, batch=5, learning_rate=0.05)
    model = LinkPredictor(TRIPLES, 6, 2, settings)
    epochs = list(pretrain(model, TRIPLES))
    assert epochs[-1].loss < epochs[0].loss - 0.2
    assert [epoch.number for epoch in epochs] == list(range(1, 26))
    assert 0 < model.evaluate(TRIPLES, Known(TRIPLES, 6, 2))["mrr"] <= 1


def test_vectors_are_written_and_looked_up_by_their_names(tmp_path, film):
    iris = film.declared.load().entities
    path = tmp_path / "vectors.safetensors"
    kept = torch.arange(8.0).reshape(2, 4)
    write_vectors(path, [iris[3], iris[1]], kept)
    assert width_of(path) == 4
    _, places = read_vectors(path, iris)
    assert places.tolist() == [1, 3]
    start = Use("known", Vectors.model_validate({"path": str(path)}))
    for declared in (Embedding, CompGCN):
        assert torch.equal(declared(graph=film, width=4, start=start).build(Dims()).vectors[[3, 1]], kept)
    fixed = Injection(graph=film, width=4, vectors="fixed", start=start).build(Dims({"hidden": 8}))
    assert torch.equal(fixed.fixed[[3, 1]], kept)


def test_faults_are_told_before_anything_is_built(tmp_path, film):
    path = tmp_path / "vectors.safetensors"
    path.write_bytes(b"no vectors")
    vectors = Vectors.model_validate({"path": "vectors.safetensors"}, context={"base": tmp_path})
    [fault] = vectors.faults()
    assert str(fault.at("resources", "known")) == (
        "error CN650 at resources.known.path\n"
        "  found     vectors.safetensors: no safetensors, by its beginning\n"
        "  expected  vectors of entities\n"
        "  fix       # write it anew: consilience knowledge pretrain GRAPH vectors.safetensors"
    )
    write_vectors(path, ["a"], torch.zeros(1, 32))
    assert list(vectors.faults()) == []
    [fault] = Embedding(graph=film, start=Use("known", vectors)).faults_with(Dims())
    assert str(fault.at("modules", "concepts")) == (
        "error CN651 at modules.concepts.start\n"
        "  found     known, whose vectors have 32 numbers, for a width of 64\n"
        "  expected  vectors of 64 numbers\n"
        "  fix       width: 32"
    )
    [fault] = Alignment(of=Use("known", Injection(graph=film))).faults_with(Dims())
    assert str(fault.at("losses", "aligned")) == (
        "error CN652 at losses.aligned.of\n"
        "  found     known, a injection, which encodes no graph\n"
        "  expected  a knowledge.embedding, knowledge.rgcn or knowledge.compgcn\n"
        "  fix       # name under of a knowledge.embedding, knowledge.rgcn or knowledge.compgcn"
    )
    odd = Use("concepts", Embedding(graph=film, width=63))
    [fault] = LinkPrediction(of=odd, scorer="rotate").faults_with(Dims())
    assert str(fault.at("losses", "links")) == (
        "error CN653 at losses.links.scorer\n"
        "  found     rotate, for the odd width 63 of concepts\n"
        "  expected  an even width\n"
        "  fix       scorer: distmult"
    )


def test_the_command_learns_a_graph_and_writes_its_vectors(tmp_path, film):
    out = tmp_path / "film.safetensors"
    graph = str(film.declared.path.path)
    arguments = [graph, str(out), "--width", "8", "--epochs", "2", "--held-out", "0.2", "--json"]
    done = CliRunner().invoke(pretrain_command, arguments)
    assert done.exit_code == 0, done.output
    told = [json.loads(line) for line in done.stdout.splitlines()]
    assert [row["epoch"] for row in told[:-1]] == [1, 2]
    assert set(told[-1]) == {"mrr", "hits@1", "hits@3", "hits@10", "edges"}
    assert width_of(out) == 8
    assert len(read_vectors(out, film.declared.load().entities)[1]) == 5
